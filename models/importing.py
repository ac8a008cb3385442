"""Imports Keras in half the time: without packages that nothing here needs it for, and without garbage collections.

Keras and TensorFlow look for scikit-learn, Matplotlib, SciPy and JAX (wrappers of estimators, galleries, sparse inputs,
conversion to TF Lite), and do without them where they aren't installed.
"""

import gc
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType


class _Absent(MetaPathFinder):
    """Says that packages aren't installed, to the thread that made it only."""

    def __init__(self, packages: tuple[str, ...]) -> None:
        self._packages, self._thread = packages, threading.get_ident()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname in self._packages and threading.get_ident() == self._thread:
            raise ModuleNotFoundError(f"{fullname} isn't imported together with Keras", name=fullname)
        return None


@contextmanager
def quickly(*unneeded: str) -> Iterator[None]:
    """Import without these packages in this block, and this thread, unless they are imported already."""
    absent, collecting = _Absent(unneeded), gc.isenabled()
    sys.meta_path.insert(0, absent)
    gc.disable()
    try:
        yield
    finally:
        sys.meta_path.remove(absent)
        if collecting:
            gc.enable()
