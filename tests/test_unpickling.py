"""Nothing is unpickled: a pickle is a program.

Two files read pickles of other programs, instruction by instruction (their own tests plant programs). Work on a user's
own exams, and batches of a user's own studies, are shared among processes by loky and Dask, which pickle; the service
doesn't import either.
"""

import ast
import subprocess
import sys

import pytest

from tests.conftest import ROOT

PACKAGES = ("app", "data_prep", "models", "training")
FORBIDDEN = frozenset(
    {"pickle", "_pickle", "cPickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "multiprocessing"}
)
READERS_OF_PICKLES = frozenset({"data_prep/prepare/array_files.py", "models/trunks/torch_file.py"})
# Functions that unpickle or execute unless they are told otherwise.
CALLS = frozenset({"eval", "exec", "read_pickle"})


def names_of_modules(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) else []


def wrong(node: ast.AST) -> str | None:
    """What a piece of code does that may unpickle."""
    for name in names_of_modules(node):
        if name.split(".")[0] in FORBIDDEN:
            return f"imports {name}"
    if not isinstance(node, ast.Call):
        return None
    called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    allowing = [word.value for word in node.keywords if word.arg == "allow_pickle"]
    if any(not (isinstance(value, ast.Constant) and value.value is False) for value in allowing):
        return f"{called} with allow_pickle"
    return f"calls {called}" if called in CALLS else None


def faults(source: str) -> list[str]:
    return [fault for node in ast.walk(ast.parse(source)) if (fault := wrong(node))]


@pytest.mark.parametrize("package", PACKAGES)
def test_no_code_unpickles(package):
    found = {
        str(path.relative_to(ROOT)): told
        for path in (ROOT / package).rglob("*.py")
        if (told := faults(path.read_text(encoding="utf-8")))
    }
    assert {path: told for path, told in found.items() if path not in READERS_OF_PICKLES} == {}
    assert all(set(told) == {"imports pickle"} for told in found.values())


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from multiprocessing.connection import Connection",
        "import numpy as np\nnp.load('a', allow_pickle=True)",
        "import numpy as np\nnp.load('a', allow_pickle=some)",
        "eval('1')",
        "def late():\n    import marshal",
    ],
)
def test_what_unpickles_is_found(source):
    assert faults(source)


@pytest.mark.slow
@pytest.mark.parametrize(
    "module", ["app.factory", "app.apart.callee", "app.jobs.reading", "app.dicomweb.apart", "app.dimse"]
)
def test_the_service_has_no_library_that_pickles(module):
    code = (
        f"import sys, {module}; print(sorted({{'loky', 'joblib', 'distributed', 'cloudpickle'}} & sys.modules.keys()))"
    )
    assert subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True).strip() == "[]"
