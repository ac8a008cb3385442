"""Volumes stored as arrays without headers: MRNet's .npy files and KneeMRI's pickles.

A pickle is a program. Here only the few instructions and names are allowed that NumPy's pickles of arrays use, and the
names stand for Cruciate's own objects. Nothing else runs, and memory stays within a few times the file's size.
"""

import io
import math
import pickle
import pickletools
import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from data_prep.errors import FileProblem, InputOverLimit, MalformedInput
from data_prep.limits import Limits

SUFFIXES = (".npy", ".pck")


def read_array(path: Path, limits: Limits | None = None) -> npt.NDArray[np.generic]:
    """Read the array of a .npy or .pck file.

    Args:
        path: the file.
        limits: the largest file that is accepted.

    Returns:
        Numbers `[slices, rows, columns]`. Those of a .npy file stay on disk until they are used.

    Raises:
        MalformedInput, InputOverLimit: with the file's name.
        FileNotFoundError: there is no such file.
    """
    limits = limits or Limits()
    if path.stat().st_size > limits.file_bytes:
        raise InputOverLimit(f"{path.name}: more than {limits.file_bytes:,} bytes.")
    try:
        array = _unpickled(path.read_bytes()) if path.suffix == ".pck" else np.lib.format.open_memmap(path, mode="r")
    except Exception as error:  # both readers may raise any exception
        raise _malformed(path, f"It can't be read: {_first_line(error)}.") from None
    if array.dtype.kind not in "uif":
        raise _malformed(path, "It doesn't hold an array of numbers.")
    if array.ndim != 3 or 0 in array.shape:
        raise _malformed(path, f"Its shape {array.shape} isn't (slices, rows, columns).")
    if array.size > limits.voxels:
        raise InputOverLimit(f"{path.name}: more than {limits.voxels:,} voxels.")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise _malformed(path, "Some of its values are not finite numbers.")
    return array


def _malformed(path: Path, detail: str) -> MalformedInput:
    return MalformedInput(f"{path.name}: {detail}", (FileProblem(path.name, detail),))


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")


# The instructions of a pickled array, in protocols 2 to 5 (see `pickletools`).
OPCODES = frozenset(
    (
        *("PROTO", "FRAME", "STOP", "GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD"),
        *("MARK", "TUPLE", "EMPTY_TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"),
        *("NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2", "LONG1"),
        *("BINSTRING", "SHORT_BINSTRING", "BINUNICODE", "SHORT_BINUNICODE"),
        *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
        *("BINPUT", "LONG_BINPUT", "MEMOIZE", "BINGET", "LONG_BINGET"),
    )
)
# The unpickler allocates as many memo entries as the largest number says; an array needs about twenty.
LARGEST_MEMO = 255
NUMBER_CODE = re.compile("[ui][1248]|f[248]")


class _Dtype:
    """Replaces `numpy.dtype(code, align, copy)`, whose byte order is the second item of its state."""

    def __init__(self, code: object, *flags: object) -> None:
        if not isinstance(code, str) or not NUMBER_CODE.fullmatch(code):
            raise pickle.UnpicklingError("an array of something other than numbers")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.dtype = self.dtype.newbyteorder(state[1])


class _Array:
    """Replaces the empty array of `numpy._reconstruct`, whose state then sets its content, type and shape."""

    array: npt.NDArray[np.generic] | None = None

    def __init__(self, *empty: object) -> None:
        pass

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _version, shape, dtype, by_columns, content = state
        self.fill(content, dtype, shape, "F" if by_columns else "C")

    def fill(self, content: object, dtype: object, shape: object, order: Any) -> None:
        """Set the array. Python 2 wrote bytes as text, which is read as latin1."""
        if isinstance(content, str):
            content = content.encode("latin1")
        if not isinstance(content, bytes | bytearray) or not isinstance(dtype, _Dtype) or not isinstance(shape, tuple):
            raise pickle.UnpicklingError("an array that isn't made of bytes")
        if not all(type(side) is int and side >= 0 for side in shape):
            raise pickle.UnpicklingError("an array without a shape")
        if math.prod(shape) * dtype.dtype.itemsize != len(content):
            raise pickle.UnpicklingError(f"{len(content):,} bytes, which isn't what the shape {shape} needs")
        self.array = np.frombuffer(content, dtype.dtype).reshape(shape, order=order)


def _from_buffer(content: object, dtype: object, shape: object, order: object, *axes: object) -> _Array:
    """Replaces NumPy's `_frombuffer` (protocol 5)."""
    if axes or order not in ("C", "F"):
        raise pickle.UnpicklingError("an array with its axes in another order")
    array = _Array()
    array.fill(content, dtype, shape, order)
    return array


def _bytes(text: str, encoding: str) -> bytes:
    """Replaces `_codecs.encode`, which Python 3 uses to write bytes in protocol 2."""
    if encoding != "latin1":
        raise pickle.UnpicklingError("bytes in an unusual encoding")
    return text.encode(encoding)


# The names in a pickled array, with the modules of NumPy 1 and NumPy 2.
ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy", "dtype"): _Dtype,
    ("numpy", "ndarray"): None,
    ("_codecs", "encode"): _bytes,
    **{(f"{core}.multiarray", "_reconstruct"): _Array for core in ("numpy.core", "numpy._core")},
    **{(f"{core}.numeric", "_frombuffer"): _from_buffer for core in ("numpy.core", "numpy._core")},
}


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"the pickle asks for {module}.{name}, which isn't part of an array")
        return ALLOWED[module, name]


def _unpickled(content: bytes) -> npt.NDArray[np.generic]:
    for opcode, argument, _place in pickletools.genops(content):
        if opcode.name not in OPCODES or ("PUT" in opcode.name and int(argument or 0) > LARGEST_MEMO):
            raise pickle.UnpicklingError(f"the pickle does something ({opcode.name}) that no array of numbers needs")
    loaded = _ArrayUnpickler(io.BytesIO(content), encoding="latin1").load()
    if not isinstance(loaded, _Array) or loaded.array is None:
        raise pickle.UnpicklingError("no array of numbers")
    return loaded.array
