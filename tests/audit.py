"""Are versions of dependencies installed that have known vulnerabilities? pip-audit asks PyPI about every package.

    python -m tests.audit

Without the data nothing fails: a machine that reaches only a package index doesn't have it. pip-audit itself says "no
known vulnerabilities" then, so its report is read here.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

COMMAND = (sys.executable, "-m", "pip_audit", "--local", "--format", "json", "--progress-spinner", "off")
# PyPI is asked once for each of some 150 packages.
SECONDS = 120.0
SKIPPED = "The dependencies were NOT audited: PyPI's data about vulnerabilities can't be had here."


def main() -> int:
    """Print what is known. Returns 1 if a version has a known vulnerability."""
    text, status = verdict(report(COMMAND, SECONDS))
    print(text)
    return status


def report(command: Sequence[str], seconds: float) -> list[dict[str, Any]]:
    """What the command writes about each package; nothing if it fails or takes too long."""
    try:
        run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=seconds, check=False)
        packages: list[dict[str, Any]] = json.loads(run.stdout)["dependencies"]
    except (OSError, subprocess.TimeoutExpired, ValueError, KeyError, TypeError):
        return []
    return packages


def verdict(packages: Sequence[dict[str, Any]]) -> tuple[str, int]:
    """A text for people, and the exit status."""
    audited = [package for package in packages if "vulns" in package]
    if not audited:
        return SKIPPED, 0
    unknown = [package["name"] for package in packages if "vulns" not in package]
    faults = [
        f"{package['name']} {package['version']}: {fault['id']}; fixed in {', '.join(fault['fix_versions']) or 'none'}"
        for package in audited
        for fault in package["vulns"]
    ]
    found = f"{len(faults)} known vulnerabilities" if faults else "no known vulnerability"
    lines = [*faults, f"{len(audited)} of {len(packages)} packages audited: {found}."]
    if unknown:
        lines.append(f"Not audited, because PyPI's data isn't there: {', '.join(unknown)}.")
    return "\n".join(lines), 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
