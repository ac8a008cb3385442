"""One DICOM file (PS3.10) as somebody sends it: whose it is, what a search says of it, and why it isn't taken.

Only the header is read, and of that only what is on a list; pixels stay where they are.
"""

import re
from contextlib import suppress
from dataclasses import dataclass, field
from enum import IntEnum
from typing import BinaryIO

from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag
from pydicom.uid import UID

from app.contract.json_text import Json
from data_prep.dicom.archive import PREAMBLE, PREFIX, Budget, Limits
from data_prep.dicom.part10 import CHARACTER_SET, IMAGE_STORAGE, is_uid, open_file, parse
from data_prep.dicom.transfer_syntax import TAKEN
from data_prep.errors import InputError, InputOverLimit

PATIENT_AND_STUDY = (
    *("StudyInstanceUID", "StudyDate", "StudyTime", "AccessionNumber", "StudyID", "StudyDescription"),
    *("ReferringPhysicianName", "TimezoneOffsetFromUTC"),
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex"),
)
SERIES = (
    *("SeriesInstanceUID", "Modality", "SeriesNumber", "SeriesDescription", "SeriesDate", "SeriesTime"),
    *("BodyPartExamined", "Laterality", "PerformedProcedureStepStartDate", "PerformedProcedureStepStartTime"),
)
# Of each pixel; read with the rest, so that whatever is held has whole numbers there.
PIXEL_SIZE = ("SamplesPerPixel", "BitsAllocated")
INSTANCE = (
    *("SOPClassUID", "SOPInstanceUID", "InstanceNumber", "ImageType", "ContentLabel"),
    *("NumberOfFrames", "Rows", "Columns"),
    *PIXEL_SIZE,
)
# A name has at most 3 x 64 characters and a description 64 (PS3.5 6.2); what is longer is no value of these.
LONGEST_VALUE = 1024
# The names of storage SOP classes (PS3.4 B.5) end so.
STORAGE = re.compile(r"Storage( - .+)?( \(Retired\))?$")


def _tags(*keywords: str) -> list[int]:
    return [tag_for_keyword(keyword) or 0 for keyword in keywords]


_LISTED = set(_tags(*PATIENT_AND_STUDY, *SERIES, *INSTANCE))
_READ: list[BaseTag | int] = [*_LISTED, CHARACTER_SET]
_IDENTITY = _tags("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
_COUNTS = _tags("NumberOfFrames", "Rows", "Columns", *PIXEL_SIZE)

# What values of an attribute are as DICOM JSON: by tag, VR, bytes, byte order and character set.
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
    """An instance that isn't taken. Its text is for the sender and quotes nothing of the file."""

    def __init__(self, reason: Failure, text: str, sop_class_uid: str = "", sop_instance_uid: str = "") -> None:
        super().__init__(text)
        self.reason, self.text = reason, text
        self.sop_class_uid, self.sop_instance_uid = sop_class_uid, sop_instance_uid


@dataclass(frozen=True)
class Header:
    """What is read of a file.

    dataset: the attributes on the list. start: where the data set begins, after the file meta information. pixels:
    where the value of the pixel data element begins, and its length (None: encapsulated); None if there is none.
    """

    sop_class_uid: str
    sop_instance_uid: str
    study_uid: str
    series_uid: str
    transfer_syntax: UID
    start: int
    dataset: Dataset = field(repr=False)
    pixels: tuple[int, int | None] | None

    def attributes(self, memo: Memo) -> Json:
        """What QIDO-RS says of instance, series and study, as DICOM JSON (PS3.18 F.2); without unreadable values.

        memo: of the instances before this one, most of whose values are the same.
        """
        found: Json = {}
        for tag in self.dataset.keys() & _LISTED:
            with suppress(Exception):  # pydicom's converters raise whatever they stumble on
                if element := _element(self.dataset, tag, memo):
                    found[f"{tag:08X}"] = element
        return found


def read_header(stream: BinaryIO, memo: Memo | None = None) -> Header:
    """Header of a seekable file; Refusal if it isn't DICOM, belongs to no study, or isn't whole.

    memo: as `Header.attributes` has it.
    """
    try:
        return _header(stream, {} if memo is None else memo)
    except Refusal:
        raise
    except InputOverLimit as error:
        raise Refusal(Failure.RESOURCES, error.detail) from None
    except InputError as error:
        raise Refusal(Failure.NOT_UNDERSTOOD, error.detail) from None
    except Exception as error:  # pydicom raises whatever it stumbles on
        raise Refusal(Failure.NOT_UNDERSTOOD, f"It can't be read as DICOM ({type(error).__name__}).") from None


def _header(stream: BinaryIO, memo: Memo) -> Header:
    stream.seek(0)
    if stream.read(PREAMBLE + len(PREFIX))[PREAMBLE:] != PREFIX:
        raise Refusal(Failure.NOT_UNDERSTOOD, "It isn't a DICOM file (PS3.10).")
    opened, budget = open_file(stream), Budget(Limits())
    opened = opened._replace(syntax=UID(opened.meta.get("TransferSyntaxUID") or "")).inflated(budget)
    parsed = parse(opened, _READ)
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
            budget.take_frames(*counts[:3])
    except (Refusal, InputOverLimit) as error:
        known = error if isinstance(error, Refusal) else Refusal(Failure.RESOURCES, error.detail)
        raise Refusal(known.reason, known.text, uids[0], uids[1]) from None
    pixels = None if found is None else (found.start, found.length)
    return Header(uids[0], uids[1], uids[2], uids[3], opened.syntax, opened.start, dataset, pixels)


def _check(dataset: Dataset, meta: Dataset, syntax: UID, uids: list[str]) -> None:
    if not all(uids):
        raise Refusal(Failure.VALIDATION, "A UID of its class, instance, study or series is missing or no UID.")
    if not STORAGE.search(UID(uids[0]).name):
        raise Refusal(Failure.SOP_CLASS, "Its SOP class is private, or isn't one to be stored.")
    if syntax not in TAKEN:
        raise Refusal(Failure.TRANSFER_SYNTAX, "Its transfer syntax isn't taken.")
    named = (meta.get("MediaStorageSOPClassUID"), meta.get("MediaStorageSOPInstanceUID"))
    if any(name and name != uid for name, uid in zip(named, uids, strict=False)):
        raise Refusal(Failure.VALIDATION, "Its file meta information speaks of another instance than its data set.")


def _element(dataset: Dataset, tag: int, memo: Memo) -> Json:
    """An element as DICOM JSON; {} if it isn't there, or too long. Raises whatever pydicom's converters stumble on."""
    element, character_set = dataset.get_item(tag), dataset.get_item(CHARACTER_SET)
    if element is None or (isinstance(element, RawDataElement) and element.length > LONGEST_VALUE):
        return {}
    order = isinstance(element, RawDataElement) and element.is_little_endian
    known = (tag, element.VR, _hashable(element), order, character_set and _hashable(character_set))
    if known not in memo:
        memo[known] = dataset[tag].to_json_dict(None, 0)
    return memo[known]


def _hashable(element: DataElement | RawDataElement) -> object:
    return element.value if isinstance(element, RawDataElement) else str(element.value)


def _uid(dataset: Dataset, tag: int, memo: Memo) -> str:
    """A value that may become a file's name, or ''."""
    values = _element(dataset, tag, memo).get("Value", ())
    value = str(values[0]) if len(values) == 1 else ""
    return value if is_uid(value) else ""


def _count(dataset: Dataset, tag: int, memo: Memo) -> int:
    (value,) = _element(dataset, tag, memo).get("Value") or (1,)
    return int(value or 1)
