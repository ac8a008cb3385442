"""One DICOM file (PS3.10) that a client sent: its UIDs, its attributes for a search, and why it is refused.

Only the header is read, and only the listed attributes; pixels aren't loaded.
"""

import os
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import IntEnum
from typing import BinaryIO

from pydicom.datadict import keyword_for_tag, tag_for_keyword
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset
from pydicom.tag import BaseTag
from pydicom.uid import UID, MediaStorageDirectoryStorage

from app.contract.json_text import Json
from app.store.index.keys import INSTANCE, OF_REQUEST, PATIENT_AND_STUDY, PIXEL_SIZE, REQUEST, SERIES
from data_prep.dicom.archive import PREAMBLE, PREFIX, has_preamble
from data_prep.dicom.budget import Budget
from data_prep.dicom.part10 import CHARACTER_SET, IMAGE_STORAGE, is_uid, open_file, parse
from data_prep.dicom.transfer_syntax import TAKEN
from data_prep.errors import InputError, InputOverLimit
from data_prep.limits import Limits
from data_prep.selection.missing import OF_SERIES, OF_STUDY, announced

# A name has at most 3 x 64 characters and a description 64 (PS3.5 6.2). A longer value is invalid and ignored.
LONGEST_VALUE = 1024
# Of request attributes. An instance that several requests led to has a few.
MOST_ITEMS = 100
# The names of storage SOP classes (PS3.4 B.5) end like this.
STORAGE = re.compile(r"Storage( - .+)?( \(Retired\))?$")


def _tags(*keywords: str) -> list[int]:
    return [tag_for_keyword(keyword) or 0 for keyword in keywords]


