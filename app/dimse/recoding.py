"""Stored instances in another transfer syntax, made in a process with limits (app/apart)."""

from io import BytesIO
from typing import BinaryIO

from pydicom import dcmread, dcmwrite
from pydicom.uid import UID

from app.apart.pool import Pool
from app.dicomweb.instances_out import recoded
from app.store.files.instance_file import read_header

RECODERS = Pool(2 << 30, preload="app.dimse.recoding", what="Reading the instance", advice="")


class NotRecoded(ValueError):
    """An instance can't be decoded."""


def recode(stream: BinaryIO, out: BinaryIO, syntax: UID) -> None:
    """Write an instance uncompressed.

    Args:
        stream: The stored file.
        out: An empty file.
        syntax: Explicit or Implicit VR Little Endian.

    Raises:
        NotRecoded: It can't be decoded.
        InputError, HTTPException: It takes too much time or memory, or others do.
    """
    if not RECODERS.call(bool, _recode, str(syntax), files=[stream, out], has_begun=True):
        raise NotRecoded


def _recode(files: list[BinaryIO], syntax: str) -> bool:
    stream, out = files
    found = recoded(stream, read_header(stream), UID(syntax))
    if found is None:
        return False
    # This completes the file meta information.
    dcmwrite(out, dcmread(BytesIO(found[1])), enforce_file_format=True)
    return True
