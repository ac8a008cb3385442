"""DICOM files that docs/bad-input.md has a row for, as bodies of `POST /v1/predictions`."""

import io
import struct
from collections.abc import Callable

import numpy as np
from pydicom import dcmread
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import MPEG4HP41, ExplicitVRLittleEndian, JPEG2000Lossless, MediaStorageDirectoryStorage

from tests.app import attacks
from tests.app.bad_zips import OCTETS, ZIP, Body
from tests.app.studies import instances, voxels, zipped, zipped_as
from tests.data_prep.dicom_factory import jpeg_2000, make_pixels


def every(change: Callable[[Dataset], object], only: int | None = None) -> Body:
    """A good study, with all slices (or one of them) rewritten."""
    files = []
    for index, file in enumerate(instances(voxels())):
        if only in (None, index):
            dataset = dcmread(io.BytesIO(file))
            change(dataset)
            file = written(dataset)
        files.append(file)
    return zipped(files), ZIP


def written(dataset: Dataset) -> bytes:
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    buffer = io.BytesIO()
    dataset.save_as(buffer)
    return buffer.getvalue()


def setting(only: int | None = None, **values: object) -> Body:
    """A good study with other values of attributes; None deletes one."""

    def change(dataset: Dataset) -> None:
        for keyword, value in values.items():
            if value is None:
                del dataset[keyword]
            else:
                setattr(dataset, keyword, value)

    return every(change, only)


def raw(old: bytes, new: bytes) -> Body:
    """A good study with other bytes, as no library would write them. Both have the same length."""
    assert len(old) == len(new)
    files = instances(voxels())
    assert old in files[0]
    return zipped([file.replace(old, new) for file in files]), ZIP


def cut(part: Callable[[bytes], bytes]) -> Body:
    return zipped([part(file) for file in instances(voxels())]), ZIP


def beside(**files: bytes) -> Body:
    """A good study with other files in the zip."""
    members = {f"study/IM{index:04}": file for index, file in enumerate(instances(voxels()))}
    return zipped_as(members | files), ZIP


def syntax(uid: str) -> Body:
    return every(lambda dataset: setattr(dataset.file_meta, "TransferSyntaxUID", uid))


def blank_codestream(content: bytes, uid: str = JPEG2000Lossless) -> Callable[[Dataset], None]:
    """One fragment of anything, under a transfer syntax."""
    item = b"\xfe\xff\x00\xe0"

    def change(dataset: Dataset) -> None:
        dataset.file_meta.TransferSyntaxUID = uid
        padded = content + b"\0" * (len(content) % 2)
        value = item + bytes(4) + item + struct.pack("<L", len(padded)) + padded + b"\xfe\xff\xdd\xe0\0\0\0\0"
        dataset.PixelData = value
        dataset["PixelData"].VR = "OB"
        dataset["PixelData"].is_undefined_length = True

    return change


def nested_deep(only: int | None = None) -> Body:
    deep = attacks.nested((0x0009, 0x1001), 3000)
    files = enumerate(instances(voxels()))
    return zipped([attacks.with_elements(f, deep, 9) if only in (None, i) else f for i, f in files]), ZIP


def texts(**values: str) -> Body:
    """A good study with these texts where numbers belong."""

    def change(dataset: Dataset) -> None:
        for keyword, value in values.items():
            dataset.add_new(tag_for_keyword(keyword), "LO", value.split("\\"))

    return every(change)


def half_without_id() -> Body:
    """Every second file has no PatientID; the names are the same."""
    files = [dcmread(io.BytesIO(file)) for file in instances(voxels())]
    for dataset in files[::2]:
        del dataset.PatientID
    return zipped([written(dataset) for dataset in files]), ZIP


