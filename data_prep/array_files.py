"""Volumes that come as bare arrays: MRNet's .npy files and KneeMRI's pickles. They have no header at all.

A pickle is a program; the one that runs here can rebuild a NumPy array of numbers and do nothing else.
"""

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from data_prep.archive import Limits
from data_prep.errors import FileProblem, InputOverLimit, MalformedInput

SUFFIXES = (".npy", ".pck")


def read_array(path: Path, limits: Limits | None = None) -> npt.NDArray[np.generic]:
    """Numbers `[slices, rows, columns]` of a .npy or .pck file.

    Raises MalformedInput or InputOverLimit naming the file; FileNotFoundError.
    """
    limits = limits or Limits()
    if path.stat().st_size > limits.file_bytes:
        raise InputOverLimit(f"{path.name}: more than {limits.file_bytes:,} bytes.")
    try:
        array = _unpickled(path.read_bytes()) if path.suffix == ".pck" else np.lib.format.open_memmap(path, mode="r")
    except Exception as error:  # both readers raise whatever they stumble on
        raise _malformed(path, f"It can't be read: {_first_line(error)}.") from None
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "uif":
        raise _malformed(path, "It holds no array of numbers.")
    if array.ndim != 3 or 0 in array.shape:
        raise _malformed(path, f"Its shape {array.shape} isn't (slices, rows, columns).")
    if array.size > limits.voxels:
        raise InputOverLimit(f"{path.name}: more than {limits.voxels:,} voxels.")
    return array


def _malformed(path: Path, detail: str) -> MalformedInput:
    return MalformedInput(f"{path.name}: {detail}", (FileProblem(path.name, detail),))


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")


class _NotCallable:
    """Stands for `numpy.ndarray`, which a pickle names and must not call."""


def _empty(kind: object, shape: object, code: object) -> npt.NDArray[np.generic]:
    """numpy's `_reconstruct`, of which pickles ask an empty array to fill; any other could take all memory."""
    if kind is not _NotCallable or shape != (0,):
        raise pickle.UnpicklingError("an array that isn't rebuilt as NumPy does it")
    return np.empty(0, np.uint8)


def _dtype(code: object, *flags: object) -> np.dtype[Any]:
    if not isinstance(code, str) or np.dtype(code).kind not in "uif":
        raise pickle.UnpicklingError("an array of something other than numbers")
    return np.dtype(code)


# What a pickled array names: NumPy 1's module and NumPy 2's.
ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"): _empty,
    ("numpy._core.multiarray", "_reconstruct"): _empty,
    ("numpy", "ndarray"): _NotCallable,
    ("numpy", "dtype"): _dtype,
}


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"the pickle asks for {module}.{name}, which isn't part of an array")
        return ALLOWED[module, name]


def _unpickled(content: bytes) -> object:
    """Python 2 wrote an array's bytes as text, hence latin1."""
    return _ArrayUnpickler(io.BytesIO(content), encoding="latin1").load()
