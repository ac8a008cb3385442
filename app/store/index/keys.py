"""The keys that searches match, and the attributes that they return, by Query/Retrieve level (PS3.18 tables 10.6.1-5).

Every key that QIDO-RS requires is here, and further ones of which the service keeps the values anyway.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from functools import cache, cached_property

from pydicom.datadict import dictionary_VR, tag_for_keyword


class Level(IntEnum):
    """Query/Retrieve levels (PS3.4 C.3.2): what a search returns. A patient's attributes belong to the study here."""

    STUDY = 0
    SERIES = 1
    INSTANCE = 2


# The attributes that the service keeps of an instance, by the level that they describe.
PATIENT_AND_STUDY = (
    *("StudyInstanceUID", "StudyDate", "StudyTime", "AccessionNumber", "StudyID", "StudyDescription"),
    *("ReferringPhysicianName", "TimezoneOffsetFromUTC"),
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex"),
)
REQUEST = "RequestAttributesSequence"
SERIES = (
    *("SeriesInstanceUID", "Modality", "SeriesNumber", "SeriesDescription", "SeriesDate", "SeriesTime"),
    *("BodyPartExamined", "Laterality", "PerformedProcedureStepStartDate", "PerformedProcedureStepStartTime"),
    REQUEST,
)
# What is kept of an item of the request attributes.
OF_REQUEST = ("ScheduledProcedureStepID", "RequestedProcedureID")
# Size of each pixel. It is read and checked too, so that every stored instance has whole numbers there.
PIXEL_SIZE = ("SamplesPerPixel", "BitsAllocated")
INSTANCE = (
    *("SOPClassUID", "SOPInstanceUID", "InstanceNumber", "ContentDate", "ContentTime", "ImageType", "ContentLabel"),
    *("NumberOfFrames", "Rows", "Columns"),
    *PIXEL_SIZE,
)
MODALITIES = "ModalitiesInStudy"
# Where a word of a keyword begins.
WORDS = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
# The column of each level's own UID.
UIDS = {"StudyInstanceUID": "uid", "SeriesInstanceUID": "uid", "SOPInstanceUID": "uid"}
# Columns without an index: nobody looks for them alone, or few values are shared by all.
WITHOUT_INDEX = frozenset(
    (
        *("TimezoneOffsetFromUTC", "PatientSex", "Laterality", "ContentTime", "ImageType", "ContentLabel"),
        *("NumberOfFrames", "Rows", "Columns"),
        *PIXEL_SIZE,
    )
)


@dataclass(frozen=True)
class Key:
    """An attribute that a search can match.

    Attributes:
        level: What it describes.
        path: Its keyword; for an attribute in a sequence, the sequence's keyword first.
    """

    level: Level
    path: tuple[str, ...]

    @property
    def keyword(self) -> str:
        """The keyword of the attribute itself."""
        return self.path[-1]

    @property
    def name(self) -> str:
        """Its name in a URL (PS3.18 8.3.4.1), and in messages."""
        return ".".join(self.path)

    @cached_property
    def tags(self) -> str:
        """The same name made of tags."""
        return ".".join(tag(keyword) for keyword in self.path)

    @cached_property
    def vr(self) -> str:
        """Its value representation."""
        return dictionary_VR(self.keyword)

    @property
    def is_folded(self) -> bool:
        """Whether upper and lower case are the same in it: names of people, and descriptions."""
        return self.vr == "PN" or self.keyword.endswith("Description")

    @cached_property
    def column(self) -> str:
        """The name of its column."""
        return UIDS.get(self.keyword) or WORDS.sub("_", self.keyword).lower()

    @property
    def is_indexed(self) -> bool:
        """Whether its column has an index."""
        return self.keyword not in WITHOUT_INDEX


@cache
def tag(keyword: str) -> str:
    """The key of an attribute in a DICOM JSON object (PS3.18 F.2.2). Raises KeyError for an unknown keyword."""
    number = tag_for_keyword(keyword)
    if number is None:
        raise KeyError(keyword)
    return f"{number:08X}"


def _keys(level: Level, keywords: Iterable[str]) -> Iterator[Key]:
    for keyword in keywords:
        if keyword == REQUEST:
            yield from (Key(level, (REQUEST, inner)) for inner in OF_REQUEST)
        else:
            yield Key(level, (keyword,))


# The keys of each level, without those of the levels above.
KEYS: dict[Level, tuple[Key, ...]] = {
    Level.STUDY: tuple(_keys(Level.STUDY, (*PATIENT_AND_STUDY, MODALITIES))),
    Level.SERIES: tuple(_keys(Level.SERIES, SERIES)),
    Level.INSTANCE: tuple(_keys(Level.INSTANCE, INSTANCE)),
}


def keys_for(level: Level) -> list[Key]:
    """The keys that a search of a level can use: its own and those of the levels above."""
    return [key for each in Level if each <= level for key in KEYS[each]]
