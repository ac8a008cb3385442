"""DICOM bytes to frames: every image of a study with the few header fields that we read, pixels decoded on demand.

What a header says of a patient is kept for the results alone (`data_prep.origin`), and nothing is logged.
"""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO

import numpy as np
import numpy.typing as npt
import pydicom
from pydicom.filereader import data_element_offset_to_value, read_dataset
from pydicom.tag import BaseTag
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

from data_prep.archive import PREAMBLE, PREFIX, Budget, Limits, Source, dicom_files
from data_prep.errors import FileProblem, InputError, MalformedInput, UnsupportedInput
from data_prep.header import READ_TAGS, Header, Memo, frame_headers, instance_header, patient_key
from data_prep.pixels import IntegerArray, PixelData
from data_prep.volume import FloatArray

__all__ = ["Frame", "Limits", "Source", "read_study"]

# pydicom quotes the values that it finds fault with, which may be a patient's; what matters to us is checked here.
pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
pydicom.config.settings.writing_validation_mode = pydicom.config.IGNORE
logging.getLogger("pydicom").setLevel(logging.CRITICAL)
warnings.filterwarnings("ignore", module=r"pydicom\.")

PIXEL_DATA = 0x7FE00010
# FloatPixelData, DoubleFloatPixelData and PixelData end what we read of a file.
PIXEL_TAGS = frozenset({0x7FE00008, 0x7FE00009, PIXEL_DATA})
UNDEFINED_LENGTH = 0xFFFFFFFF
UID_CHARACTERS = frozenset("0123456789.")
UID_LENGTH = 64


@dataclass(frozen=True, eq=False)
class Frame:
    """One image plane. file: what the sender calls its file. number: from 1, within its instance.

    source: the instance's attributes as they were sent, those on the allow-lists.
    """

    file: str
    number: int
    sop_uid: str
    series_uid: str
    study_uid: str
    patient: str = field(repr=False)
    header: Header = field(repr=False)
    pixels: PixelData = field(repr=False)
    source: pydicom.Dataset = field(repr=False)

    def decode(self) -> FloatArray:
        """Float32 `[rows, columns]`: MONOCHROME1 inverted within BitsStored, rescaled, padding set to the lowest value.

        Raises MalformedInput or UnsupportedInput naming the file. PS3.3 C.7.6.3.1.2, C.11.1, C.7.5.1.1.2.
        """
        with _naming(self.file):
            photometric = self.header.text("PhotometricInterpretation")
            if photometric not in ("MONOCHROME1", "MONOCHROME2"):
                raise UnsupportedInput(f"PhotometricInterpretation {photometric!r} isn't taken.")
            stored = self.pixels.plane(self.number - 1)
            meant = sum(self.pixels.value_range) - stored.astype(np.int64) if photometric == "MONOCHROME1" else stored
            values = self._rescale(meant)
            padding = self._padding(stored)
            if padding is not None and padding.any():
                values[padding] = 0 if padding.all() else values[~padding].min()
            return values

    def _rescale(self, values: IntegerArray) -> FloatArray:
        """In double precision; most series of MR need none."""
        slope, intercept = self.header.number("RescaleSlope"), self.header.number("RescaleIntercept")
        slope, intercept = 1.0 if slope is None else slope, intercept or 0.0
        largest = max(abs(float(end) * slope + intercept) for end in (values.min(), values.max()))
        if slope == 0 or largest > np.finfo(np.float32).max:
            raise MalformedInput("RescaleSlope or RescaleIntercept can't be right.")
        if (slope, intercept) == (1, 0):
            return values.astype(np.float32)
        scaled = values.astype(np.float64)
        scaled *= slope
        scaled += intercept
        return scaled.astype(np.float32)

    def _padding(self, stored: IntegerArray) -> npt.NDArray[np.bool_] | None:
        value = self.header.number("PixelPaddingValue")
        if value is None:
            return None
        limit = self.header.number("PixelPaddingRangeLimit")
        patterns = np.array([value, value if limit is None else limit]).astype(np.int64)
        patterns = patterns.astype(f"u{stored.dtype.itemsize}")
        ends = self.pixels.meaning(patterns, self.pixels.bits_stored)
        inside: npt.NDArray[np.bool_] = (stored >= ends.min()) & (stored <= ends.max())
        return inside


