"""The audit of dependencies: what is found fails, what can't be known is said."""

import re
import sys

import pytest

from tests.audit import SKIPPED, report, verdict

pytestmark = pytest.mark.slow

CLEAN = {"name": "good", "version": "1.0", "vulns": []}
FAULTY = {"name": "bad", "version": "1.0", "vulns": [{"id": "PYSEC-2026-1", "fix_versions": ["1.1"], "aliases": []}]}
UNKNOWN = {"name": "own", "skip_reason": "Dependency not found on PyPI"}


@pytest.mark.parametrize(
    ("packages", "status", "says"),
    [
        ([], 0, SKIPPED),
        ([UNKNOWN, UNKNOWN], 0, SKIPPED),
        ([CLEAN], 0, "1 of 1 packages audited: no known vulnerability."),
        ([CLEAN, UNKNOWN], 0, "1 of 2 packages audited: no known vulnerability.\nNot audited, .*own"),
        ([CLEAN, FAULTY, UNKNOWN], 1, "bad 1.0: PYSEC-2026-1; fixed in 1.1\n2 of 3 .*: 1 known"),
        ([{**FAULTY, "vulns": [{"id": "GHSA-1", "fix_versions": []}]}], 1, "bad 1.0: GHSA-1; fixed in none"),
    ],
)
def test_the_verdict(packages, status, says):
    text, code = verdict(packages)
    assert code == status
    assert re.search(says, text)


@pytest.mark.parametrize(
    "code",
    ["import time; time.sleep(60)", "raise SystemExit(2)", "print('no JSON')", "print('[]')", "print('{}')"],
    ids=["late", "failed", "text", "a list", "nothing"],
)
def test_a_report_that_cannot_be_had_is_empty(code):
    assert report((sys.executable, "-c", code), 1.0) == []


def test_a_command_that_is_not_installed_gives_no_report():
    assert report(("/no/such/command",), 1.0) == []


def test_a_report_of_vulnerabilities_counts_though_its_command_failed():
    """pip-audit exits with 1 then."""
    code = 'print(\'{"dependencies": [{"name": "bad"}], "fixes": []}\'); raise SystemExit(1)'
    assert report((sys.executable, "-c", code), 10.0) == [{"name": "bad"}]
