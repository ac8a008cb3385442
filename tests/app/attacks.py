"""Small bodies that would cost much: what an attacker sends, made to order."""

import struct
import zlib
from collections.abc import Callable

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import EnhancedMRImageStorage

from data_prep.dicom.archive import PREAMBLE, PREFIX
from tests.app.studies import instances, study_zip, voxels, zipped
from tests.data_prep.dicom_factory import encode, encode_codestreams, jpeg_2000, make_slice, rle

UNDEFINED = 0xFFFFFFFF
ITEM = struct.pack("<HHI", 0xFFFE, 0xE000, 0)
OPEN_ITEM = struct.pack("<HHI", 0xFFFE, 0xE000, UNDEFINED)
ITEM_END, SEQUENCE_END = struct.pack("<HHI", 0xFFFE, 0xE00D, 0), struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
# Sequences that nobody reads, and that Cruciate reads.
ICON, PER_FRAME = (0x0008, 0x1140), (0x5200, 0x9230)
DEFLATED = b"1.2.840.10008.1.2.1.99"


def sequence(tag: tuple[int, int], content: bytes, length: int | None = None) -> bytes:
    """A sequence in explicit VR; of undefined length unless a length is given."""
    head = struct.pack("<HH2sHI", *tag, b"SQ", 0, UNDEFINED if length is None else length)
    return head + content + (SEQUENCE_END if length is None else b"")


def nested(tag: tuple[int, int], depth: int) -> bytes:
    """Sequences in each other."""
    head = struct.pack("<HH2sHI", *tag, b"SQ", 0, UNDEFINED) + OPEN_ITEM
    return depth * head + depth * (ITEM_END + SEQUENCE_END)


def private_elements(count: int) -> bytes:
    """Empty elements of private groups, in order."""
    tags = ((0x0009 + 2 * (number >> 12), 0x1000 + (number & 0xFFF)) for number in range(count))
    return b"".join(struct.pack("<HH2sH", *tag, b"LO", 0) for tag in tags)


def text(tag: tuple[int, int], size: int) -> bytes:
    """A long text."""
    return struct.pack("<HH2sHI", *tag, b"UT", 0, size) + b"x" * size


def with_elements(file: bytes, elements: bytes, group: int) -> bytes:
    """The file with more elements, before the first one of this group or of a later one."""
    at = PREAMBLE + len(PREFIX)
    at += 12 + struct.unpack_from("<I", file, at + 8)[0]  # the file meta information
    while struct.unpack_from("<H", file, at)[0] < group:
        long = file[at + 4 : at + 6] in (b"OB", b"OW", b"SQ", b"UN", b"UT")
        at += 12 + struct.unpack_from("<I", file, at + 8)[0] if long else 8 + struct.unpack_from("<H", file, at + 6)[0]
    return file[:at] + elements + file[at:]


def headers(elements: bytes, group: int = 0x0009, files: int = 14) -> bytes:
    """A zip of a study, with more elements in these many of its files."""
    study = instances(voxels())
    return zipped([with_elements(file, elements, group) for file in study[:files]] + study[files:])


def deflated(elements: bytes) -> bytes:
    """A data set in the deflated transfer syntax (PS3.5 A.5)."""
    packer = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    meta = struct.pack("<HH2sH", 2, 0x10, b"UI", len(DEFLATED)) + DEFLATED
    head = struct.pack("<HH2sHL", 2, 0, b"UL", 4, len(meta)) + meta
    return bytes(PREAMBLE) + PREFIX + head + packer.compress(elements) + packer.flush()


def compressed(syntax: str, codestream: bytes, shape: tuple[int, int], slices: int = 14, bits: int = 8) -> bytes:
    """A zip of slices that all have this codestream, which declares this shape."""
    files = []
    for number in range(1, slices + 1):
        image = make_slice(number, np.zeros((8, 8), f"u{bits // 8}"))
        image.Rows, image.Columns = shape
        files.append(encode_codestreams(image, syntax, [codestream]))
    return zipped(files)


def zeros_as_jpeg_2000(side: int, slices: int) -> bytes:
    return compressed("1.2.840.10008.1.2.4.90", jpeg_2000(np.zeros((side, side), np.uint8)), (side, side), slices)


def zeros_as_rle(side: int, slices: int) -> bytes:
    return compressed("1.2.840.10008.1.2.5", rle(np.zeros((side, side), np.uint8)), (side, side), slices)


