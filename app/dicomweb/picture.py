"""Rendered frames for browsers (PS3.18 8.7.4), drawn by the greyscale pipeline that the header describes.

Stored values go through the Modality LUT (PS3.3 C.11.1), then through the VOI LUT or window (C.11.2). MONOCHROME1 is
inverted last (C.7.6.3.1.2), because a window refers to values, not to their brightness. Padding (C.7.5.1.1.2) is black.
"""

from typing import BinaryIO

import cv2
import numpy as np
import numpy.typing as npt
from pydicom import Dataset, dcmread
from pydicom.pixels.processing import apply_windowing, convert_color_space
from werkzeug.exceptions import NotAcceptable, NotFound

from app.dicomweb.frames import decoded
from app.results import render
from app.store.instance_file import Header
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
# At this width the formula of LINEAR divides by 0 (PS3.3 C.11.2.1.2.1). LINEAR_EXACT allows any width above 0.
NARROWEST_LINEAR = 1.0
# With these attributes, pydicom maps a window to all of 8 bits.
EIGHT_BITS = {"BitsStored": 8, "PixelRepresentation": 0, "PhotometricInterpretation": "MONOCHROME2"}
# The exceptions that invalid values cause, in pydicom's converters and in arithmetic.
NONSENSE = (AttributeError, KeyError, IndexError, TypeError, ValueError, OverflowError, NotImplementedError)


def picture(stream: BinaryIO, header: Header, number: int, media_type: str) -> bytes:
    """Draw a frame.

    Args:
        stream: The DICOM file.
        header: Its header.
        number: The number of the frame, from 1.
        media_type: `image/jpeg` or `image/png`.

    Returns:
        The bytes of the picture's file.

    Raises:
        NotFound: The instance has no pixels.
        NotAcceptable: The frame can't be drawn.
    """
    if header.pixels is None:
        raise NotFound("This instance holds no image.")
    stream.seek(0)
    dataset = dcmread(stream, stop_before_pixels=True)
    colour = dataset.get("SamplesPerPixel") == 3
    pixels = _colours(stream, header, dataset, number) if colour else _grey(stream, dataset, number)
    _, file = cv2.imencode(SUFFIX[media_type], pixels)
    return file.tobytes()


def _colours(stream: BinaryIO, header: Header, dataset: Dataset, number: int) -> render.Picture:
    """BGR from three samples of 8 bits, stored by pixel or by plane (PS3.3 C.7.6.3.1.3)."""
    (frame,) = decoded(stream, header, [number])
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    space = dataset.get("PhotometricInterpretation")
    if len(frame) != 3 * rows * columns or space not in COLOUR:
        raise NotAcceptable("Colour pictures are drawn only if they have 8 bits and are RGB or YBR_FULL.")
    samples = np.frombuffer(frame, np.uint8)
    by_plane = dataset.get("PlanarConfiguration") == 1
    colours = samples.reshape(3, rows, columns).transpose(1, 2, 0) if by_plane else samples.reshape(rows, columns, 3)
    rgb = colours if space == "RGB" else convert_color_space(colours, space, "RGB")
    return np.ascontiguousarray(rgb[..., ::-1])


def _grey(stream: BinaryIO, dataset: Dataset, number: int) -> render.Picture:
    stream.seek(0)
    try:
        frame = {frame.number: frame for frame in read_study([("instance", stream)]).frames}[number]
        stored = frame.pixels.plane(number - 1)
        padding = frame.padding(stored)
    except (InputError, KeyError):
        raise NotAcceptable("This frame can't be drawn as a picture.") from None
    photometric = dataset.get("PhotometricInterpretation")
    if photometric not in GREY:
        raise NotAcceptable(f"Pictures with one sample per pixel are drawn only if they are {' or '.join(GREY)}.")
    turned = photometric == "MONOCHROME1" or dataset.get("PresentationLUTShape") == "INVERSE"
    shown = _shown(stored, _view(dataset, number), turned, padding)
    shown[padding] = 0
    return np.round(shown).astype(np.uint8)


def _view(dataset: Dataset, number: int) -> Dataset:
    """The attributes of the greyscale pipeline; for a multi-frame image, those of this frame."""
    view = Dataset()
    view.update(dataset)
    frames = dataset.get("PerFrameFunctionalGroupsSequence") or []
    for groups in (*(dataset.get("SharedFunctionalGroupsSequence") or []), *frames[number - 1 : number]):
        for group in GROUPS:
            for item in groups.get(group) or []:
                view.update(item)
    return view


def _shown(stored: IntegerArray, view: Dataset, turned: bool, padding: npt.NDArray[np.bool_]) -> Doubles:
    """0 to 255, by the first VOI LUT or window of the header, or by a window from the frame's own values."""
    values = _modality(stored, view)
    try:
        shown = _voi(values, view)
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
    window = Dataset()
    centre, width = (float(np.atleast_1d(view[name].value)[0]) for name in ("WindowCenter", "WindowWidth"))
    if not np.isfinite([centre, width]).all() or width <= 0:
        raise ValueError("no window")
    function = view.get("VOILUTFunction") or "LINEAR"
    window.WindowCenter, window.WindowWidth = centre, width
    window.VOILUTFunction = "LINEAR_EXACT" if function == "LINEAR" and width <= NARROWEST_LINEAR else function
    for keyword, value in EIGHT_BITS.items():
        setattr(window, keyword, value)
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
