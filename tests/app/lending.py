"""Bundles that are loaded once and lent to one service of the tests after another.

Loading a bundle builds its network and recomputes its golden answer, and hundreds of tests start a service in their own
process.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from unittest import mock
from weakref import WeakKeyDictionary

import models.bundle
from app.jobs.engine import Engine
from models.bundle import Bundle, load_bundle


@contextmanager
def lent(folders: Sequence[Path]) -> Iterator[None]:
    """In this block, engines get bundles of these folders that others have used before. No two have the same at a time.

    Args:
        folders: Of bundles that no test changes.
    """
    free: dict[Path, list[Bundle]] = {folder: [] for folder in folders}
    used, stop = WeakKeyDictionary[Bundle, Path](), Engine.stop

    def load(folder: Path) -> Bundle:
        if folder not in free:
            return load_bundle(folder)
        bundle = free[folder].pop() if free[folder] else load_bundle(folder)
        used[bundle] = folder
        return bundle

    def stopped(engine: Engine) -> None:
        stop(engine)
        if not engine._thread.is_alive():
            for predictor in engine._predictors.values():
                if (folder := used.pop(predictor.bundle, None)) is not None:
                    free[folder].append(predictor.bundle)

    with mock.patch.object(models.bundle, "load_bundle", load), mock.patch.object(Engine, "stop", stopped):
        yield
