"""What Cruciate reads of a DICOM header, and nothing else: allow-lists of keywords, as plain Python values.

A classic instance has one header for its one image; an enhanced one (PS3.3 C.7.6.16) has a header for each frame, made
of its own functional groups over the shared ones over the instance's attributes, under the classic keywords.
"""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag

from data_prep.errors import MalformedInput

Value = str | float
# What values mean: by tag, VR, bytes, byte order and character set.
Memo = dict[tuple[object, ...], tuple[Value, ...]]

# The classic keyword for each that an enhanced instance has instead.
CLASSIC_NAMES = {
    "EffectiveEchoTime": "EchoTime",
    "FrameAcquisitionNumber": "AcquisitionNumber",
    "FrameType": "ImageType",
    "InversionTimes": "InversionTime",
    "PulseSequenceName": "SequenceName",
    "TemporalPositionIndex": "TemporalPositionIdentifier",
}
ALLOWED = (
    *("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "Modality", "ImageType"),
    *("Manufacturer", "ManufacturerModelName", "MagneticFieldStrength", "SeriesDescription", "ProtocolName"),
    *("ScanningSequence", "ScanOptions", "SequenceName", "InversionRecovery", "SpectrallySelectedSuppression"),
    *("EchoTime", "EchoNumbers", "RepetitionTime", "InversionTime", "DiffusionBValue", "ComplexImageComponent"),
    *("InstanceNumber", "AcquisitionNumber", "TemporalPositionIdentifier"),
    *("Laterality", "ImageLaterality", "FrameLaterality"),
    *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SpacingBetweenSlices"),
    *("Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation"),
    *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"),
    *("RescaleSlope", "RescaleIntercept", "PixelPaddingValue", "PixelPaddingRangeLimit"),
    *CLASSIC_NAMES,
)
# Tells patients apart, by a hash of it.
PATIENT = ("PatientID", "PatientName")
# What results repeat of their source, see `data_prep.origin`: first what has to be there, if only empty (type 2).
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
)
SHARED, PER_FRAME = "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"
# The functional groups (PS3.3 C.7.6.16.2, C.8.13.5) in which allowed keywords stand.
GROUPS = (
    *("FrameAnatomySequence", "FrameContentSequence", "PixelMeasuresSequence", "PixelValueTransformationSequence"),
    *("PlaneOrientationSequence", "PlanePositionSequence", "MRDiffusionSequence", "MREchoSequence"),
    *("MRImageFrameTypeSequence", "MRModifierSequence", "MRTimingAndRelatedParametersSequence"),
)


def _tags(keywords: tuple[str, ...]) -> dict[int, str]:
    return {tag: keyword for keyword in keywords if (tag := tag_for_keyword(keyword)) is not None}


_ALLOWED_TAGS = _tags(ALLOWED)
READ_TAGS = [*_ALLOWED_TAGS, *_tags((*PATIENT, *REPEATED, SHARED, PER_FRAME))]


@dataclass(frozen=True)
class Header:
    """One image's attributes by classic keyword; absent and empty attributes aren't in it."""

    values: Mapping[str, tuple[Value, ...]] = field(repr=False)

    def texts(self, keyword: str) -> tuple[str, ...]:
        """All values as text; none if the attribute is absent."""
        return tuple(str(value) for value in self.values.get(keyword, ()))

    def text(self, keyword: str) -> str:
        """The first value as text, or ''."""
        return next(iter(self.texts(keyword)), "")

    def number(self, keyword: str) -> float | None:
        """The first value; MalformedInput if it isn't a finite number."""
        if keyword not in self.values:
            return None
        value = self.values[keyword][0]
        if isinstance(value, str) or not math.isfinite(value):
            raise MalformedInput(f"{keyword} isn't a number.")
        return value

    def numbers(self, keyword: str, count: int) -> tuple[float, ...] | None:
        """Exactly `count` finite numbers, MalformedInput otherwise; None if the attribute is absent."""
        if keyword not in self.values:
            return None
        values = tuple(value for value in self.values[keyword] if not isinstance(value, str) and math.isfinite(value))
        if len(values) != count or len(self.values[keyword]) != count:
            raise MalformedInput(f"{keyword} isn't {count} numbers.")
        return values

    def integer(self, keyword: str, default: int | None = None) -> int:
        """A whole number from 0 up; MalformedInput without one, unless there is a default."""
        value = self.number(keyword)
        if value is None and default is not None:
            return default
        if value is None or value < 0 or value != int(value):
            raise MalformedInput(f"{keyword} is missing or no whole number.")
        return int(value)


def instance_header(dataset: Dataset, memo: Memo) -> Header:
    """What holds for the instance as a whole. memo: of the instances before it, most of whose values are the same."""
    return Header(_allowed(dataset, memo))


def frame_headers(dataset: Dataset, instance: Header, frames: int, memo: Memo) -> list[Header]:
    """One header for each frame. MalformedInput if functional groups don't match the frames."""
    per_frame = dataset.get(PER_FRAME)
    if not per_frame:
        return [instance] * frames
    if len(per_frame) != frames:
        raise MalformedInput(f"{len(per_frame)} items in {PER_FRAME} for {frames} frames.")
    common = dict(instance.values)
    for item in dataset.get(SHARED) or ():
        common |= _grouped(item, memo)
    return [Header(common | _grouped(item, memo)) for item in per_frame]


def patient_key(dataset: Dataset) -> str:
    """The same text for the same patient, '' if the header doesn't say who it is."""
    for keyword in PATIENT:
        element = dataset.get_item(keyword)
        if element is not None and isinstance(element.value, bytes) and (name := element.value.strip(b" \0^")):
            return hashlib.sha256(name).hexdigest()
    return ""


def _grouped(item: Dataset, memo: Memo) -> dict[str, tuple[Value, ...]]:
    values: dict[str, tuple[Value, ...]] = {}
    for name in GROUPS:
        for group in item.get(name) or ():
            values |= _allowed(group, memo)
    return values


def _allowed(dataset: Dataset, memo: Memo) -> dict[str, tuple[Value, ...]]:
    values = {}
    for tag in dataset.keys() & _ALLOWED_TAGS.keys():
        keyword = _ALLOWED_TAGS[tag]
        try:
            plain = _read(dataset, tag, memo)
        except Exception:  # pydicom's converters raise whatever they stumble on, and quote the value
            raise MalformedInput(f"{keyword} can't be read.") from None
        if plain:
            values[CLASSIC_NAMES.get(keyword, keyword)] = plain
    return values


def _read(dataset: Dataset, tag: BaseTag, memo: Memo) -> tuple[Value, ...]:
    element = dataset.get_item(tag)
    if not isinstance(element, RawDataElement):
        return _plain(dataset[tag].value)
    written = (tag, element.VR, element.value, element.is_little_endian, str(dataset.original_character_set))
    if written not in memo:
        memo[written] = _plain(dataset[tag].value)
    return memo[written]


def _plain(value: object) -> tuple[Value, ...]:
    if isinstance(value, bytes):  # US or SS, as implicit VR leaves it (PixelPaddingValue)
        return (float(int.from_bytes(value, "little")),)
    values = value if isinstance(value, MultiValue | list | tuple) else (value,)
    return tuple(
        float(item) if isinstance(item, int | float) else str(item).strip() for item in values if item not in (None, "")
    )
