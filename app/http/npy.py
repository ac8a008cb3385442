"""Arrays in NumPy's format (NPY 1.0) as answers: a short text header, then the values."""

import io
import zlib
from collections.abc import Iterable, Iterator
from itertools import chain

import numpy as np
from flask import Response, request

from app.store.disk.metadata_file import GZIP

NPY = "application/octet-stream"
# Noise repeats nothing but a dark background. To look for more takes three times as long and saves 4 %.
LEVEL, STRATEGY, MEMORY = 1, zlib.Z_RLE, 9


def header(shape: tuple[int, ...], dtype: str) -> bytes:
    """The header of an NPY file."""
    written = io.BytesIO()
    np.lib.format.write_array_header_1_0(written, {"shape": shape, "fortran_order": False, "descr": dtype})
    return written.getvalue()


def packed(head: bytes, pieces: Iterable[bytes]) -> Response:
    """An NPY file, sent while it is made."""
    packs = request.accept_encodings.quality("gzip") > 0
    content = chain([head], pieces)
    answer = Response(_gzip(content) if packs else content, mimetype=NPY)
    if packs:
        answer.headers["Content-Encoding"] = "gzip"
    answer.vary.add("Accept-Encoding")
    return answer


def _gzip(pieces: Iterable[bytes]) -> Iterator[bytes]:
    packer = zlib.compressobj(LEVEL, zlib.DEFLATED, GZIP, MEMORY, STRATEGY)
    for piece in pieces:
        yield packer.compress(piece)
    yield packer.flush()
