"""An instance as it is sent: as it is stored, in Explicit VR Little Endian, or as metadata."""

from contextlib import suppress
from io import BytesIO
from typing import BinaryIO

from pydicom import dcmread, dcmwrite
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

from app.contract.json_text import Json
from app.dicomweb.frames import AS_STORED, decoded
from app.store.instance_file import Header

# Bytes. Viewers don't need longer binary values (private ones of vendors) as metadata.
LONGEST_BINARY = 1024
BINARY = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})
_KEEPS_PIXELS = AS_STORED | {DeflatedExplicitVRLittleEndian}


def encoded(stream: BinaryIO, header: Header) -> tuple[UID, bytes | None]:
    """An instance in Explicit VR Little Endian, if that is possible.

    Returns:
        The transfer syntax, and the file; None for the stored file, if it has this transfer syntax already or can't be
        decoded.
    """
    if header.transfer_syntax == ExplicitVRLittleEndian:
        return header.transfer_syntax, None
    try:
        return ExplicitVRLittleEndian, _explicit(stream, header)
    except Exception:  # pydicom may raise any exception
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
    return _readable(dcmread(stream, stop_before_pixels=True))


def _readable(dataset: Dataset) -> Json:
    """The readable values of a data set.

    pydicom's own `suppress_invalid_tags` isn't used: it makes all threads strict while it runs, and drops a whole
    sequence because of one invalid value.
    """
    found: Json = {}
    for tag in sorted(dataset.keys()):
        raw = dataset.get_item(tag)
        if isinstance(raw, RawDataElement) and raw.length > LONGEST_BINARY and raw.VR in BINARY:
            continue
        with suppress(Exception):  # pydicom's converters may raise any exception
            element = dataset[tag]
            items = [_readable(item) for item in element.value] if element.VR == "SQ" else None
            found[f"{tag:08X}"] = element.to_json_dict(None, 0) if items is None else {"vr": "SQ", "Value": items}
    return found
