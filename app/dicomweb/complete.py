"""Answers that are complete before they begin, so that what goes wrong can be told as a problem."""

import tempfile
import zlib
from collections.abc import Iterable, Iterator
from functools import partial
from typing import BinaryIO

from flask import Response

from app.dicomweb.apart import ROOM
from app.store.disk.metadata_file import GZIP
from data_prep.dicom.archive import PIECE
from data_prep.errors import InputOverLimit

# Bytes of one answer, unpacked. It is on the disk until it has been sent.
MOST_BYTES = 256 << 20
# The fastest level; others take longer than sending takes.
LEVEL = 1


def complete(pieces: Iterable[bytes], content_type: str, packed: bool = False) -> Response:
    """An answer of all these pieces.

    Args:
        pieces: Its content. Whatever error they raise is raised here.
        content_type: Its type.
        packed: Whether it is sent with gzip.

    Raises:
        InputOverLimit: It has more bytes than `MOST_BYTES`.
        TooManyRequests: Too many answers haven't been read yet.
    """
    packer, length = zlib.compressobj(LEVEL, wbits=GZIP), 0
    with tempfile.TemporaryFile() as file:
        for piece in pieces:
            length += len(piece)
            if length > MOST_BYTES:
                raise InputOverLimit(
                    f"This answer takes more than {MOST_BYTES >> 20} MB; ask for a series, or for an instance."
                )
            file.write(packer.compress(piece) if packed else piece)
        file.write(packer.flush() if packed else b"")
        size = file.tell()
        file.seek(0)
        kept = ROOM.keep(file)
    answer = Response(pieces_of(kept), content_type=content_type)
    answer.content_length = size
    answer.call_on_close(kept.close)
    if packed:
        answer.headers["Content-Encoding"] = "gzip"
    return answer


def pieces_of(file: BinaryIO) -> Iterator[bytes]:
    """The content of a file, which is closed after it."""
    with file:
        yield from iter(partial(file.read, PIECE), b"")
