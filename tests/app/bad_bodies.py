"""What docs/bad-input.md has a row for: bodies of `POST /v1/predictions`."""

import io
import struct
import zipfile
from collections.abc import Callable

import numpy as np
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import MPEG4HP41, JPEG2000Lossless

from tests.app import attacks
from tests.app.studies import instances, study_zip, voxels, zipped, zipped_as

ZIP, FORM = "application/zip", "multipart/form-data; boundary=x"
Body = tuple[bytes, str]
PART = b'--x\r\nContent-Disposition: form-data; name="%s"; filename="a"\r\n\r\n'


def every(change: Callable[[Dataset], object], only: int | None = None) -> Body:
    """A good study, with all slices (or one of them) rewritten."""
    files = []
    for index, file in enumerate(instances(voxels())):
        if only in (None, index):
            dataset = dcmread(io.BytesIO(file))
            change(dataset)
            buffer = io.BytesIO()
            dataset.save_as(buffer)
            file = buffer.getvalue()
        files.append(file)
    return zipped(files), ZIP


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


def linked() -> Body:
    """Entries that a careless program would write outside its folder, or follow."""
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        for index, file in enumerate(instances(voxels())):
            archive.writestr(f"../../evil{index}", file)
        link = zipfile.ZipInfo("link")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    return body.getvalue(), ZIP


def encrypted() -> Body:
    body = bytearray(study_zip())
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        directory = archive.start_dir
    body[6] |= 1
    body[directory + 8] |= 1
    return bytes(body), ZIP


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


def nested_deep() -> Body:
    files = instances(voxels())
    files[5] = attacks.with_elements(files[5], attacks.nested((0x0009, 0x1001), 3000), 0x0009)
    return zipped(files), ZIP


PROGRAM = {"ELF": b"\x7fELF", "MZ": b"MZ\x90\0"}
LOCALISER = instances(voxels()[:3], series="2.25.81", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
BODIES: dict[str, Callable[[], Body]] = {
    "an empty body": lambda: (b"", ZIP),
    "a form without a part": lambda: (b"--x--\r\n", FORM),
    "a form with another field": lambda: (PART % b"study" + study_zip() + b"\r\n--x--\r\n", FORM),
    "a form without a boundary": lambda: (PART % b"file" + study_zip() + b"\r\n--x--\r\n", "multipart/form-data"),
    "a form that is cut in a part": lambda: (PART % b"file" + study_zip()[:3000], FORM),
    "an empty zip": lambda: (zipped_as({}), ZIP),
    "half a zip": lambda: (study_zip()[:5000], ZIP),
    "`text/plain`": lambda: (study_zip(), "text/plain"),
    "`multipart/related; type=application/dicom+xml`": lambda: (
        study_zip(),
        'multipart/related; type="application/dicom+xml"; boundary=x',
    ),
    "random bytes": lambda: (np.random.default_rng(1).bytes(4000), "application/octet-stream"),
    "a PDF": lambda: (b"%PDF-1.7\n" + bytes(2000), "application/octet-stream"),
    "`DICM` and nothing after it": lambda: cut(lambda file: file[:132]),
    "files cut at 300 bytes": lambda: cut(lambda file: file[:300]),
    "files cut at half": lambda: cut(lambda file: file[: len(file) // 2]),
    "no PixelData": lambda: setting(PixelData=None),
    "no Rows": lambda: setting(Rows=None),
    "Rows 0": lambda: setting(Rows=0),
    "65535 x 65535 pixels in 1 kB": lambda: setting(Rows=65535, Columns=65535, PixelData=bytes(1024)),
    "2 000 000 000 frames": lambda: setting(NumberOfFrames=2_000_000_000),
    "BitsStored 20": lambda: setting(BitsStored=20),
    "an unknown transfer syntax": lambda: syntax("1.2.3.4"),
    "a video transfer syntax": lambda: every(blank_codestream(b"video", MPEG4HP41)),
    "JPEG 2000 of 12 000 x 12 000 zeros": lambda: (attacks.zeros_as_jpeg_2000(12_000, 14), ZIP),
    "RLE of 8000 x 8000 zeros": lambda: (attacks.zeros_as_rle(8000, 14), ZIP),
    "JPEG-LS of 8000 x 8000 zeros": lambda: (attacks.zeros_as_jpeg_ls(8000, 14), ZIP),
    "a zip of 500 MB of zeros": lambda: (zipped_as({"zeros": bytes(500 << 20)}), ZIP),
    "a zip of 60 000 entries": lambda: (zipped_as({f"{number}": b"x" for number in range(60_000)}), ZIP),
    "a codestream of garbage": lambda: every(blank_codestream(b"not jpeg")),
    "one slice with a codestream of garbage": lambda: every(blank_codestream(b"not jpeg"), only=5),
    "PixelData of length 0x7fffffff": lambda: raw(
        b"OW\0\0" + struct.pack("<L", 96 * 80 * 2), b"OW\0\0" + struct.pack("<L", 0x7FFFFFFF)
    ),
    "entries `../` and a link": linked,
    "an encrypted zip": encrypted,
    "a zip in a zip": lambda: (zipped_as({"study.zip": study_zip()}), ZIP),
    "README and DICOMDIR among the files": lambda: beside(README=b"Hello.", DICOMDIR=b"not one"),
    "a program in the preamble (ELF)": lambda: cut(lambda file: PROGRAM["ELF"] + file[4:]),
    "a program in the preamble (MZ)": lambda: cut(lambda file: PROGRAM["MZ"] + file[4:]),
    "a UID with `../`": lambda: setting(StudyInstanceUID="../../7"),
    "a UID of 65 characters": lambda: setting(StudyInstanceUID="2." + "5" * 63),
    "sequences nested 3000 deep in one slice": nested_deep,
    "RescaleSlope 1e308": lambda: setting(RescaleSlope="1e308", RescaleIntercept="0"),
    "RescaleSlope abcd": lambda: every(lambda dataset: dataset.add_new(0x00281053, "LO", "abcd")),
    "PixelSpacing 0.001": lambda: setting(PixelSpacing=[0.001, 0.001]),
    "PixelSpacing nan": lambda: every(lambda dataset: dataset.add_new(0x00280030, "LO", ["nan", "nan"])),
    "an element of 50 MB of text": lambda: every(
        lambda dataset: dataset.add_new(0x00204000, "UT", "x" * (50 << 20)), only=0
    ),
    "an unknown character set": lambda: setting(SpecificCharacterSet="ISO_IR 999"),
    "CT": lambda: setting(Modality="CT", SOPClassUID="1.2.840.10008.5.1.4.1.1.2"),
    "axial slices only": lambda: setting(ImageOrientationPatient=[1, 0, 0, 0, 1, 0]),
    "BodyPartExamined BRAIN": lambda: setting(BodyPartExamined="BRAIN"),
    "three slices": lambda: (zipped(instances(voxels())[:3]), ZIP),
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
