"""The attributes that Cruciate reads from a DICOM header, and no others: allow-lists of keywords, as Python values.

A classic instance has one header for its one image. An enhanced instance (PS3.3 C.7.6.16) has a header for each frame,
under the classic keywords. The frame's own functional groups override the shared ones, which override the instance's
attributes.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

from pydicom.datadict import dictionary_has_tag, dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence as Items
from pydicom.tag import BaseTag
from pydicom.valuerep import VR

from data_prep.dicom.private import PRIVATE_TAGS, private_values
from data_prep.errors import MalformedInput

Value = str | float
# Decoded values by tag, VR, bytes, byte order and character set.
Memo = dict[tuple[object, ...], tuple[Value, ...]]

# The classic keyword for each keyword that only an enhanced instance has.
CLASSIC_NAMES = {
    "EffectiveEchoTime": "EchoTime",
    "FrameAcquisitionNumber": "AcquisitionNumber",
    "InversionTimes": "InversionTime",
    "PulseSequenceName": "SequenceName",
    "TemporalPositionIndex": "TemporalPositionIdentifier",
}
ALLOWED = (
    *("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "Modality", "ImageType", "FrameType"),
    *("Manufacturer", "ManufacturerModelName", "MagneticFieldStrength", "SeriesDescription", "ProtocolName"),
    *("ScanningSequence", "SequenceVariant", "ScanOptions", "SequenceName", "EchoPulseSequence", "InversionRecovery"),
    *("SpectrallySelectedSuppression", "SpectrallySelectedExcitation", "AcquisitionContrast"),
    *("EchoTime", "EchoNumbers", "RepetitionTime", "InversionTime", "DiffusionBValue", "ComplexImageComponent"),
    *("InstanceNumber", "AcquisitionNumber", "TemporalPositionIdentifier"),
    *("SeriesNumber", "AcquisitionDate", "AcquisitionTime", "AcquisitionDateTime"),
    *("Laterality", "ImageLaterality", "FrameLaterality", "BodyPartExamined", "StudyDescription"),
    *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SpacingBetweenSlices"),
    *("SliceThickness", "NumberOfSeriesRelatedInstances", "ImagesInAcquisition"),
    *("Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation"),
    *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "BurnedInAnnotation"),
    *("RescaleSlope", "RescaleIntercept", "PixelPaddingValue", "PixelPaddingRangeLimit"),
    *("WindowCenter", "WindowWidth"),
    *CLASSIC_NAMES,
)
# Used to distinguish patients, see `data_prep.dicom.identity`.
PATIENT = ("PatientID", "PatientName")
# Attributes that results repeat, see `data_prep.dicom.origin`. Those of the first list must be present, but may be
# empty (type 2).
DEMANDED = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex"),
    *("StudyDate", "StudyTime", "ReferringPhysicianName", "StudyID", "AccessionNumber", "Manufacturer"),
)
REPEATED = (
    *DEMANDED,
    *("IssuerOfPatientID", "PatientIdentityRemoved", "DeidentificationMethod"),
    *("FrameOfReferenceUID", "PositionReferenceIndicator", "SliceThickness"),
    *("ManufacturerModelName", "DeviceSerialNumber", "SoftwareVersions"),
    *("LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod"),
    *("TimezoneOffsetFromUTC", "StudyDescription", "InstitutionName"),
    *("ProcedureCodeSequence", "RequestAttributesSequence"),
)
CODE = ("CodeValue", "CodingSchemeDesignator", "CodingSchemeVersion", "CodeMeaning")
# What is repeated of the items of a sequence.
REPEATED_OF_ITEMS = {
    "ProcedureCodeSequence": CODE,
    "RequestedProcedureCodeSequence": CODE,
    "RequestAttributesSequence": (
        *("StudyInstanceUID", "AccessionNumber", "RequestedProcedureID", "RequestedProcedureDescription"),
        *("RequestedProcedureCodeSequence", "ScheduledProcedureStepID", "ScheduledProcedureStepDescription"),
    ),
}
SHARED, PER_FRAME = "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"
# Attributes for which a converter had no functional group (PS3.3 C.7.6.16.2.25, C.7.6.16.2.26): other groups override
# them.
UNASSIGNED = ("UnassignedSharedConvertedAttributesSequence", "UnassignedPerFrameConvertedAttributesSequence")
# These belong to the instance. In a functional group they would belong to another instance, such as the one that was
# converted.
OF_THE_INSTANCE = frozenset(
    {
        *("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "Modality"),
        *("Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation"),
        *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"),
    }
)
# Numbers as text (PS3.5 6.2, DS and IS). Other texts that Python's float() accepts, such as 1_000 or infinity, aren't
# numbers here. A comma is a decimal comma, as some scanners write it.
NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d{1,3})?")
# "3,000" may be three thousand or three.
AMBIGUOUS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")
# Value representations without information; the dictionary's representation is used instead.
UNTOLD = frozenset({None, VR.UN, VR.OB, VR.OW})
NUMBERS_AS_TEXT = frozenset({VR.DS, VR.IS})
TEXTS = frozenset({VR.AE, VR.AS, VR.CS, VR.DA, VR.DT, VR.LO, VR.LT, VR.PN, VR.SH, VR.ST, VR.TM, VR.UC, VR.UI, VR.UT})
# Replaces a value that can't be read. It isn't a number, and no word that is looked for.
UNREADABLE = "\ufffd"
PADDING = " \0\t\r\n"


def _tags(keywords: tuple[str, ...]) -> dict[BaseTag, str]:
    return {BaseTag(tag): keyword for keyword in keywords if (tag := tag_for_keyword(keyword)) is not None}


_ALLOWED_TAGS = _tags(ALLOWED)
_TAGS_OF_FRAMES = {tag: keyword for tag, keyword in _ALLOWED_TAGS.items() if keyword not in OF_THE_INSTANCE}
_UNASSIGNED_TAGS = frozenset(_tags(UNASSIGNED))
READ_TAGS = [*_ALLOWED_TAGS, *_tags((*PATIENT, *REPEATED, SHARED, PER_FRAME)), *PRIVATE_TAGS]


@dataclass(frozen=True)
class Header:
    """One image's attributes by classic keyword; absent and empty attributes aren't in it."""

    values: Mapping[str, tuple[Value, ...]] = field(repr=False)

    def texts(self, keyword: str) -> tuple[str, ...]:
        """All values as text; empty if the attribute is absent."""
        return tuple(str(value) for value in self.values.get(keyword, ()))

    def text(self, keyword: str) -> str:
        """The first value as text, or ''."""
        return next(iter(self.texts(keyword)), "")

    def number(self, keyword: str) -> float | None:
        """The first value; None if it is absent or isn't a finite number.

        Use this where neither pixels nor positions depend on the value.
        """
        values = self.values.get(keyword)
        return _number(values[0]) if values else None

    def needed_number(self, keyword: str) -> float | None:
        """The first value, None if the attribute is absent; MalformedInput if it isn't a finite number."""
        value = self.number(keyword)
        if value is None and keyword in self.values:
            raise MalformedInput(f"{keyword} isn't a number.")
        return value

    def numbers(self, keyword: str, count: int) -> tuple[float, ...] | None:
        """Exactly `count` finite numbers, MalformedInput otherwise; None if the attribute is absent."""
        if keyword not in self.values:
            return None
        values = _numbers(self.values[keyword])
        if values is None or len(values) != count:
            raise MalformedInput(f"{keyword} isn't {count} numbers.")
        return values

    def integer(self, keyword: str, default: int | None = None) -> int:
        """A whole number from 0 up.

        Args:
            keyword: the attribute.
            default: the value if the attribute is absent.

        Raises:
            MalformedInput: the value isn't a whole number, or is absent and there is no default.
        """
        value = self.needed_number(keyword)
        if value is None and default is not None:
            return default
        if value is None or value < 0 or value != int(value):
            raise MalformedInput(f"{keyword} is missing or isn't a whole number.")
        return int(value)


