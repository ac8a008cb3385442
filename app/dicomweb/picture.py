"""Rendered frames for browsers (PS3.18 8.7.4), drawn by the greyscale pipeline that the header describes.

Stored values go through the Modality LUT (PS3.3 C.11.1), then through the VOI LUT or window (C.11.2). MONOCHROME1 is
inverted last (C.7.6.3.1.2), because a window refers to values, not to their brightness. Padding (C.7.5.1.1.2) is black.
"""

from collections.abc import Iterator
from typing import Any, BinaryIO

import cv2
import numpy as np
import numpy.typing as npt
from pydicom import Dataset
from pydicom.pixels.processing import apply_windowing, convert_color_space
from pydicom.sequence import Sequence
from werkzeug.exceptions import NotAcceptable, NotFound

from app.dicomweb.frames import check_numbers, decoded
from app.dicomweb.representations.view import NARROWEST_LINEAR, View, Window
from app.dicomweb.representations.viewport import fitted
from app.results import render
from app.store.files.instance_file import Header, all_attributes
from data_prep.dicom.frames import read_study
from data_prep.dicom.pixels import IntegerArray
from data_prep.errors import InputError

Doubles = npt.NDArray[np.float64]

JPEG, PNG = "image/jpeg", "image/png"
SUFFIX = {JPEG: ".jpg", PNG: ".png"}
GREY = ("MONOCHROME1", "MONOCHROME2")
COLOUR = ("RGB", "YBR_FULL")
# Functional groups that define how a frame's values are shown (PS3.3 C.7.6.16.2.9, C.7.6.16.2.10).
GROUPS = ("PixelValueTransformationSequence", "FrameVOILUTSequence")
# If the number of entries of a LUT is 0, it has this many (PS3.3 C.11.1.1).
ENTRIES = 1 << 16
# With these attributes, pydicom maps a window to all of 8 bits.
EIGHT_BITS = {"BitsStored": 8, "PixelRepresentation": 0, "PhotometricInterpretation": "MONOCHROME2"}
# The exceptions that invalid values cause, in pydicom's converters and in arithmetic.
NONSENSE = (AttributeError, KeyError, IndexError, TypeError, ValueError, OverflowError, NotImplementedError)


def pictures(stream: BinaryIO, header: Header, numbers: list[int], media_type: str, view: View) -> Iterator[bytes]:
    """Draw frames.

    Args:
        stream: The DICOM file.
        header: Its header.
        numbers: Numbers of frames, from 1.
        media_type: `image/jpeg` or `image/png`.
        view: How a client wants them. A window has no effect on colours.

    Yields:
        The bytes of each picture's file.

    Raises:
        NotFound: The instance has no pixels, or no such frame.
        NotAcceptable: A frame can't be drawn.
        BadRequest: The region of the viewport lies outside the image.
    """
    if header.pixels is None:
        raise NotFound("This instance holds no image.")
    check_numbers(header, numbers)
    dataset = all_attributes(stream)
    if _value(dataset, "SamplesPerPixel") == 3:
        planes = _colours(stream, header, dataset, numbers)
    else:
        planes = _greys(stream, dataset, numbers, view.window)
    quality = [cv2.IMWRITE_JPEG_QUALITY, view.quality] if media_type == JPEG else []
    for plane in planes:
        shown = fitted(plane, view.viewport) if view.viewport else plane
        _, file = cv2.imencode(SUFFIX[media_type], shown, quality)
        yield file.tobytes()


def _colours(stream: BinaryIO, header: Header, dataset: Dataset, numbers: list[int]) -> Iterator[render.Picture]:
    """BGR from three samples of 8 bits, stored by pixel or by plane (PS3.3 C.7.6.3.1.3)."""
    rows, columns = (int(_value(header.dataset, name) or 0) for name in ("Rows", "Columns"))
    space, by_plane = _value(dataset, "PhotometricInterpretation"), _value(dataset, "PlanarConfiguration") == 1
    for number in numbers:
        (frame,) = decoded(stream, header, [number])
        if len(frame) != 3 * rows * columns or not frame or space not in COLOUR:
            raise NotAcceptable("Colour pictures are drawn only if they have 8 bits and are RGB or YBR_FULL.")
        samples = np.frombuffer(frame, np.uint8)
        by_pixel = samples.reshape(3, rows, columns).transpose(1, 2, 0) if by_plane else samples
        colours = by_pixel.reshape(rows, columns, 3)
        rgb = colours if space == "RGB" else convert_color_space(colours, space, "RGB")
        yield np.ascontiguousarray(rgb[..., ::-1])


def _greys(stream: BinaryIO, dataset: Dataset, numbers: list[int], window: Window | None) -> Iterator[render.Picture]:
    photometric = _value(dataset, "PhotometricInterpretation")
    if photometric not in GREY:
        raise NotAcceptable(f"Pictures with one sample per pixel are drawn only if they are {' or '.join(GREY)}.")
    turned = photometric == "MONOCHROME1" or _value(dataset, "PresentationLUTShape") == "INVERSE"
    for number, stored, padding in _stored(stream, numbers):
        shown = _shown(stored, _view(dataset, number), turned, padding, window)
        shown[padding] = 0
        yield np.round(shown).astype(np.uint8)