def zeros_as_jpeg_ls(side: int, slices: int) -> bytes:
    """JPEG-LS of zeros (ISO 14495-1): one run for each line; its bits are all set, so every 0xFF is stuffed."""
    frame = struct.pack(">HHBHHBBBB", 0xFFF7, 11, 8, side, side, 1, 1, 0x11, 0)
    scan = struct.pack(">HHBBBBBB", 0xFFDA, 8, 1, 1, 0, 0, 0, 0)
    runs = b"\xff\x7f" * (side // 4)
    codestream = b"\xff\xd8" + frame + scan + runs + b"\xff\xd9"
    return compressed("1.2.840.10008.1.2.4.80", codestream, (side, side), slices)


def spaced(row_mm: float, slice_mm: float) -> bytes:
    """A study of pixels of this size, and slices this far apart."""
    slices = range(1, 15)
    study = [make_slice(number, ImagePositionPatient=[-slice_mm * number, 0.0, 0.0]) for number in slices]
    for image in study:
        image.PixelSpacing = [row_mm, row_mm]
    return zipped([encode(image) for image in study])


def without_numbers() -> bytes:
    return zipped([file.replace(rb"0.9\1.1 ", rb"abcd\ef ") for file in instances(voxels())])


Body = Callable[[], bytes]
SPACINGS: dict[str, tuple[Body, str]] = {
    "pixels of 0.006 mm": (lambda: study_zip(PixelSpacing=[0.006, 0.006]), "0.006 x 0.006 mm"),
    "pixels of 0.001 mm": (lambda: study_zip(PixelSpacing=[0.001, 0.001]), "0.001 x 0.001 mm"),
    "pixels of 1e-300 mm": (lambda: study_zip(PixelSpacing=["1e-300", "1e-300"]), "1e-300 x 1e-300 mm"),
    "pixels of -1 mm": (lambda: study_zip(PixelSpacing=[-1, -1]), "-1 x -1 mm"),
    "pixels of 1 km": (lambda: study_zip(PixelSpacing=["1e6", "1e6"]), "1e+06 x 1e+06 mm"),
    "slices 10 km apart": (lambda: spaced(0.5, 1e7), "1e+07 mm apart"),
    "slices at 1e300": (lambda: spaced(0.5, 1e300), "1e+300 mm apart"),
    "slices at one place": (lambda: spaced(0.5, 1e-9), "same position"),
    "no number": (without_numbers, "PixelSpacing isn't 2 numbers"),
    "a slope of 1e308": (lambda: study_zip(RescaleSlope="1e308", RescaleIntercept=0), "RescaleSlope 1e+308"),
    "a slope of 0": (lambda: study_zip(RescaleSlope=0, RescaleIntercept=0), "RescaleSlope 0 "),
    "an intercept of 1e30": (lambda: study_zip(RescaleSlope=1, RescaleIntercept="1e30"), "RescaleIntercept 1e+30"),
}
# 15 million empty bytes: as many as a small body may unpack to.
ITEMS = 130_000
HEADERS: dict[str, tuple[Body, int]] = {
    "items that are read": (lambda: headers(sequence(PER_FRAME, ITEMS * ITEM), 0x5201), 413),
    "items that nobody reads": (lambda: headers(sequence(ICON, ITEMS * ITEM)), 413),
    "items of undefined length": (lambda: headers(sequence(ICON, ITEMS // 2 * (OPEN_ITEM + ITEM_END))), 413),
    "a deflated file of items": (lambda: zipped([deflated(sequence(ICON, 2_000_000 * ITEM))]), 413),
    "60,000 private elements": (lambda: headers(private_elements(60_000), files=3), 200),
    "8,000 sequences": (lambda: headers(b"".join(sequence(ICON, b"") for _ in range(8000))), 413),
    "sequences in sequences": (lambda: headers(nested(ICON, 3000)), 422),
    "a long text": (lambda: headers(text((0x0010, 0x4000), 50 << 20), 0x0018, 1), 413),
}
PIXELS: dict[str, tuple[Body, int]] = {
    "JPEG 2000 of zeros": (lambda: zeros_as_jpeg_2000(4000, 14), 413),
    "smaller JPEG 2000 of zeros": (lambda: zeros_as_jpeg_2000(1024, 15), 422),
    "RLE of zeros": (lambda: zeros_as_rle(4000, 14), 413),
    "JPEG-LS of zeros": (lambda: zeros_as_jpeg_ls(4000, 14), 413),
    "smaller JPEG-LS of zeros": (lambda: zeros_as_jpeg_ls(1024, 15), 422),
    "20,000 images": (lambda: zipped([encode(_many_images(20_000))]), 422),
}


def _many_images(frames: int) -> Dataset:
    image = make_slice(1, np.zeros((1, 1), np.uint8), SOPClassUID=EnhancedMRImageStorage)
    image.NumberOfFrames, image.PixelData = frames, bytes(frames)
    return image