def read_study(source: Source, limits: Limits | None = None) -> list[Frame]:
    """Every image plane of a file, a folder, a zip, or named streams of files and zips; pixels stay encoded.

    Files that aren't DICOM, and DICOM without images (DICOMDIR, reports, maps of floats), are skipped; an instance that
    comes twice is taken once. The order is that of UIDs, whatever the files are called. Work and memory grow with the
    bytes of the files, which are held once.

    Raises MalformedInput (no DICOM at all, or a broken file), InputOverLimit, UnsupportedInput.
    """
    budget = Budget(limits or Limits())
    contents: dict[str, bytes] = {}
    frames: list[Frame] = []
    memo: Memo = {}
    for file, content in dicom_files(source, budget):
        with _naming(file):
            instance = _read_instance(file, content, budget, memo)
            if not instance:
                continue
            known = contents.setdefault(instance[0].sop_uid, content)
            if known is content:
                frames += instance
            elif known != content:
                raise MalformedInput("Another file has the same SOPInstanceUID and differs.")
    return sorted(frames, key=lambda frame: (frame.series_uid, frame.sop_uid, frame.number))


@contextmanager
def _naming(file: str) -> Iterator[None]:
    """Errors from within name the file, and quote nothing of it."""
    try:
        yield
    except InputError as error:
        if error.files:
            raise
        raise type(error)(f"{file}: {error.detail}", (FileProblem(file, error.detail),)) from None
    except Exception as error:  # pydicom raises whatever it stumbles on
        detail = f"It can't be read as DICOM ({type(error).__name__})."
        raise MalformedInput(f"{file}: {detail}", (FileProblem(file, detail),)) from None


def _read_instance(file: str, content: bytes, budget: Budget, memo: Memo) -> list[Frame]:
    parsed = _parse(content, budget, memo)
    if parsed is None:
        return []
    dataset, pixels, header = parsed
    budget.take_frames(pixels.frames, pixels.rows, pixels.columns)
    pixels.check_length()
    names = ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID")
    sop_uid, series_uid, study_uid = (_uid(header, name) for name in names)
    patient = patient_key(dataset)
    headers = frame_headers(dataset, header, pixels.frames, memo)
    return [
        Frame(file, number, sop_uid, series_uid, study_uid, patient, frame, pixels, dataset)
        for number, frame in enumerate(headers, start=1)
    ]


def _uid(header: Header, keyword: str) -> str:
    value = header.text(keyword)
    if not value or len(value) > UID_LENGTH or not UID_CHARACTERS.issuperset(value):
        raise MalformedInput(f"{keyword} is missing or no UID.")
    return value


def _parse(content: bytes, budget: Budget, memo: Memo) -> tuple[pydicom.Dataset, PixelData, Header] | None:
    """The header up to the pixels, and where these lie; None for DICOM that holds no image."""
    stream = BytesIO(content)
    stream.seek(PREAMBLE + len(PREFIX))
    meta = read_dataset(stream, False, True, stop_when=lambda tag, _vr, _length: tag.group != 2)
    syntax = UID(meta.get("TransferSyntaxUID") or "")
    if not syntax:
        raise MalformedInput("TransferSyntaxUID is missing.")
    if syntax == DeflatedExplicitVRLittleEndian:
        content = budget.inflate(content[stream.tell() :])
        stream = BytesIO(content)
    ends: list[tuple[int, str | None, int]] = []

    def at_pixels(tag: BaseTag, vr: str | None, length: int) -> bool:
        if tag in PIXEL_TAGS:
            ends.append((tag, vr, length))
        return tag in PIXEL_TAGS

    implicit, little = syntax == ImplicitVRLittleEndian, syntax != ExplicitVRBigEndian
    dataset = read_dataset(stream, implicit, little, stop_when=at_pixels, specific_tags=list(READ_TAGS))
    if not ends:
        if "Image Storage" in UID(meta.get("MediaStorageSOPClassUID") or "").name:
            raise MalformedInput("The file ends before its pixels.")
        return None
    tag, vr, length = ends[-1]
    if tag != PIXEL_DATA:
        return None
    header = instance_header(dataset, memo)
    start = stream.tell() + data_element_offset_to_value(vr is None, vr)
    pixels = PixelData.of(header, content, start, None if length == UNDEFINED_LENGTH else length, syntax)
    return dataset, pixels, header
