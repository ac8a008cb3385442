"""Files that appear whole or not at all, and folders that remember it."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from data_prep.names import beginning


@contextmanager
def replacing(path: Path, flush: bool = False) -> Iterator[Path]:
    """A file to write beside `path`; it then takes the place of `path`. Nothing is left of it after an error.

    flush: the content is on the disk before the file takes its place, and the folder must exist. Otherwise the folder
    is made.
    """
    if not flush:
        path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{beginning(path)}.")
    os.close(handle)
    partial = Path(name)
    try:
        yield partial
        partial.chmod(0o644)
        if flush:
            _flush(partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """An empty folder of the same name to fill, elsewhere; it then takes the place of `path`, which may exist.

    After an error `path` is as it was. A process that is killed between the two renames leaves both folders, whole,
    in the hidden folder `.NAME.*` beside `path`.
    """
    path = path.resolve()  # a link to a folder stays a link
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{beginning(path)}.") as apart:
        new, former = Path(apart) / path.name, Path(apart) / f"{path.name}.former"
        new.mkdir()
        yield new
        try:
            if path.exists():
                path.rename(former)
            new.rename(path)
        except BaseException:
            if former.exists() and not path.exists():
                former.rename(path)
            raise


def flush_folder(folder: Path) -> None:
    """When this returns, a crash can't take back which files the folder has."""
    _flush(folder)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