# Integers, floats and doubles (PS3.3 C.7.6.3, C.7.6.24, C.7.6.25).
PIXELS = frozenset(_tags("PixelData", "FloatPixelData", "DoubleFloatPixelData"))
# Rules look at the station (app/routing).
_LISTED = set(_tags(*PATIENT_AND_STUDY, *SERIES, *INSTANCE, "StationName"))
_READ: list[BaseTag | int] = [*_LISTED, CHARACTER_SET, *_tags(*OF_SERIES, *OF_STUDY)]
_IDENTITY = _tags("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
(_REQUEST,) = _tags(REQUEST)
_COUNTS = _tags("NumberOfFrames", "Rows", "Columns", *PIXEL_SIZE)

# Attributes that are already converted to DICOM JSON, by tag, VR, bytes, byte order and character set.
Memo = dict[tuple[object, ...], Json]


class Failure(IntEnum):
    """Why an instance isn't stored: FailureReason (PS3.18 I.2.2) and status of a C-STORE (PS3.4 B.2.3)."""

    PROCESSING = 0x0110
    SOP_CLASS = 0x0122
    RESOURCES = 0xA700
    VALIDATION = 0xA900
    OTHER_STUDY = 43265
    DUPLICATE = 45070
    NOT_UNDERSTOOD = 0xC000
    TRANSFER_SYNTAX = 0xC122


class Refusal(Exception):
    """An instance that isn't stored. The text is for the sender and never quotes the file."""

    def __init__(self, reason: Failure, text: str, sop_class_uid: str = "", sop_instance_uid: str = "") -> None:
        super().__init__(text)
        self.reason, self.text = reason, text
        self.sop_class_uid, self.sop_instance_uid = sop_class_uid, sop_instance_uid


@dataclass(frozen=True)
class Header:
    """What is read from a file.

    Attributes:
        start: Offset of the data set in bytes, after the file meta information.
        preamble: Whether its preamble isn't blank.
        dataset: The listed attributes.
        pixels: Offset and length of the pixel data element's value in bytes (length None: encapsulated); None if there
            is no such element.
    """

    sop_class_uid: str
    sop_instance_uid: str
    study_uid: str
    series_uid: str
    transfer_syntax: UID
    start: int
    preamble: bool
    dataset: Dataset = field(repr=False)
    pixels: tuple[int, int | None] | None

    def attributes(self, memo: Memo) -> Json:
        """What QIDO-RS returns for instance, series and study, as DICOM JSON (PS3.18 F.2), without unreadable values.

        Args:
            memo: Values that were converted for earlier instances; most are the same here. New ones are added.
        """
        found: Json = {}
        for tag in self.dataset.keys() & _LISTED:
            with suppress(Exception):  # pydicom's converters may raise any exception
                element = _requests(self.dataset) if tag == _REQUEST else _element(self.dataset, tag, memo)
                if element:
                    found[f"{tag:08X}"] = element
        return found

    def announced(self, keywords: Iterable[str]) -> int:
        """The largest number of images that these attributes name; 0 if they name none that can be right."""
        numbers: list[float] = []
        for tag in _tags(*keywords):
            with suppress(Exception):  # absent, or pydicom can't convert it
                numbers.append(float(self.dataset[tag].value))
        return announced(numbers)


def read_header(stream: BinaryIO, memo: Memo | None = None, budget: Budget | None = None) -> Header:
    """Read the header of a file.

    Args:
        stream: A seekable file.
        memo: See `Header.attributes`.
        budget: What remains of the limits for all files of a request; None for those of one file.

    Raises:
        Refusal: The file isn't DICOM, belongs to no study, or isn't complete.
    """
    try:
        return _header(stream, {} if memo is None else memo, budget or Budget(Limits()))
    except (Refusal, OSError, MemoryError):
        raise
    except InputOverLimit as error:
        raise Refusal(Failure.RESOURCES, error.detail) from None
    except InputError as error:
        raise Refusal(Failure.NOT_UNDERSTOOD, error.detail) from None
    except Exception:  # pydicom may raise any exception
        raise Refusal(Failure.NOT_UNDERSTOOD, "It can't be read as DICOM; it may be damaged.") from None


def all_attributes(stream: BinaryIO) -> Dataset:
    """Every attribute before the pixels of a file that `read_header` reads.

    pydicom's `dcmread` refuses some of these files: it wants to understand the file meta information.
    """
    budget = Budget(Limits())
    budget.take_sent(stream.seek(0, os.SEEK_END))
    opened = open_file(stream, budget).inflated(budget)
    return read_dataset(opened.stream, opened.implicit, opened.little_endian, stop_when=_at_pixels)


def _at_pixels(tag: BaseTag, vr: str | None, length: int) -> bool:
    return int(tag) in PIXELS


def checked(stream: BinaryIO, study_uid: str | None, memo: Memo, budget: Budget | None = None) -> Header:
    """The header of a file that may be stored.

    Args:
        stream: A seekable file.
        study_uid: The study that it must belong to; None allows any.
        memo: See `Header.attributes`.
        budget: See `read_header`.

    Raises:
        Refusal: It isn't stored.
    """
    if stream.seek(0, os.SEEK_END) > Limits.file_bytes:
        raise Refusal(Failure.RESOURCES, f"It has more than {Limits.file_bytes:,} bytes.")
    header = read_header(stream, memo, budget)
    if study_uid is not None and header.study_uid != study_uid:
        text = "It belongs to another study than the one in the URL."
        raise Refusal(Failure.OTHER_STUDY, text, header.sop_class_uid, header.sop_instance_uid)
    return header


def _header(stream: BinaryIO, memo: Memo, budget: Budget) -> Header:
    budget.take_sent(stream.seek(0, 2))
    stream.seek(0)
    head = stream.read(PREAMBLE + len(PREFIX))
    if head[PREAMBLE:] != PREFIX:
        raise Refusal(Failure.NOT_UNDERSTOOD, "It isn't a DICOM file (PS3.10).")
    opened = open_file(stream, budget)
    opened = opened._replace(syntax=UID(opened.meta.get("TransferSyntaxUID") or "")).inflated(budget)
    parsed = parse(opened, _READ, budget)
    dataset, found = parsed.dataset, parsed.pixels
    uids = [_uid(dataset, tag, memo) for tag in _IDENTITY]
    try:
        _check(dataset, opened.meta, opened.syntax, uids)
        if found is None and IMAGE_STORAGE in UID(uids[0]).name:
            raise Refusal(Failure.NOT_UNDERSTOOD, "The file ends before its pixels.")
        if found is not None:
            if found.start + (found.length or 0) > opened.stream.seek(0, 2):
                raise Refusal(Failure.NOT_UNDERSTOOD, "The file is cut short.")
            counts = [_count(dataset, tag, memo) for tag in _COUNTS]
            images = Budget(budget.limits)  # each file's own: they aren't decoded together
            images.take_sent(stream.seek(0, 2))
            images.take_frames(*counts[:3])
    except (Refusal, InputOverLimit) as error:
        known = error if isinstance(error, Refusal) else Refusal(Failure.RESOURCES, error.detail)
        raise Refusal(known.reason, known.text, uids[0], uids[1]) from None
    pixels = None if found is None else (found.start, found.length)
    return Header(
        *(uids[0], uids[1], uids[2], uids[3]), opened.syntax, opened.start, has_preamble(head), dataset, pixels
    )


def _check(dataset: Dataset, meta: Dataset, syntax: UID, uids: list[str]) -> None:
    if meta.get("MediaStorageSOPClassUID") == MediaStorageDirectoryStorage:
        raise Refusal(
            Failure.SOP_CLASS, "It is a DICOMDIR, a list of files, and no instance: send the files that it lists."
        )
    if not all(uids):
        raise Refusal(
            Failure.VALIDATION,
            "The UID of its class, instance, study or series is missing or invalid, or it is cut short.",
        )
    if not STORAGE.search(UID(uids[0]).name):
        raise Refusal(Failure.SOP_CLASS, "Its SOP class is private or isn't a storage class.")
    if syntax not in TAKEN:
        raise Refusal(Failure.TRANSFER_SYNTAX, "Its transfer syntax isn't supported.")
    named = (meta.get("MediaStorageSOPClassUID"), meta.get("MediaStorageSOPInstanceUID"))
    if any(name and name != uid for name, uid in zip(named, uids, strict=False)):
        raise Refusal(Failure.VALIDATION, "Its file meta information names another instance than its data set.")


def _element(dataset: Dataset, tag: int, memo: Memo) -> Json:
    """An element as DICOM JSON; {} if it is absent or too long. pydicom's converters may raise any exception."""
    element, character_set = dataset.get_item(tag), dataset.get_item(CHARACTER_SET)
    if element is None or (isinstance(element, RawDataElement) and element.length > LONGEST_VALUE):
        return {}
    order = isinstance(element, RawDataElement) and element.is_little_endian
    known = (tag, element.VR, _hashable(element), order, character_set and _hashable(character_set))
    if known not in memo:
        memo[known] = dataset[tag].to_json_dict(None, 0)
    return memo[known]


def _requests(dataset: Dataset) -> Json:
    """The request attributes as DICOM JSON, with those of each item that searches match."""
    items = [
        {f"{one.tag:08X}": one.to_json_dict(None, 0) for keyword in OF_REQUEST if (one := _short(item, keyword))}
        for item in dataset[_REQUEST].value[:MOST_ITEMS]
    ]
    return {"vr": "SQ", "Value": items} if items else {"vr": "SQ"}


def _short(item: Dataset, keyword: str) -> DataElement | None:
    found = item.data_element(keyword)
    return found if found is not None and len(str(found.value)) <= LONGEST_VALUE else None


def _hashable(element: DataElement | RawDataElement) -> object:
    return element.value if isinstance(element, RawDataElement) else str(element.value)


def _uid(dataset: Dataset, tag: int, memo: Memo) -> str:
    """A UID that is safe as a file name, or ''."""
    values = _element(dataset, tag, memo).get("Value", ())
    value = str(values[0]) if len(values) == 1 else ""
    return value if is_uid(value) else ""


def _count(dataset: Dataset, tag: int, memo: Memo) -> int:
    try:
        (value,) = _element(dataset, tag, memo).get("Value") or (1,)
        return int(value or 1)
    except Exception:  # pydicom's converters may raise any exception
        raise Refusal(Failure.NOT_UNDERSTOOD, f"{keyword_for_tag(tag)} isn't a whole number.") from None
