"""Small DICOM studies made to order, as data sets, bytes and zips. Pixels are random unless given."""

import io
import shutil
import struct
import subprocess
import tracemalloc
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from os import environ
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import openjpeg.utils
import pytest
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence as Items
from pydicom.tag import Tag
from pydicom.uid import UID, EnhancedMRImageStorage, ExplicitVRBigEndian, ExplicitVRLittleEndian, MRImageStorage
from rle.utils import encode_pixel_data as encode_rle

from data_prep.dicom.frames import Frame, read_study

SAGITTAL = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
CORONAL = (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)


def make_pixels(rows: int = 40, columns: int = 36, seed: int = 0, dtype: str = "u2", below: int = 4096) -> np.ndarray:
    """Random stored values `[rows, columns]`."""
    return np.random.default_rng(seed).integers(0, below, (rows, columns)).astype(dtype)


def make_slice(number: int = 1, pixels: np.ndarray | None = None, *, series: int = 1, **attributes: Any) -> Dataset:
    """One MR slice, `number - 1` steps of 3 mm along its normal; `attributes` by keyword go over everything else.

    An attribute that is None is left out.
    """
    pixels = make_pixels(seed=100 * series + number) if pixels is None else pixels
    orientation = np.array(attributes.get("ImageOrientationPatient") or SAGITTAL).reshape(2, 3)
    image = Dataset()
    image.SOPClassUID = MRImageStorage
    image.SOPInstanceUID = f"2.25.77.{series}.{number}"
    image.StudyInstanceUID = "2.25.77"
    image.SeriesInstanceUID = f"2.25.77.{series}"
    image.PatientID = "made up"
    image.Modality = "MR"
    image.ImageType = ["ORIGINAL", "PRIMARY"]
    image.InstanceNumber = number
    image.ScanningSequence = "SE"
    image.ScanOptions = "FS"
    image.RepetitionTime = 3000
    image.EchoTime = 35
    image.ImageOrientationPatient = [float(x) for x in orientation.ravel()]
    image.ImagePositionPatient = [float(x) for x in 3.0 * (number - 1) * np.cross(*orientation)]
    image.PixelSpacing = [0.5, 0.5]
    image.SamplesPerPixel = 1
    image.PhotometricInterpretation = "MONOCHROME2"
    put_pixels(image, pixels)
    for keyword, value in attributes.items():
        if value is None:
            delattr(image, keyword)
        else:
            setattr(image, keyword, value)
    return image


def put_pixels(image: Dataset, pixels: np.ndarray) -> None:
    """Native pixel data of any integer type, `[rows, columns]` or `[frames, rows, columns]`, little endian."""
    image.Rows, image.Columns = pixels.shape[-2:]
    image.BitsAllocated = image.BitsStored = 8 * pixels.itemsize
    image.HighBit = image.BitsStored - 1
    image.PixelRepresentation = int(pixels.dtype.kind == "i")
    image.PixelData = pixels.astype(pixels.dtype.newbyteorder("<")).tobytes()
    image["PixelData"].VR = "OW" if pixels.itemsize > 1 else "OB"


def make_series(slices: int = 8, *, series: int = 1, **attributes: Any) -> list[Dataset]:
    """Slices of one series, in order along the normal."""
    return [make_slice(number, series=series, **attributes) for number in range(1, slices + 1)]


def encode(image: Dataset, syntax: str = ExplicitVRLittleEndian) -> bytes:
    """A DICOM file (PS3.10). Compressed syntaxes take PixelData as it is; see `compress`."""
    image = deepcopy(image)
    image.file_meta = FileMetaDataset()
    image.file_meta.MediaStorageSOPClassUID = image.SOPClassUID
    image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
    image.file_meta.TransferSyntaxUID = UID(syntax)
    if syntax == ExplicitVRBigEndian and image.BitsAllocated > 8:
        stored = np.frombuffer(image.PixelData, f"<u{image.BitsAllocated // 8}")
        image.PixelData = stored.byteswap().tobytes()
    stream = io.BytesIO()
    image.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def encode_raw(image: Dataset, keyword: str, value: bytes, vr: str) -> bytes:
    """A DICOM file with these bytes as one attribute's value, as pydicom would never write it."""
    image, tag = deepcopy(image), Tag(keyword)
    value += b" " * (len(value) % 2)
    marker = bytes(range(128, 256))
    image.pop(tag, None)
    if keyword == "SpecificCharacterSet":  # the first element, which pydicom would obey
        content = encode(image)
        start = 144 + struct.unpack_from("<I", content, 140)[0]
        return content[:start] + b"\x08\0\5\0" + vr.encode() + struct.pack("<H", len(value)) + value + content[start:]
    image.add_new(tag, "OB", marker)
    head = struct.pack("<HH", tag.group, tag.element)
    length = struct.pack("<HI", 0, len(value)) if vr in ("OB", "UN", "SQ") else struct.pack("<H", len(value))
    written = head + b"OB\0\0" + struct.pack("<I", len(marker)) + marker
    return encode(image).replace(written, head + vr.encode() + length + value)


