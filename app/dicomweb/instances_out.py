"""An instance as it is sent: in another transfer syntax, or as metadata."""

from io import BytesIO
from typing import BinaryIO, cast

from pydicom import dcmread, dcmwrite
from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from app.contract.json_text import Json
from app.dicomweb.frames import AS_STORED, COMPRESSED, count, decoded
from app.dicomweb.representations.compressed import Layout, compressed
from app.store.disk.metadata_file import MOST_METADATA
from app.store.files.instance_file import Header, all_attributes
from data_prep.errors import InputOverLimit

# Bytes. Longer values (documents, tables, private ones of vendors) are fetched alone, by their BulkDataURI.
LONGEST_VALUE = 1024
# The least that an element or an item takes in JSON.
LEAST_ELEMENT = 20
# How references of long values begin.
BULK = "bulkdata"
CHARACTER_SET, UNICODE = "00080005", "ISO_IR 192"
# Transfer syntaxes that any image can be sent in, or only images of one sample.
SENT = (ExplicitVRLittleEndian, ImplicitVRLittleEndian, *COMPRESSED)
_KEEPS_PIXELS = AS_STORED | {DeflatedExplicitVRLittleEndian}


def recoded(stream: BinaryIO, header: Header, wanted: UID) -> tuple[UID, bytes] | None:
    """An instance in another transfer syntax.

    Args:
        stream: The DICOM file.
        header: Its header.
        wanted: One of `SENT`.

    Returns:
        The transfer syntax and the file; None if its pixels can't be decoded, or not be compressed without loss. The
        transfer syntax is Explicit VR Little Endian if an object without pixels is wanted compressed.
    """
    syntax = ExplicitVRLittleEndian if wanted in COMPRESSED and header.pixels is None else wanted
    try:
        return syntax, _file(stream, header, syntax)
    except Exception:  # pydicom may raise any exception
        return None


def _file(stream: BinaryIO, header: Header, syntax: UID) -> bytes:
    stream.seek(0)
    dataset = dcmread(stream)
    numbers = range(1, count(header) + 1)
    if syntax in COMPRESSED:
        layout = Layout.of(dataset)
        dataset.PixelData = encapsulate([compressed(one, layout, syntax) for one in decoded(stream, header, numbers)])
        dataset["PixelData"].VR = "OB"
        dataset["PixelData"].is_undefined_length = True
    elif header.transfer_syntax not in _KEEPS_PIXELS and header.pixels is not None:
        dataset.PixelData = b"".join(decoded(stream, header, numbers))
        dataset["PixelData"].VR = "OW" if dataset.BitsAllocated > 8 else "OB"
        dataset["PixelData"].is_undefined_length = False
    dataset.file_meta.TransferSyntaxUID = syntax
    file = BytesIO()
    dcmwrite(file, dataset, implicit_vr=syntax == ImplicitVRLittleEndian, little_endian=True)
    return file.getvalue()


# Elements that are already converted, by tag, VR, bytes, byte order and character set.
Memo = dict[tuple[object, ...], Json]


def metadata(stream: BinaryIO, memo: Memo | None = None) -> Json:
    """The data set as DICOM JSON, without pixels, and without values that can't be read.

    A long value is a reference `BulkDataURI` (PS3.18 F.2.6), relative to the instance: `bulkdata/` and the tag; for an
    attribute of a sequence, before it the tags and numbers of items on the way (`bulkdata/00400260/1/00080104`).

    Args:
        stream: The DICOM file.
        memo: Elements of earlier instances, most of which are the same here; new ones are added.

    Raises:
        InputOverLimit: There are more elements than fit in `MOST_METADATA`.
    """
    found = _Reader({} if memo is None else memo).readable(all_attributes(stream), BULK)
    if CHARACTER_SET in found:  # JSON is in UTF-8 (PS3.18 F.2)
        found[CHARACTER_SET] = {"vr": "CS", "Value": [UNICODE]}
    return found


def over_limit() -> InputOverLimit:
    """The error of metadata that are too long."""
    return InputOverLimit(
        f"The metadata of an instance take more than {MOST_METADATA >> 20} MB; ask for the instance itself."
    )


class _Reader:
    """Reads data sets. Counts elements and items, so that too many are refused before each of them is converted."""

    def __init__(self, memo: Memo) -> None:
        self._left, self._memo = MOST_METADATA // LEAST_ELEMENT, memo

    def readable(self, dataset: Dataset, place: str) -> Json:
        """The readable values of a data set. `place` is what the references of long values begin with.

        pydicom's own `suppress_invalid_tags` isn't used: it drops a whole sequence because of one invalid value.
        """
        found: Json = {}
        self._take(len(dataset))
        for tag in sorted(dataset.keys()):
            raw, name = dataset.get_item(tag), f"{tag:08X}"
            if isinstance(raw, RawDataElement) and raw.length > LONGEST_VALUE and vr_of(raw) != "SQ":
                found[name] = {"vr": vr_of(raw), "BulkDataURI": f"{place}/{name}"}
                continue
            try:
                found[name] = self._element(dataset, raw, f"{place}/{name}")
            except (InputOverLimit, MemoryError):
                raise
            except Exception:  # pydicom's converters may raise any exception
                continue
        return found

    def _element(self, dataset: Dataset, raw: object, place: str) -> Json:
        known = _key(raw, dataset)
        if known is not None and known in self._memo:
            return self._memo[known]
        element = dataset[cast(RawDataElement, raw).tag]
        if element.VR == "SQ":
            self._take(len(element.value))
            items = enumerate(element.value, start=1)
            return {"vr": "SQ", "Value": [self.readable(item, f"{place}/{number}") for number, item in items]}
        found: Json = element.to_json_dict(None, 0)
        if known is not None:
            self._memo[known] = found
        return found

    def _take(self, count: int) -> None:
        self._left -= count
        if self._left < 0:
            raise over_limit()


def _key(raw: object, dataset: Dataset) -> tuple[object, ...] | None:
    """By what an element is known that was converted before; None if more than its bytes decides what it becomes."""
    if not isinstance(raw, RawDataElement) or raw.VR in (None, "SQ", "UN"):
        return None
    return raw.tag, raw.VR, raw.value, raw.is_little_endian, str(dataset.original_character_set)


def vr_of(raw: RawDataElement) -> str:
    """The VR of an element, also where it isn't written; UN for what nobody knows. Two possible ones are words."""
    if raw.VR is not None:
        return raw.VR
    known = dictionary_VR(raw.tag) if dictionary_has_tag(raw.tag) else "UN"
    return "OW" if known.endswith("OW") else known.partition(" ")[0]