def instance_header(dataset: Dataset, memo: Memo) -> Header:
    """The attributes of the instance as a whole.

    Args:
        dataset: the instance.
        memo: values decoded from earlier instances, most of which have the same values; it is extended.
    """
    return Header(_allowed(dataset, _ALLOWED_TAGS, memo) | private_values(dataset))


def frame_headers(dataset: Dataset, instance: Header, frames: int, memo: Memo) -> list[Header]:
    """One header for each frame.

    Args:
        dataset: the instance.
        instance: the result of `instance_header`.
        frames: number of frames.
        memo: see `instance_header`.

    Raises:
        MalformedInput: the functional groups don't match the frames.
    """
    shared, per_frame = _items(dataset, SHARED), _items(dataset, PER_FRAME)
    if not shared and not per_frame:
        return [instance] * frames
    if per_frame and len(per_frame) != frames:
        raise MalformedInput(f"{len(per_frame)} items in {PER_FRAME} for {frames} frames.")
    common = dict(instance.values)
    for item in shared:
        common |= _grouped(item, memo)
    if not per_frame:
        return [Header(common)] * frames
    return [Header(common | _grouped(item, memo)) for item in per_frame]


def _items(dataset: Dataset, keyword: str) -> Items | tuple[()]:
    try:
        found = dataset.get(keyword)
    except Exception:  # pydicom may raise any exception, and may quote the value
        raise MalformedInput(f"{keyword} can't be read.") from None
    return found if isinstance(found, Items) else ()


