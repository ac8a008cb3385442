"""Writing files and folders that appear whole or not at all, and flushing them to the disk."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from data_prep.names import beginning


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file beside `path` to write to; at the end of the block it replaces `path`.

    The folder is made if it doesn't exist. After an error the temporary file is deleted.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{beginning(path)}.")
    os.close(handle)
    partial = Path(name)
    try:
        yield partial
        partial.chmod(0o644)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """An empty temporary folder to fill; at the end of the block it replaces `path`, which may exist.

    The temporary folder has the same name as `path`. After an error `path` is unchanged. A process that is killed
    between the two renames leaves both folders, whole, in the hidden folder `.NAME.*` beside `path`.
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
    """Write the folder's list of files to the disk, so that a crash after this call can't lose it."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