def directory() -> bytes:
    """A DICOMDIR without records (PS3.3 F)."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = MediaStorageDirectoryStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = "2.25.70"
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.DirectoryRecordSequence = []
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


PROGRAM = {"ELF": b"\x7fELF", "MZ": b"MZ\x90\0"}
LOCALISER = instances(voxels()[:3], series="2.25.81", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
BODIES: dict[str, Callable[[], Body]] = {
    "random bytes": lambda: (np.random.default_rng(1).bytes(4000), OCTETS),
    "`DICM` and nothing after it": lambda: cut(lambda file: file[:132]),
    "files cut at 300 bytes": lambda: cut(lambda file: file[:300]),
    "files cut at half": lambda: cut(lambda file: file[: len(file) // 2]),
    "no PixelData": lambda: setting(PixelData=None),
    "no Rows": lambda: setting(Rows=None),
    "Rows 0": lambda: setting(Rows=0),
    "65535 x 65535 pixels in 1 kB": lambda: setting(Rows=65535, Columns=65535, PixelData=bytes(1024)),
    "2 000 000 000 frames": lambda: setting(NumberOfFrames=2_000_000_000),
    "BitsStored 20": lambda: setting(BitsStored=20),
    "BitsAllocated 12": lambda: setting(BitsAllocated=12, BitsStored=12, HighBit=11),
    "HighBit 20": lambda: setting(HighBit=20),
    "PixelRepresentation 2": lambda: setting(PixelRepresentation=2),
    "SamplesPerPixel 3 in a grey image": lambda: setting(SamplesPerPixel=3),
    "NumberOfFrames abc": lambda: texts(NumberOfFrames="abc"),
    "NumberOfFrames -1": lambda: texts(NumberOfFrames="-1"),
    "NumberOfFrames 0": lambda: texts(NumberOfFrames="0"),
    "no PhotometricInterpretation": lambda: setting(PhotometricInterpretation=None),
    "PhotometricInterpretation PALETTE COLOR": lambda: setting(PhotometricInterpretation="PALETTE COLOR"),
    "an unknown transfer syntax": lambda: syntax("1.2.3.4"),
    "a video transfer syntax": lambda: every(blank_codestream(b"video", MPEG4HP41)),
    "JPEG 2000 of 12 000 x 12 000 zeros": lambda: (attacks.zeros_as_jpeg_2000(12_000, 14), ZIP),
    "RLE of 8000 x 8000 zeros": lambda: (attacks.zeros_as_rle(8000, 14), ZIP),
    "JPEG-LS of 8000 x 8000 zeros": lambda: (attacks.zeros_as_jpeg_ls(8000, 14), ZIP),
    "a deflated data set of 64 MB of zeros": lambda: (zipped([attacks.deflated(bytes(64 << 20))]), ZIP),
    "a codestream of another size than the header": lambda: every(blank_codestream(jpeg_2000(make_pixels(64, 64)))),
    "a codestream of garbage": lambda: every(blank_codestream(b"not jpeg")),
    "one slice with a codestream of garbage": lambda: every(blank_codestream(b"not jpeg"), only=5),
    "PixelData of length 0x7fffffff": lambda: raw(
        b"OW\0\0" + struct.pack("<L", 96 * 80 * 2), b"OW\0\0" + struct.pack("<L", 0x7FFFFFFF)
    ),
    "README and DICOMDIR among the files": lambda: beside(README=b"Hello.", DICOMDIR=directory()),
    "a program in the preamble (ELF)": lambda: cut(lambda file: PROGRAM["ELF"] + file[4:]),
    "a program in the preamble (MZ)": lambda: cut(lambda file: PROGRAM["MZ"] + file[4:]),
    "a UID with `../`": lambda: setting(StudyInstanceUID="../../7"),
    "a UID of 65 characters": lambda: setting(StudyInstanceUID="2." + "5" * 63),
    "sequences nested 3000 deep in one slice": lambda: nested_deep(5),
    "sequences nested 3000 deep": nested_deep,
    "RescaleSlope 1e308": lambda: setting(RescaleSlope="1e308", RescaleIntercept="0"),
    "RescaleSlope NaN": lambda: texts(RescaleSlope="NaN"),
    "RescaleSlope abcd": lambda: texts(RescaleSlope="abcd"),
    "PixelSpacing 0.001": lambda: setting(PixelSpacing=[0.001, 0.001]),
    "PixelSpacing nan": lambda: texts(PixelSpacing="nan\\nan"),
    "PixelSpacing of one number": lambda: texts(PixelSpacing="0.9"),
    "ImageOrientationPatient empty": lambda: setting(ImageOrientationPatient=[]),
    "ImageOrientationPatient not perpendicular": lambda: setting(ImageOrientationPatient=[0, 1, 0, 0, 0.7, -0.7]),
    "ImagePositionPatient NaN": lambda: texts(ImagePositionPatient="NaN\\NaN\\NaN"),
    "ImagePositionPatient 1e38 in one slice": lambda: setting(only=13, ImagePositionPatient=["-1e38", "0", "0"]),
    "no ImagePositionPatient": lambda: setting(ImagePositionPatient=None),
    "an element of 50 MB of text": lambda: every(
        lambda dataset: dataset.add_new(0x00204000, "UT", "x" * (50 << 20)), only=0
    ),
    "an unknown character set": lambda: setting(SpecificCharacterSet="ISO_IR 999"),
    "CT": lambda: setting(Modality="CT", SOPClassUID="1.2.840.10008.5.1.4.1.1.2"),
    "axial slices only": lambda: setting(ImageOrientationPatient=[1, 0, 0, 0, 1, 0]),
    "BodyPartExamined BRAIN": lambda: setting(BodyPartExamined="BRAIN"),
    "three slices": lambda: (zipped(instances(voxels())[:3]), ZIP),
    "no Modality": lambda: setting(Modality=None),
    "two studies": lambda: setting(only=3, StudyInstanceUID="2.25.77"),
    "no PatientID in half of the files": half_without_id,
    "one SOPInstanceUID, other pixels": lambda: setting(only=3, SOPInstanceUID="2.25.8.5"),
    "two patients": lambda: setting(only=3, PatientID="SOMEONE-ELSE"),
    "a slice that is missing": lambda: (zipped(instances(voxels())[:6] + instances(voxels())[7:]), ZIP),
    "two slices at one position": lambda: setting(only=3, ImagePositionPatient=[-3.5 * 4, 0, 0]),
    "a localiser among the slices": lambda: beside(**{f"scout{index}": file for index, file in enumerate(LOCALISER)}),
    "MONOCHROME1": lambda: setting(PhotometricInterpretation="MONOCHROME1"),
    "RGB": lambda: setting(PhotometricInterpretation="RGB", SamplesPerPixel=3),
    "the same value in every pixel": lambda: (zipped(instances(0 * voxels() + 7)), ZIP),
    "BurnedInAnnotation YES": lambda: setting(BurnedInAnnotation="YES"),
    "sides that contradict each other": lambda: setting(only=3, Laterality="L"),
}
