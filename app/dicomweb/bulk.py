"""A long value of an instance, alone: what `BulkDataURI` refers to (PS3.18 10.4.1.1.5)."""

from typing import BinaryIO

from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.valuerep import STR_VR, VR
from werkzeug.exceptions import NotFound

from app.dicomweb.instances_out import vr_of
from app.store.files.instance_file import all_attributes

# Bytes of each number, by VR; big endian ones are turned round, because bulk data are little endian (PS3.18 8.7.3.3.2).
WORDS: dict[str, int] = {
    **dict.fromkeys((VR.AT, VR.OW, VR.US, VR.SS), 2),
    **dict.fromkeys((VR.OF, VR.OL, VR.UL, VR.SL, VR.FL), 4),
    **dict.fromkeys((VR.OD, VR.OV, VR.UV, VR.SV, VR.FD), 8),
}
TEXTS = frozenset(STR_VR)


def value(stream: BinaryIO, path: str) -> bytes:
    """A value as bytes: numbers little endian, text in UTF-8, anything else as it is stored.

    Args:
        stream: The DICOM file.
        path: Its tag; before it, tags and item numbers (from 1) of the sequences that it is in: `00400260/1/00080104`.

    Raises:
        NotFound: There is no such value.
    """
    *way, last = path.split("/")
    dataset = all_attributes(stream)
    for sequence, number in zip(way[::2], way[1::2], strict=True):
        dataset = _item(dataset, int(sequence, 16), int(number))
    raw = dataset.get_item(int(last, 16)) if int(last, 16) in dataset else None
    if not isinstance(raw, RawDataElement) or raw.value is None or vr_of(raw) == VR.SQ:
        raise NotFound("The instance has no such value; pixels are fetched as frames.")
    if vr_of(raw) in TEXTS:
        return _text(dataset, raw)
    return _little_endian(raw)


def _item(dataset: Dataset, sequence: int, number: int) -> Dataset:
    found = dataset.get(sequence)
    if found is None or found.VR != VR.SQ or not 1 <= number <= len(found.value):
        raise NotFound("The instance has no such item.")
    item: Dataset = found.value[number - 1]
    return item


def _text(dataset: Dataset, raw: RawDataElement) -> bytes:
    found = dataset[raw.tag].value
    values = [found] if isinstance(found, str) or not hasattr(found, "__iter__") else found
    return "\\".join(map(str, values)).encode()


def _little_endian(raw: RawDataElement) -> bytes:
    content, size = raw.value or b"", 1 if raw.is_little_endian else WORDS.get(vr_of(raw), 1)
    whole = len(content) - len(content) % size
    turned = bytearray(content)
    for place in range(size):
        turned[place:whole:size] = content[size - 1 - place : whole : size]
    return bytes(turned)
