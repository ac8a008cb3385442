"""The rules of docs/architecture.md, held by reading imports: which package imports which, and no cycles in them."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house import BEGIN, PACKAGES, ROOT, House, cycle_in, renewed

MAY_IMPORT = {
    "data_prep": {"data_prep"},
    "models": {"models", "data_prep"},
    "training": {"training", "models", "data_prep"},
    "app": {"app", "models", "data_prep"},
}
FORBIDDEN_LIBRARIES = {"data_prep": {"keras", "tensorflow", "flask"}, "models": {"flask"}, "training": {"flask"}}


def imported(path: Path) -> set[str]:
    """Top-level names of everything that a file imports, inside functions too."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names.add(node.module.split(".")[0])
    return names


@pytest.fixture(scope="module")
def house() -> House:
    return House.read()


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_a_layer_imports_only_what_lies_below_it(package):
    forbidden = (set(MAY_IMPORT) | {"tests"}) - MAY_IMPORT[package] | FORBIDDEN_LIBRARIES.get(package, set())
    files = list((ROOT / package).rglob("*.py"))
    assert files
    assert {str(path): imported(path) & forbidden for path in files if imported(path) & forbidden} == {}


def test_no_cycle_and_no_folder_that_is_too_large(house):
    assert len(house.imports) > 200
    assert house.faults() == []


def test_a_cycle_would_be_found():
    assert cycle_in({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) in (
        ["a", "b", "c", "a"],
        ["b", "c", "a", "b"],
        ["c", "a", "b", "c"],
    )
    crossed = House({"app.x.a": {"app.y.b"}, "app.y.c": {"app.x.d"}, "app.x.d": set(), "app.y.b": set()})
    assert [fault.partition(":")[0] for fault in crossed.faults()] == ["a cycle between folders"]
    crowded = House({f"app.x.m{number}": set() for number in range(16)})
    assert crowded.faults() == ["app.x has 16 files, more than 15"]


def test_reading_a_preset_needs_no_scikit_learn(house):
    """Keras imports it where it is installed; nothing of ours that a preset needs does."""
    waiting, needed = ["training.config.config"], set()
    while waiting:
        if (module := waiting.pop()) not in needed:
            needed.add(module)
            waiting += house.imports[module]
    assert "models.routes.registry" in needed
    assert [module for module in needed if "sklearn" in imported(ROOT / f"{module.replace('.', '/')}.py")] == []


def test_the_picture_of_the_arrows_is_the_present_one(house):
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert BEGIN in page
    assert renewed(page, house.picture()) == page, "run python -m tests.house --picture docs/architecture.md"
    assert all(f"subgraph {package}" in page for package in PACKAGES)


def test_one_small_file_knows_which_backend_keras_has():
    files = (ROOT / "models").rglob("*.py")
    assert {path.name for path in files if {"tensorflow", "jax", "torch"} & imported(path)} == {"gradient.py"}


@pytest.mark.slow
def test_data_prep_starts_without_keras():
    code = (
        "import sys, pkgutil, importlib, data_prep\n"
        "for module in pkgutil.walk_packages(data_prep.__path__, 'data_prep.'):\n"
        "    if not module.name.endswith('__main__'): importlib.import_module(module.name)\n"
        "assert 'data_prep.volume' in sys.modules\n"
        "sys.exit(bool({'keras', 'tensorflow'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
