"""Studies that mutants are made of: a phantom in every encoding that the service reads, and a real scanner's slices.

Their UIDs have one length and hold `PLACE`, so that each mutant can have UIDs of its own.
"""

import io
import os
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    RLELossless,
)

from tests.app.mutants.structure import meta_end
from tests.app.studies import voxels
from tests.data_prep.dicom_factory import dcmtk, encode, encode_codestreams, enhanced, jpeg_2000, make_slice, rle

PLACE = b".4444444"
# What must never stand in a log.
NAME = "Quibble^Zebedee"
REAL_SLICES = 10
SPACING = {"PixelSpacing": [0.9, 1.1], "PatientName": NAME}


@dataclass(frozen=True)
class Source:
    """A study as files with `PLACE` in their UIDs.

    Attributes:
        files: The files. If `deflated` is there, these are explicit little endian.
        deflated: The head of a deflated file, if the mutants are deflated.
    """

    name: str
    files: tuple[bytes, ...]
    deflated: bytes = b""

    def renamed(self, number: int) -> list[bytes]:
        """The files with the UIDs of a mutant; `number` has up to seven digits."""
        return [_renamed(file, number) for file in self.files]

    def finished(self, file: bytes, number: int) -> bytes:
        """A mutant as it is sent."""
        if not self.deflated:
            return file
        deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        content = deflate.compress(file[meta_end(file) :]) + deflate.flush()
        return _renamed(self.deflated, number) + content + b"\0" * (len(content) % 2)


def _renamed(content: bytes, number: int) -> bytes:
    return content.replace(PLACE, b".%07d" % number)


def sources() -> list[Source]:
    """All of them that can be made here: some need dcmtk, and the real one CRUCIATE_REAL_KNEE."""
    slices = [_identified(make_slice(n, plane, **SPACING), n) for n, plane in enumerate(voxels(), start=1)]
    plain = tuple(map(encode, slices))
    found = [Source("explicit", plain)]
    found += [Source(name, tuple(encode(one, syntax) for one in slices)) for name, syntax in _NATIVE.items()]
    head = encode(slices[0], DeflatedExplicitVRLittleEndian)
    found += [Source("deflated", plain, head[: meta_end(head)])]
    found += [Source("enhanced", (encode(enhanced(slices)),))] * 3
    found += [Source(name, tuple(_packed(one, syntax, pack) for one in slices)) for name, syntax, pack in _PACKED]
    found += [Source("colour", tuple(encode(_colour(one)) for one in slices[:8]))]
    if shutil.which("dcmcjpeg"):
        with tempfile.TemporaryDirectory() as folder:
            for tool, option in (("dcmcjpeg", "+e1"), ("dcmcjpls", "+el")):
                packed = tuple(dcmtk(tool, option, file, Path(folder)) for file in plain)
                found += [Source(tool, packed)]
    if os.environ.get("CRUCIATE_REAL_KNEE"):
        found += [Source("real", _real(Path(os.environ["CRUCIATE_REAL_KNEE"])))] * 2
    return found


def _pixels(image: Dataset) -> np.ndarray:
    return np.frombuffer(image.PixelData, "<u2").reshape(image.Rows, image.Columns)


def _jpeg(pixels: np.ndarray) -> bytes:
    return cv2.imencode(".jpg", pixels)[1].tobytes()


_NATIVE = {"implicit": ImplicitVRLittleEndian, "big endian": ExplicitVRBigEndian}
Pack = Callable[[np.ndarray], bytes]
_PACKED: tuple[tuple[str, str, Pack], ...] = (
    ("JPEG 2000", JPEG2000Lossless, jpeg_2000),
    ("RLE", RLELossless, rle),
    ("JPEG", JPEGBaseline8Bit, _jpeg),
)


def _packed(image: Dataset, syntax: str, pack: Pack) -> bytes:
    pixels = _pixels(image)
    if syntax == JPEGBaseline8Bit:
        pixels = (pixels >> 2).astype(np.uint8)
        image = _identified(make_slice(image.InstanceNumber, pixels, **SPACING), image.InstanceNumber)
    return encode_codestreams(image, syntax, [pack(pixels)])


def _colour(image: Dataset) -> Dataset:
    pixels = (_pixels(image) >> 2).astype(np.uint8)
    colour = _identified(make_slice(image.InstanceNumber, pixels, **SPACING), image.InstanceNumber)
    colour.SamplesPerPixel, colour.PhotometricInterpretation, colour.PlanarConfiguration = 3, "RGB", 0
    colour.PixelData = np.repeat(pixels[..., None], 3, axis=2).tobytes()
    return colour


def _real(folder: Path) -> tuple[bytes, ...]:
    """Slices of one echo, with our UIDs and our name."""
    with tarfile.open(folder / "ge-mr750-mese.tar.xz") as archive:
        files = [archive.extractfile(member).read() for member in archive if member.isfile()]
    images = [dcmread(io.BytesIO(file)) for file in files if file[128:132] == b"DICM"]
    first = min(float(image.EchoTime) for image in images)
    chosen = sorted((one for one in images if float(one.EchoTime) == first), key=lambda one: one.InstanceNumber)
    for number, image in enumerate(chosen[:REAL_SLICES], start=1):
        _identified(image, number).PatientName = NAME
    return tuple(encode(_little_endian(image), ExplicitVRLittleEndian) for image in chosen[:REAL_SLICES])


def _little_endian(image: Dataset) -> Dataset:
    """The same image, of which pydicom doesn't remember that it was big endian."""
    fresh = Dataset()
    for element in image:
        fresh.add(element)
    fresh.PixelData = np.frombuffer(image.PixelData, ">u2").astype("<u2").tobytes()
    return fresh


def _identified(image: Dataset, number: int) -> Dataset:
    place = PLACE.decode()
    image.StudyInstanceUID, image.SeriesInstanceUID = f"2.25.7{place}", f"2.25.8{place}"
    image.SOPInstanceUID = f"2.25.8{place}.{number}"
    return image