def _stored(stream: BinaryIO, numbers: list[int]) -> Iterator[tuple[int, IntegerArray, npt.NDArray[np.bool_]]]:
    """Number, stored values and padding of each frame."""
    stream.seek(0)
    try:
        frames = {frame.number: frame for frame in read_study([("instance", stream)]).frames}
        for number in numbers:
            stored = frames[number].pixels.plane(number - 1)
            yield number, stored, frames[number].padding(stored)
    except (InputError, KeyError):
        raise NotAcceptable("This frame can't be drawn as a picture.") from None


def _view(dataset: Dataset, number: int) -> Dataset:
    """The attributes of the greyscale pipeline; for a multi-frame image, those of this frame."""
    view = Dataset()
    view.update(dataset)
    frames = _items(dataset, "PerFrameFunctionalGroupsSequence")
    for groups in (*_items(dataset, "SharedFunctionalGroupsSequence"), *frames[number - 1 : number]):
        for group in GROUPS:
            for item in _items(groups, group):
                view.update(item)
    return view


def _items(dataset: Dataset, keyword: str) -> list[Dataset]:
    """The items of a sequence; none if it is another kind of value."""
    value = _value(dataset, keyword)
    return list(value) if isinstance(value, Sequence) else []


def _value(dataset: Dataset, keyword: str) -> Any:
    """An attribute's value; None if it is absent or can't be read."""
    try:
        return dataset.get(keyword)
    except NONSENSE:
        return None


def _shown(
    stored: IntegerArray, view: Dataset, turned: bool, padding: npt.NDArray[np.bool_], window: Window | None
) -> Doubles:
    """0 to 255, by the client's window, or by the header's first VOI LUT or window, or by the frame's own values."""
    values = _modality(stored, view)
    try:
        shown = _voi(values, view) if window is None else _windowed(values, window)
    except NONSENSE:
        seen = values if padding.all() else values[~padding]
        brightness = -values if turned else values
        black, white = np.percentile(-seen if turned else seen, render.WINDOW)
        return np.asarray(255 * ((brightness - black) / max(white - black, render.TINY)).clip(0, 1))
    return 255 - shown if turned else shown


def _modality(stored: IntegerArray, view: Dataset) -> Doubles:
    """Stored values in the units of the window. Invalid attributes are ignored."""
    try:
        if view.get("ModalityLUTSequence"):
            return _looked_up(stored.astype(np.float64), view.ModalityLUTSequence[0])[0]
        slope, intercept = float(view.get("RescaleSlope", 1)), float(view.get("RescaleIntercept", 0))
    except NONSENSE:
        slope, intercept = 1.0, 0.0
    if not slope or not np.isfinite([slope, intercept]).all():
        slope, intercept = 1.0, 0.0
    return stored.astype(np.float64) * slope + intercept


def _voi(values: Doubles, view: Dataset) -> Doubles:
    """0 to 255. Raises one of `NONSENSE` if there is no VOI LUT and no valid window."""
    if view.get("VOILUTSequence"):
        looked_up, highest = _looked_up(values, view.VOILUTSequence[0])
        return 255 * looked_up / highest
    centre, width = (float(np.atleast_1d(view[name].value)[0]) for name in ("WindowCenter", "WindowWidth"))
    if not np.isfinite([centre, width]).all() or width <= 0:
        raise ValueError("no window")
    function = str(view.get("VOILUTFunction") or "LINEAR").upper()
    if function == "LINEAR" and width <= NARROWEST_LINEAR:
        function = "LINEAR_EXACT"
    return _windowed(values, Window.model_validate({"centre": centre, "width": width, "function": function}))


def _windowed(values: Doubles, asked: Window) -> Doubles:
    """0 to 255, through a window."""
    window = Dataset()
    # As doubles: a DS may have 16 characters.
    window.add_new("WindowCenter", "FD", asked.centre)
    window.add_new("WindowWidth", "FD", asked.width)
    window.VOILUTFunction = asked.function
    for keyword, value in EIGHT_BITS.items():
        setattr(window, keyword, value)
    with np.errstate(over="ignore"):  # far from a narrow sigmoid
        return np.asarray(apply_windowing(values, window), np.float64)


def _looked_up(values: Doubles, item: Dataset) -> tuple[Doubles, int]:
    """Values through a LUT (PS3.3 C.11.1.1, C.11.2.1.1), and the highest value that it can give."""
    entries, first, bits = (int(number) for number in item.LUTDescriptor)
    data = item.LUTData
    if isinstance(data, bytes):
        big = item.original_encoding[1] is False
        width = 1 if len(data) < 2 * (entries or ENTRIES) else 2
        data = np.frombuffer(data, f"{'>' if big else '<'}u{width}")
    table = np.atleast_1d(np.asarray(data, np.float64))[: entries or ENTRIES]
    places = np.clip(np.rint(values) - first, 0, len(table) - 1).astype(np.int64)
    return table[places], (1 << bits) - 1
