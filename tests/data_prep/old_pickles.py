"""Pickled arrays as Python 2 and NumPy 1 wrote them, instruction by instruction: protocol 2, bytes as `str`."""

import struct
from collections.abc import Sequence

import numpy as np


def old_pickle(array: np.ndarray, *, shape: Sequence[int] | None = None, code: str | None = None) -> bytes:
    """What `cPickle.dumps(array, 2)` made of it; another shape or dtype code is a lie."""
    by_columns = array.flags.f_contiguous and not array.flags.c_contiguous
    content = array.tobytes("F" if by_columns else "C")
    order = ">" if array.dtype.byteorder == ">" else "<" if array.itemsize > 1 else "|"
    parts = [
        b"\x80\x02",
        b"cnumpy.core.multiarray\n_reconstruct\nq\x01cnumpy\nndarray\nq\x02K\x00\x85q\x03U\x01bq\x04\x87q\x05Rq\x06",
        b"(K\x01(" + b"".join(_number(side) for side in shape or array.shape) + b"tq\x07",
        b"cnumpy\ndtype\nq\x08" + _text(code or array.dtype.str[1:]) + b"q\x09K\x00K\x01\x87q\x0aRq\x0b",
        b"(K\x03" + _text(order) + b"q\x0cNNN" + 2 * _number(-1) + b"K\x00tq\x0db",
        (b"\x88" if by_columns else b"\x89") + b"T" + struct.pack("<i", len(content)) + content,
        b"q\x0etq\x0fb.",
    ]
    return b"".join(parts)


def _number(value: int) -> bytes:
    return b"K" + bytes([value]) if 0 <= value < 256 else b"J" + struct.pack("<i", value)


def _text(text: str) -> bytes:
    return b"U" + bytes([len(text)]) + text.encode("ascii")
