import gc
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module

import pytest

from models.importing import quickly

OPTIONAL = ("jax", "matplotlib", "scipy", "sklearn")
# Part of Python, and nobody else imports it.
SEEN_NOWHERE = "tabnanny"


@pytest.mark.slow
def test_keras_comes_without_what_nothing_here_needs_which_can_be_imported_later():
    code = f"""
import importlib, sys
import models
print([name for name in {OPTIONAL} if name in sys.modules])
print([importlib.import_module(name).__name__ for name in {OPTIONAL}])
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines() == ["[]", str(list(OPTIONAL))]


def test_other_threads_can_import_it_meanwhile():
    with quickly(SEEN_NOWHERE), ThreadPoolExecutor(1) as other:
        with pytest.raises(ModuleNotFoundError):
            import_module(SEEN_NOWHERE)
        assert other.submit(import_module, SEEN_NOWHERE).result().__name__ == SEEN_NOWHERE


def test_garbage_is_collected_again_afterwards():
    with quickly():
        assert not gc.isenabled()
    assert gc.isenabled()
