"""Rendered frames: what a browser shows (PS3.18 8.7.4), windowed as the header says."""

from typing import BinaryIO

import cv2
import numpy as np
from pydicom import dcmread
from werkzeug.exceptions import NotAcceptable, NotFound

from app import render
from app.dicomweb.frames import decoded
from app.instance_file import Header
from data_prep.dicom import read_study
from data_prep.errors import InputError
from data_prep.volume import FloatArray

JPEG, PNG = "image/jpeg", "image/png"
SUFFIX = {JPEG: ".jpg", PNG: ".png"}


def picture(stream: BinaryIO, header: Header, number: int, media_type: str) -> bytes:
    """Frame `number` (from 1) as a file. NotFound, or NotAcceptable for what isn't a picture that we can draw."""
    if header.pixels is None:
        raise NotFound("This instance holds no image.")
    pixels = _colours(stream, header, number) if header.dataset.get("SamplesPerPixel") == 3 else _grey(stream, number)
    _, file = cv2.imencode(SUFFIX[media_type], pixels)
    return file.tobytes()


def _colours(stream: BinaryIO, header: Header, number: int) -> render.Picture:
    """BGR of RGB, 8 bits, colour by pixel."""
    (frame,) = decoded(stream, header, [number])
    shape = (int(header.dataset.Rows), int(header.dataset.Columns), 3)
    if len(frame) != np.prod(shape):
        raise NotAcceptable("Of colour pictures, only those of 8 bits are drawn.")
    return np.ascontiguousarray(np.frombuffer(frame, np.uint8).reshape(shape)[..., ::-1])


def _grey(stream: BinaryIO, number: int) -> render.Picture:
    stream.seek(0)
    try:
        frames = {frame.number: frame for frame in read_study([("instance", stream)]).frames}
        plane = frames[number].decode()
    except (InputError, KeyError):
        raise NotAcceptable("No picture can be drawn of this frame.") from None
    return render.grey(plane, _window(stream, plane))


def _window(stream: BinaryIO, plane: FloatArray) -> render.Scale:
    """The first one in the header (PS3.3 C.11.2.1.2), or one that suits the frame."""
    stream.seek(0)
    dataset = dcmread(stream, stop_before_pixels=True, specific_tags=["WindowCenter", "WindowWidth"])
    try:
        centre, width = (float(np.atleast_1d(dataset[name].value)[0]) for name in ("WindowCenter", "WindowWidth"))
    except (KeyError, ValueError, TypeError, IndexError):
        black, white = np.percentile(plane, render.WINDOW)
        return render.Scale(float(black), float(white), 1.0)
    return render.Scale(centre - width / 2, centre + width / 2, 1.0)
