"""What all result objects share: patient and study, equipment, and UIDs that depend only on their content.

The same answer always gives the same bytes. Dates are the answer's. UIDs are name-based UUIDs (RFC 9562 section 5.5,
PS3.5 B.2); the name of the SOPInstanceUID is the digest of everything else in the object.
"""

import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import cached_property
from io import BytesIO
from typing import Any, Literal

from highdicom import ContributingEquipment
from highdicom.base import SOPClass
from highdicom.sr import CodedConcept
from pydicom.dataset import Dataset
from pydicom.filewriter import dcmwrite
from pydicom.sr.codedict import codes as standard
from pydicom.uid import UID
from pydicom.valuerep import DA, DT, TM

from app.contract.version import VERSION
from app.results.codes import STANDARD, Codes
from app.results.colour_scale import bounds
from app.results.evidence import Evidence, Points
from app.results.request import name_request
from data_prep.dicom.placed import placed
from data_prep.selection.missing import MISSING_SLICES
from data_prep.volume import FloatArray, Volume

# Report, segmentation of the region, a picture of each slice, map, key image, the slices by themselves, segmentation of
# the ligament.
Kind = Literal["sr", "seg", "overlay", "map", "key-image", "slices", "ligament"]
KINDS: tuple[Kind, ...] = ("sr", "seg", "overlay", "map", "key-image", "slices", "ligament")
# The kinds that have an object for each slice.
OF_EACH_SLICE: tuple[Kind, ...] = ("overlay", "slices")

NOTICE = "Research use only, not for diagnosis"
MANUFACTURER = "Cruciate"
NAMESPACE = uuid.UUID("5b2e6f0c-6d0a-5c1f-9a53-3c0f5d6b8e41")
# Used instead of the SOPInstanceUID while the digest of the content is computed.
NO_UID = "2.25.0"
# Larger than the numbers that scanners give, so that results are last in a study's list.
_NUMBERED: tuple[Kind, ...] = ("sr", "map", "key-image", "overlay", "seg", "slices")
SERIES_NUMBERS = {kind: number for number, kind in enumerate(_NUMBERED, start=9001)}
# 9007 is for the ligament that a reader drew (`app.reviews.segment`).
SERIES_NUMBERS["ligament"] = 9008
# Each result of a study has ten numbers of its own. The first of them, 9000, is for the note that rejects the result.
NOTE_NUMBER, SERIES_OF_A_RESULT = 9000, 10
# The longest LO and ST (PS3.5 6.2).
LONG_STRING, SHORT_TEXT = 64, 1024


def uid(*name: object) -> str:
    """A UID that depends only on the name."""
    return f"2.25.{uuid.uuid5(NAMESPACE, '/'.join(map(str, name))).int}"


@dataclass(frozen=True)
class Site:
    """What a site chooses for its results.

    Attributes:
        codes: The codes to use.
        zone: The time zone of dates and times, if the images name none. DICOM has one offset for all times of an
            object, so it should be the scanners' zone.
        kinds: The kinds of objects that are stored beside a study and sent.
    """

    codes: Codes = STANDARD
    zone: tzinfo = UTC
    kinds: tuple[Kind, ...] = KINDS


@dataclass(frozen=True, eq=False)
class Answered:
    """An answer with what results repeat of its slices, without pixels.

    Attributes:
        answer: The answer that `app.jobs.answer.done` makes.
        origins: `Selection.origins`, one for each slice.
        site: The site's choices.
        number: Which result of this study and bundle it is. From 2 on, it replaces others.
        predecessors: The reports that it replaces: their study, series, class and instance.
    """

    answer: dict[str, Any]
    origins: tuple[Dataset, ...]
    site: Site = field(default=Site(), kw_only=True)
    number: int = field(default=1, kw_only=True)
    predecessors: tuple[Dataset, ...] = field(default=(), kw_only=True)

    @property
    def codes(self) -> Codes:
        """The codes to use."""
        return self.site.codes

    @property
    def zone(self) -> tzinfo:
        """The images' time zone, or the site's if they name none."""
        return zone_of(self.origins[0], self.site)

    @property
    def created(self) -> datetime:
        """When the study was accepted, in the images' time zone, or in the site's if they name none."""
        return local_time(self.answer["created"], self.origins[0], self.site)

    @property
    def model(self) -> str:
        """The bundle's name, as a DICOM text."""
        return str(self.answer["bundle"]["name"]).replace("\\", "/")[:LONG_STRING]


