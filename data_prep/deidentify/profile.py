"""What is kept of a data set, and how: the basic application level confidentiality profile (PS3.15 table E.1-1).

The table comes from dicom-anonymizer, edition 2026c. Of the attributes that it doesn't list, which the profile would
keep, only those of `KEPT` are kept here: others may hold free text, and nothing reads them.
"""

from enum import Enum

from dicomanonymizer.dicomfields_selector import dicom_anonymization_database_selector  # type: ignore[import-untyped]
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.valuerep import VR

from data_prep.dicom.header import ALLOWED, PATIENT, PER_FRAME, REPEATED, SHARED

EDITION = "dicomfields_2026c"
# Attributes that viewers and archives need besides those that Cruciate reads.
FOR_VIEWERS = (
    *("WindowCenter", "WindowWidth", "VOILUTFunction", "RescaleType", "PresentationLUTShape", "PixelPresentation"),
    *("PatientPosition", "PatientOrientation", "SliceLocation", "PlanarConfiguration", "NumberOfTemporalPositions"),
    *("MRAcquisitionType", "NumberOfAverages", "ImagingFrequency", "ImagedNucleus", "ResonantNucleus", "FlipAngle"),
    *("EchoTrainLength", "NumberOfPhaseEncodingSteps", "AcquisitionMatrix", "InPlanePhaseEncodingDirection"),
    *("PercentSampling", "PercentPhaseFieldOfView", "PixelBandwidth", "ReconstructionDiameter", "SAR"),
    *("VolumetricProperties", "VolumeBasedCalculationTechnique", "ContentQualification", "ContentDate", "ContentTime"),
    *("SeriesDate", "SeriesTime", "InstanceCreationDate", "InstanceCreationTime", "FrameAcquisitionDateTime"),
    *("FrameReferenceDateTime", "DimensionIndexValues", "InStackPositionNumber", "StackID", "FrameAcquisitionDuration"),
    *("DimensionOrganizationUID", "DimensionIndexPointer", "FunctionalGroupPointer"),
)
# Sequences at the top of a data set; within them every sequence of the standard is kept that the table doesn't remove.
SEQUENCES = (SHARED, PER_FRAME, "DimensionOrganizationSequence", "DimensionIndexSequence")
# Free text of which the words that Cruciate understands are kept.
DESCRIPTIONS = frozenset(
    {
        *("StudyDescription", "SeriesDescription", "ProtocolName", "SequenceName", "PulseSequenceName"),
        "BodyPartExamined",
    }
)


class Rule(Enum):
    """What happens to the value of an attribute."""

    EMPTY = "empty"
    UID = "another UID of the same instance"
    PATIENT = "pseudonym"
    DESCRIPTION = "known words only"
    MANUFACTURER = "known manufacturers only"
    DATE = "moved"
    TIME = "kept if it is a time"
    CODE = "known words of codes only"
    NUMBER = "kept if it is a number"
    BINARY = "kept if they are as many and as large as they may be"


NUMBERS = {VR.US, VR.SS, VR.UL, VR.SL, VR.FL, VR.FD, VR.AT, VR.US_SS}
BY_VR = (
    {VR.CS: Rule.CODE, VR.DS: Rule.NUMBER, VR.IS: Rule.NUMBER, VR.TM: Rule.TIME, VR.DA: Rule.DATE, VR.DT: Rule.DATE}
    | {VR.UI: Rule.NUMBER}  # of a class or an encoding: the table lists all others
    | dict.fromkeys(NUMBERS, Rule.BINARY)
)
# Free text that must be there but may be empty (type 2).
EMPTIED = frozenset({"PositionReferenceIndicator"})
_TABLE = {
    tag[0] << 16 | tag[1]: category
    for category, tags in dicom_anonymization_database_selector(EDITION).items()
    if category != "ALL_TAGS"
    for tag in tags
    if len(tag) == 2
}
_EMPTIED_BY_TABLE, _REPLACED_UIDS = frozenset({"Z_TAGS", "Z_D_TAGS"}), "U_TAGS"


def removes(tag: int) -> bool:
    """Whether the table has a row for an attribute, so that nothing of it stays as it was."""
    return tag in _TABLE


def _rule(keyword: str, tag: int) -> Rule | None:
    """None if the attribute is removed."""
    representation, category = dictionary_VR(tag), _TABLE.get(tag)
    if keyword in DESCRIPTIONS:
        return Rule.DESCRIPTION
    if keyword in PATIENT:
        return Rule.PATIENT
    if keyword == "Manufacturer":
        return Rule.MANUFACTURER
    if category == _REPLACED_UIDS:
        return Rule.UID
    if representation in (VR.DA, VR.DT, VR.TM) and keyword != "PatientBirthDate":
        return BY_VR[VR(representation)]
    if category in _EMPTIED_BY_TABLE or keyword in EMPTIED:
        return Rule.EMPTY
    return BY_VR.get(VR(representation)) if category is None and representation != VR.SQ else None


def _rules(*keywords: str) -> dict[int, Rule]:
    tags = {keyword: tag_for_keyword(keyword) for keyword in keywords}
    found = {tag: _rule(keyword, tag) for keyword, tag in tags.items() if tag is not None}
    return {tag: rule for tag, rule in found.items() if rule is not None}


KEPT = _rules(*ALLOWED, *PATIENT, *REPEATED, *FOR_VIEWERS, "StudyID", "PerformedProcedureStepStartDate")
TOP_SEQUENCES = frozenset(tag for keyword in SEQUENCES if (tag := tag_for_keyword(keyword)) is not None)