def _grouped(item: Dataset, memo: Memo) -> dict[str, tuple[Value, ...]]:
    """The attributes in the functional groups of an item, one level deep: deeper ones belong to other images."""
    values: dict[str, tuple[Value, ...]] = {}
    for group in _groups(item):
        values |= _allowed(group, _TAGS_OF_FRAMES, memo)
    return values | private_values(item)


def _groups(item: Dataset) -> Iterator[Dataset]:
    """Items of the standard's sequences; those that others override come first. Private sequences are skipped."""
    tags = item.keys()
    for tag in sorted(tags, key=_UNASSIGNED_TAGS.__contains__, reverse=True):
        if not tag.is_private and _is_sequence(item.get_item(tag)):
            yield from item[tag].value or ()


def _is_sequence(element: DataElement | RawDataElement) -> bool:
    if element.VR not in (None, VR.UN):
        return element.VR == VR.SQ
    return dictionary_has_tag(element.tag) and dictionary_VR(element.tag) == VR.SQ


def _allowed(dataset: Dataset, allowed: Mapping[BaseTag, str], memo: Memo) -> dict[str, tuple[Value, ...]]:
    values, present, characters = {}, dataset.keys(), str(dataset.original_character_set)
    for tag in [tag for tag in allowed if tag in present]:
        keyword = allowed[tag]
        if plain := _read(dataset, tag, characters, memo):
            values[CLASSIC_NAMES.get(keyword, keyword)] = plain
    return values


def _read(dataset: Dataset, tag: BaseTag, characters: str, memo: Memo) -> tuple[Value, ...]:
    element = dataset.get_item(tag)
    if not isinstance(element, RawDataElement):
        return _plain(dataset[tag].value)
    written = (tag, element.VR, element.value, element.is_little_endian, characters)
    if written not in memo:
        memo[written] = _converted(dataset, element)
    return memo[written]


def _converted(dataset: Dataset, element: RawDataElement) -> tuple[Value, ...]:
    """Values as pydicom converts them, except numbers as text. If it can't: the value as text, or UNREADABLE."""
    meant = dictionary_VR(element.tag)
    representation = meant if element.VR in UNTOLD else element.VR
    if representation in NUMBERS_AS_TEXT:
        return tuple(_valued(text) for text in _texts(element))
    if meant == VR.US_SS and representation in (VR.US_SS, VR.US, VR.SS):  # implicit VR leaves the choice open
        order: Literal["little", "big"] = "little" if element.is_little_endian else "big"
        number = int.from_bytes((element.value or b"")[:2], order, signed=representation == VR.SS)
        return (float(number),) if element.value else ()
    try:
        return _plain(dataset[element.tag].value)
    except Exception:  # pydicom's converters may raise any exception, and quote the value
        return _texts(element) if representation in TEXTS else (UNREADABLE,)


def _texts(element: RawDataElement) -> tuple[str, ...]:
    """Values as ASCII; empty values at the end are dropped, other empty values keep their place."""
    text = (element.value or b"").decode("ascii", "replace").rstrip(PADDING + "\\")
    return tuple(part.strip(PADDING) for part in text.split("\\")) if text else ()


def _valued(text: str) -> Value:
    number = _number(text)
    return text if number is None else number


@lru_cache(4096)
def _numbers(values: tuple[Value, ...]) -> tuple[float, ...] | None:
    """The numbers; None if one value isn't a number. Cached: the slices of a series share most of their values."""
    read = tuple(_number(value) for value in values)
    known = tuple(number for number in read if number is not None)
    return known if len(known) == len(read) else None


def _number(value: Value) -> float | None:
    """The number, never -0.0, which equals 0.0 in the cache; None for a text that isn't a number or is ambiguous."""
    if isinstance(value, float):
        return value + 0.0
    if not NUMBER.fullmatch(value) or AMBIGUOUS.fullmatch(value):
        return None
    number = float(value.replace(",", "."))
    return number + 0.0 if math.isfinite(number) else None


def _plain(value: object) -> tuple[Value, ...]:
    values = value if isinstance(value, MultiValue | list | tuple) else (value,)
    plain = (_finite(item) if isinstance(item, int | float) else _text(item) for item in values)
    return tuple(item for item in plain if item != "")


def _finite(number: float) -> Value:
    return float(number) if math.isfinite(number) else UNREADABLE


def _text(value: object) -> str:
    """The value as text; '' for an empty value, UNREADABLE for bytes."""
    if isinstance(value, bytes):
        return UNREADABLE if value else ""
    return "" if value is None else str(value).strip(PADDING)