def encode_codestreams(image: Dataset, syntax: str, codestreams: Sequence[bytes], **options: Any) -> bytes:
    """A DICOM file around frames that are compressed already."""
    image = deepcopy(image)
    image.PixelData = encapsulate(list(codestreams), **options)
    image["PixelData"].VR = "OB"
    image["PixelData"].is_undefined_length = True
    return encode(image, syntax)


def need_dcmtk(tool: str) -> None:
    """Skip the test without this tool; in CI, fail."""
    if shutil.which(tool) is None:
        if environ.get("CI") == "true":
            pytest.fail(f"{tool} is missing: install dcmtk")
        pytest.skip(f"{tool} is missing (package dcmtk)")


def dcmtk(tool: str, option: str, content: bytes, folder: Path) -> bytes:
    """`content` compressed by a DCMTK tool: Python has no encoder for JPEG lossless and JPEG-LS."""
    need_dcmtk(tool)
    (folder / "in.dcm").write_bytes(content)
    subprocess.run([tool, option, folder / "in.dcm", folder / "out.dcm"], check=True, capture_output=True, timeout=60)
    return (folder / "out.dcm").read_bytes()


def enhanced(slices: Sequence[Dataset]) -> Dataset:
    """One enhanced multi-frame instance (PS3.3 A.36) of classic slices of one geometry."""
    first = slices[0]
    image = deepcopy(first)
    image.SOPClassUID = EnhancedMRImageStorage
    image.NumberOfFrames = len(slices)
    image.PixelData = b"".join(one.PixelData for one in slices)
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "EchoTime", "RepetitionTime"):
        delattr(image, keyword)
    del image.ScanOptions
    image.SharedFunctionalGroupsSequence = Items(
        [
            make_item(
                PlaneOrientationSequence=make_item(ImageOrientationPatient=first.ImageOrientationPatient),
                PixelMeasuresSequence=make_item(PixelSpacing=first.PixelSpacing),
                MRTimingAndRelatedParametersSequence=make_item(RepetitionTime=first.RepetitionTime),
                MRModifierSequence=make_item(SpectrallySelectedSuppression="FAT"),
            )
        ]
    )
    image.PerFrameFunctionalGroupsSequence = Items(
        [
            make_item(
                PlanePositionSequence=make_item(ImagePositionPatient=one.ImagePositionPatient),
                MREchoSequence=make_item(EffectiveEchoTime=float(one.EchoTime)),
                PixelValueTransformationSequence=make_item(
                    RescaleSlope=one.get("RescaleSlope", 1), RescaleIntercept=one.get("RescaleIntercept", 0)
                ),
            )
            for one in slices
        ]
    )
    return image


def make_item(**attributes: Any) -> Dataset:
    """A sequence's item; values that are items themselves become sequences of one."""
    item = Dataset()
    for keyword, value in attributes.items():
        setattr(item, keyword, Items([value]) if isinstance(value, Dataset) else value)
    return item


def named(images: Iterable[Dataset]) -> list[tuple[str, BinaryIO]]:
    """The images as uploads."""
    return uploads({f"{place}.dcm": encode(image) for place, image in enumerate(images)})


def uploads(files: Mapping[str, bytes]) -> list[tuple[str, BinaryIO]]:
    """Files as named streams."""
    return [(name, io.BytesIO(content)) for name, content in files.items()]


def zipped(files: Mapping[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip of files."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def rle(pixels: np.ndarray) -> bytes:
    """One RLE frame."""
    rows, columns = pixels.shape
    return encode_rle(
        pixels.tobytes(),
        byteorder="<",
        rows=rows,
        columns=columns,
        samples_per_pixel=1,
        bits_allocated=8 * pixels.itemsize,
        number_of_frames=1,
    )


def jpeg_2000(pixels: np.ndarray) -> bytes:
    """One lossless JPEG 2000 codestream."""
    return openjpeg.utils.encode_array(pixels, bits_stored=8 * pixels.itemsize)


class bounded_memory:
    """Fails when Python's heap grows by more than `limit` bytes within."""

    def __init__(self, limit: int) -> None:
        self.limit = limit

    def __enter__(self) -> None:
        tracemalloc.start()

    def __exit__(self, *_: object) -> None:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < self.limit, f"{peak:,} bytes"


def read_one(content: bytes) -> Frame:
    """The only image of one file."""
    (frame,) = read_study(uploads({"one.dcm": content})).frames
    return frame


def decode_one(content: bytes) -> np.ndarray:
    """Its pixels."""
    return read_one(content).decode()


def as_sent(image: Dataset, values: dict[str, bytes], representation: str | None = None) -> Dataset:
    """The image with these bytes in the place of values, whatever they are."""
    for keyword, value in values.items():
        tag = Tag(keyword)
        vr = representation or dictionary_VR(tag)
        image[tag] = RawDataElement(tag, vr, len(value), value, 0, False, True)
    return image
