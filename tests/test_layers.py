"""The arrows of docs/design: data_prep <- models <- training, and app beside training. Held by reading imports."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
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


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_a_layer_imports_only_what_lies_below_it(package):
    forbidden = (set(MAY_IMPORT) | {"tests"}) - MAY_IMPORT[package] | FORBIDDEN_LIBRARIES.get(package, set())
    files = list((ROOT / package).rglob("*.py"))
    assert files
    assert {str(path): imported(path) & forbidden for path in files if imported(path) & forbidden} == {}


def test_one_small_file_knows_which_backend_keras_has():
    files = (ROOT / "models").rglob("*.py")
    assert {path.name for path in files if {"tensorflow", "jax", "torch"} & imported(path)} == {"gradient.py"}


def test_data_prep_starts_without_keras():
    code = (
        "import sys, pkgutil, importlib, data_prep\n"
        "for module in pkgutil.walk_packages(data_prep.__path__, 'data_prep.'):\n"
        "    if not module.name.endswith('__main__'): importlib.import_module(module.name)\n"
        "assert 'data_prep.volume' in sys.modules\n"
        "sys.exit(bool({'keras', 'tensorflow'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
