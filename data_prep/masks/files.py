"""Pictures (PNG, JPEG) and arrays (NPY, NPZ) as arrays of numbers, whatever they show. Nothing is unpickled."""

import zipfile
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from cv2.typing import MatLike

from data_prep.errors import FileProblem, InputOverLimit, MalformedInput
from data_prep.limits import MOST_SIDE, Limits
from data_prep.masks.row import shown
from data_prep.prepare.array_files import read_array

Numbers = npt.NDArray[np.generic]
_JPEG, _JPEG_END = b"\xff\xd8", b"\xff\xd9"
_PNG = b"\x89PNG\r\n\x1a\n"


def read_picture(path: Path) -> npt.NDArray[np.uint8 | np.uint16]:
    """Read a PNG or JPEG file; the content shows which of them it is.

    Returns:
        uint8 or uint16, `[R, C]` of a grey picture, `[R, C, 3]` or `[R, C, 4]` as red, green, blue and opacity. A
        palette is resolved; pictures of fewer than 8 bits are stretched to 0..255.

    Raises:
        MalformedInput: it is no such picture, or it is damaged; the message names the file.
        InputOverLimit: it is too large.
        FileNotFoundError: there is no such file.
    """
    content = path.read_bytes()
    if not content.startswith((_PNG, _JPEG)):
        raise malformed(path, "it isn't a PNG or JPEG file")
    picture = _decoded(content)
    if picture is None or (content.startswith(_JPEG) and _JPEG_END not in content[-4096:]):
        raise malformed(path, "the picture is damaged or cut short")
    if max(picture.shape[:2]) > MOST_SIDE:
        rows, columns = picture.shape[:2]
        raise InputOverLimit(f"{shown(path)}: it has {rows} x {columns} pixels; we take up to {MOST_SIDE} each way")
    if picture.dtype not in (np.uint8, np.uint16):
        raise malformed(path, f"its values are {picture.dtype}, not whole numbers of 8 or 16 bits")
    if picture.ndim == 3:
        picture = cv2.cvtColor(picture, cv2.COLOR_BGRA2RGBA if picture.shape[2] == 4 else cv2.COLOR_BGR2RGB)
    return picture  # type: ignore[return-value]  # checked above


def _decoded(content: bytes) -> MatLike | None:
    """The picture; None if it can't be decoded, of which OpenCV says nothing here."""
    level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None
    finally:
        cv2.utils.logging.setLogLevel(level)


def read_volume_array(path: Path) -> Numbers:
    """Read an image stored as an array: NPY, KneeMRI's .pck, or NPZ with one array or one that is called `voxels`.

    Returns:
        Numbers `[S, R, C]`; an array `[R, C]` is one slice.

    Raises:
        MalformedInput, InputOverLimit: with the file's name.
    """
    if path.suffix.lower() == ".pck":
        return read_array(path)
    arrays = read_arrays(path)
    if len(arrays) > 1 and "voxels" not in arrays:
        raise malformed(path, f"it holds several arrays ({', '.join(arrays)}) and none is called voxels")
    array = arrays.get("voxels", next(iter(arrays.values())))
    if array.ndim == 2:
        array = array[None]
    if array.ndim != 3 or 0 in array.shape:
        raise malformed(path, f"its shape {array.shape} isn't (slices, rows, columns){_channels(array.shape)}")
    if array.dtype.kind == "b":
        raise malformed(path, "it holds true and false, as a mask does, not an image")
    return array


def read_arrays(path: Path) -> dict[str, Numbers]:
    """Read every array of numbers of an NPY or NPZ file, by name; that of an NPY file is called ''.

    Raises:
        MalformedInput, InputOverLimit: with the file's name.
        FileNotFoundError: there is no such file.
    """
    most = Limits().file_bytes
    try:
        if path.suffix.lower() == ".npz":
            with zipfile.ZipFile(path) as archive:
                size = sum(member.file_size for member in archive.infolist())
            if size <= most:
                with np.load(path, allow_pickle=False) as archive:
                    found = {name: archive[name] for name in archive.files}
        elif (size := path.stat().st_size) <= most:
            with path.open("rb") as stream:
                found = {"": np.lib.format.read_array(stream, allow_pickle=False)}
    except FileNotFoundError:
        raise
    except Exception as error:  # NumPy and zipfile may raise any exception
        why = "it holds Python objects, not numbers" if "pickle" in str(error) else "it is damaged, or no such file"
        raise malformed(path, why) from None
    if size > most:
        raise InputOverLimit(f"{shown(path)}: it holds more than {most:,} bytes")
    numbers = {name: array for name, array in found.items() if array.dtype.kind in "buif"}
    if not numbers:
        raise malformed(path, "it holds no array of numbers")
    for array in numbers.values():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise malformed(path, "some of its values are not finite numbers")
    return numbers


def malformed(path: Path, detail: str) -> MalformedInput:
    """The error to raise if a file can't be used."""
    return MalformedInput(f"{shown(path)}: {detail}", (FileProblem(path.name, detail),))


def _channels(shape: tuple[int, ...]) -> str:
    """What a shape of four numbers may be."""
    return "; it may have channels, of which we read one" if len(shape) == 4 else ""