@dataclass(frozen=True, eq=False)
class Result(Answered):
    """An answered study.

    Attributes:
        volume: The volume that was predicted on.
    """

    volume: Volume

    @property
    def contributions(self) -> dict[int, float]:
        """The contributions of the slices that the model looks at, by index. That of any other slice is exactly 0."""
        every = {int(one["index"]): float(one["contribution"]) for one in self.answer["explanation"]["slices"]}
        return {index: value for index, value in every.items() if value} or every

    @property
    def strongest(self) -> int:
        """The index of the slice that contributes most to the explained class."""
        return max(self.contributions, key=self.contributions.__getitem__)

    def evidence(self, values: FloatArray) -> Evidence:
        """The evidence in `values`, the explained class's map, float32 `[slices, rows, columns]`."""
        name, peak = self.answer["explanation"]["class"], float(values.max())
        return Evidence(values, bounds(self.answer, name, self.volume.spacing_mm, peak))

    def decisive(self, evidence: Evidence) -> int:
        """The index of the slice to look at: the peak's if there is a region, otherwise the strongest."""
        return evidence.peak[0] if evidence.has_region else self.strongest

    def tracking(self, what: str) -> tuple[str, str]:
        """Tracking UID and identifier of something. They are the same for every model on this series."""
        return uid("tracking", self.volume.series_uid, what), what

    @property
    def missing(self) -> str | None:
        """Why it is known that slices are missing; None if none are known to be."""
        told = (one["message"] for one in self.answer["warnings"] if one["code"] == MISSING_SLICES)
        return next(told, None)

    @property
    def laterality(self) -> str:
        """L, R or empty, as General Series requires for a paired part of the body (PS3.3 C.7.3.1)."""
        return "" if self.volume.laterality == "unknown" else self.volume.laterality

    @cached_property
    def images(self) -> tuple[Dataset, ...]:
        """The images that were predicted on, with their position in space.

        Frames of a multi-frame instance have the same form as classic instances.
        """
        # If the headers have no frame of reference, the volume gets its own.
        return placed(self.origins, self.volume, uid("frame of reference", self.volume.series_uid))

    @property
    def is_among_others(self) -> bool:
        """Whether the original series has other images than those that were predicted on, such as other echoes."""
        others = self.answer["study"]["passed_over"]
        return any(other["series_uid"] == self.volume.series_uid for other in others)

    @property
    def is_placed(self) -> bool:
        """Whether the slices name a frame of reference, so that their positions mean something."""
        return "FrameOfReferenceUID" in self.origins[0]

    def in_patient(self, index: int, pixels: Points) -> Points:
        """Points of a slice in the patient's coordinates, in mm, `[N, 3]` (PS3.3 C.7.6.2.1.1).

        Args:
            index: The slice.
            pixels: Columns and rows, `[N, 2]`; 0, 0 is the centre of the first pixel.
        """
        _, row_mm, column_mm = self.volume.spacing_mm
        placed: Points = self.volume.positions_mm[index] + pixels * (column_mm, row_mm) @ self.volume.directions
        return placed

    def place(self, index: int) -> str:
        """A slice in words, counted from 1."""
        return f"slice {index + 1} of {len(self.volume.voxels)}"

    def series(self, kind: Kind, number: int | None = None) -> dict[str, Any]:
        """The arguments of every object's constructor about its series and its equipment.

        Args:
            kind: The kind of object.
            number: Its number in a series of several objects.
        """
        created = self.created
        return {
            "series_instance_uid": uid("series", kind, self.answer["id"]),
            "series_number": SERIES_NUMBERS[kind] + SERIES_OF_A_RESULT * (self.number - 1),
            "series_date": DA(created.date()),
            "series_time": TM(created.time()),
            "series_description": f"Cruciate {kind}{'' if self.number == 1 else f' {self.number}'}: {NOTICE}",
            "sop_instance_uid": NO_UID,
            "instance_number": self.number if number is None else number,
            "content_date": DA(created.date()),
            "content_time": TM(created.time()),
            "manufacturer": MANUFACTURER,
            "manufacturer_model_name": self.model,
            "software_versions": VERSION,
            "device_serial_number": self.answer["bundle"]["sha256"],
            "contributing_equipment": [self._equipment()],
        }

    def _equipment(self) -> ContributingEquipment:
        bundle = self.answer["bundle"]
        described = f"ACL classification by {bundle['route']}, trained on {bundle['trained_on']}. {NOTICE}."
        return ContributingEquipment(
            MANUFACTURER,
            standard.DCM.ProcessingEquipment,
            manufacturer_model_name=self.model,
            software_versions=(VERSION, bundle["sha256"]),
            contribution_datetime=self.created,
            contribution_description=described[:SHORT_TEXT],
        )


