"""An instance as it leaves: as it is stored, in Explicit VR Little Endian, or as metadata."""

from io import BytesIO
from typing import BinaryIO

from pydicom import dcmread, dcmwrite
from pydicom.dataelem import RawDataElement
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

from app.database import Json
from app.dicomweb.frames import AS_STORED, decoded
from app.instance_file import Header

# Binary values that are longer (private ones of vendors) aren't metadata that a viewer reads.
LONGEST_BINARY = 1024
BINARY = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})
_KEEPS_PIXELS = AS_STORED | {DeflatedExplicitVRLittleEndian}


def encoded(stream: BinaryIO, header: Header) -> tuple[UID, bytes | None]:
    """The file in Explicit VR Little Endian; None in its place where it is that already, or can't be decoded."""
    if header.transfer_syntax == ExplicitVRLittleEndian:
        return header.transfer_syntax, None
    try:
        return ExplicitVRLittleEndian, _explicit(stream, header)
    except Exception:  # pydicom raises whatever it stumbles on
        return header.transfer_syntax, None


def _explicit(stream: BinaryIO, header: Header) -> bytes:
    stream.seek(0)
    dataset = dcmread(stream)
    if header.transfer_syntax not in _KEEPS_PIXELS and header.pixels is not None:
        numbers = range(1, int(header.dataset.get("NumberOfFrames") or 1) + 1)
        dataset.PixelData = b"".join(decoded(stream, header, numbers))
        dataset["PixelData"].VR = "OW" if dataset.BitsAllocated > 8 else "OB"
        dataset["PixelData"].is_undefined_length = False
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file = BytesIO()
    dcmwrite(file, dataset, implicit_vr=False, little_endian=True)
    return file.getvalue()


def metadata(stream: BinaryIO) -> Json:
    """The data set as DICOM JSON, without pixels and long binary values, and without values that can't be read."""
    stream.seek(0)
    dataset = dcmread(stream, stop_before_pixels=True)
    for element in list(dataset.elements()):
        if isinstance(element, RawDataElement) and element.length > LONGEST_BINARY and element.VR in BINARY:
            del dataset[element.tag]
    found: Json = dataset.to_json_dict(suppress_invalid_tags=True)
    return found