def instances(images: Sequence[Dataset]) -> list[Dataset]:
    """The first image of each instance."""
    found: dict[str, Dataset] = {}
    for image in images:
        found.setdefault(image.SOPInstanceUID, image)
    return list(found.values())


def source_item(image: Dataset) -> Dataset:
    """An item of Source Image Sequence: an instance, and the frame if it is multi-frame (PS3.3 C.7.6.16.2.6)."""
    item = _instance(image)
    if "ReferencedFrameNumber" in image:
        item.ReferencedFrameNumber = image.ReferencedFrameNumber
    item.SpatialLocationsPreserved = "YES"
    item.PurposeOfReferenceCodeSequence = [CodedConcept.from_code(standard.DCM.SourceImageForImageProcessingOperation)]
    return item


def name_sources(dataset: Dataset, images: Sequence[Dataset]) -> None:
    """Set the references of a whole image object (PS3.3 C.7.6.1, C.12.2)."""
    series = Dataset()
    series.SeriesInstanceUID = images[0].SeriesInstanceUID
    series.ReferencedInstanceSequence = [_instance(image) for image in instances(images)]
    dataset.ReferencedSeriesSequence = [series]
    dataset.SourceImageSequence = [source_item(image) for image in images]


def _instance(image: Dataset) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = image.SOPClassUID
    item.ReferencedSOPInstanceUID = image.SOPInstanceUID
    return item


def local_time(utc: str, origin: Dataset, site: Site) -> datetime:
    """A time of ours (ISO 8601) in the images' time zone, or in the site's if they name none."""
    return datetime.fromisoformat(utc).astimezone(zone_of(origin, site))


def zone_of(origin: Dataset, site: Site) -> tzinfo:
    """The images' time zone, or the site's if they name none."""
    sent = origin.get("TimezoneOffsetFromUTC", "")
    return _zone(sent) if sent else site.zone


def finish(dataset: SOPClass, result: Result) -> bytes:
    """The object as a file (PS3.10). Values that would differ the next time are made the same first."""
    return sealed(dataset, result.origins[0], result.created)


def sealed(dataset: SOPClass, origin: Dataset, created: datetime) -> bytes:
    """The same for an object of these patient and study, and this time."""
    dataset.copy_patient_and_study_information(origin)
    name_request(dataset, origin)
    if "InstitutionName" in origin:
        dataset.InstitutionName = origin.InstitutionName
    dataset.InstanceCreationDate, dataset.InstanceCreationTime = DA(created.date()), TM(created.time())
    dataset.TimezoneOffsetFromUTC = created.strftime("%z")
    dataset.ContentQualification = "RESEARCH"
    for item in dataset.ContributingEquipmentSequence:
        if "ContributionDateTime" in item:
            item.ContributionDateTime = DT(created.strftime("%Y%m%d%H%M%S%z"))
    name = uid("instance", hashlib.sha256(_file(dataset)).hexdigest())
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = UID(name)
    return _file(dataset)


def _file(dataset: Dataset) -> bytes:
    stream = BytesIO()
    dcmwrite(stream, dataset, enforce_file_format=True)
    return stream.getvalue()


def _zone(offset: str) -> tzinfo:
    """The zone of an offset such as -0430 (PS3.3 C.12.1.1.8)."""
    minutes = 60 * int(offset[1:3]) + int(offset[3:])
    return timezone(timedelta(minutes=-minutes if offset[0] == "-" else minutes))
