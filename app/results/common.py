"""What all result objects share: patient and study, equipment, and UIDs that depend only on their content.

The same answer always gives the same bytes. Dates are the answer's. UIDs are name-based UUIDs (RFC 9562 section 5.5,
PS3.5 B.2); the name of the SOPInstanceUID is the digest of everything else in the object.
"""

import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
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
from pydicom.valuerep import DA, DT, TM, format_number_as_ds

from app.contract.version import VERSION
from app.results.codes import STANDARD, Codes
from app.results.colour_scale import full_brightness
from data_prep.volume import FloatArray, Volume

Kind = Literal["sr", "map", "key-image"]

NOTICE = "Research use only, not for diagnosis"
MANUFACTURER = "Cruciate"
NAMESPACE = uuid.UUID("5b2e6f0c-6d0a-5c1f-9a53-3c0f5d6b8e41")
# Used instead of the SOPInstanceUID while the digest of the content is computed.
NO_UID = "2.25.0"
# Larger than the numbers that scanners give, so that results are last in a study's list.
SERIES_NUMBERS: dict[Kind, int] = {"sr": 9001, "map": 9002, "key-image": 9003}
# The longest LO and ST (PS3.5 6.2).
LONG_STRING, SHORT_TEXT = 64, 1024


def uid(*name: object) -> str:
    """A UID that depends only on the name."""
    return f"2.25.{uuid.uuid5(NAMESPACE, '/'.join(map(str, name))).int}"


@dataclass(frozen=True, eq=False)
class Result:
    """An answered study.

    Attributes:
        answer: The answer that `app.jobs.answer.done` makes.
        origins: `Selection.origins`, one for each slice.
        volume: The volume that was predicted on.
        codes: The codes to use.
    """

    answer: dict[str, Any]
    origins: tuple[Dataset, ...]
    volume: Volume
    codes: Codes = STANDARD

    @property
    def created(self) -> datetime:
        """When the study was accepted, in UTC."""
        return datetime.fromisoformat(self.answer["created"])

    @property
    def strongest(self) -> int:
        """The index of the slice that contributes most to the explained class."""
        slices: list[dict[str, Any]] = self.answer["explanation"]["slices"]
        return int(max(slices, key=lambda one: one["contribution"])["index"])

    def full_brightness(self, values: FloatArray) -> float:
        """The value that is shown at full brightness in `values`, the explained class's map."""
        full = full_brightness(self.answer, self.answer["explanation"]["class"], self.volume.spacing_mm)
        return max(float(values.max()), 0.0) if full is None else full

    @property
    def laterality(self) -> str:
        """L, R or empty, as General Series requires for a paired part of the body (PS3.3 C.7.3.1)."""
        return "" if self.volume.laterality == "unknown" else self.volume.laterality

    @property
    def model(self) -> str:
        """The bundle's name, as a DICOM text."""
        return str(self.answer["bundle"]["name"]).replace("\\", "/")[:LONG_STRING]

    @cached_property
    def images(self) -> tuple[Dataset, ...]:
        """The images that were predicted on, with their position in space.

        Frames of a multi-frame instance have the same form as classic instances.
        """
        _, rows, columns = self.volume.shape
        # If the headers have no frame of reference, the volume gets its own.
        own = uid("frame of reference", self.volume.series_uid)
        shared = {
            "Rows": rows,
            "Columns": columns,
            "PixelSpacing": _decimal(self.volume.spacing_mm[1:]),
            "ImageOrientationPatient": _decimal(self.volume.directions.ravel()),
            "SliceThickness": self.origins[0].get("SliceThickness", format_number_as_ds(self.volume.spacing_mm[0])),
            "FrameOfReferenceUID": self.origins[0].get("FrameOfReferenceUID", own),
            # highdicom's warnings quote unusual names, so names are empty here. `finish` restores them.
            "PatientName": "",
            "ReferringPhysicianName": "",
        }
        placed = zip(self.origins, self.volume.positions_mm, strict=True)
        return tuple(changed(source, **shared, ImagePositionPatient=_decimal(position)) for source, position in placed)

    def series(self, kind: Kind) -> dict[str, Any]:
        """The arguments of every object's constructor about its series and its equipment."""
        created = self.created
        return {
            "series_instance_uid": uid("series", kind, self.answer["id"]),
            "series_number": SERIES_NUMBERS[kind],
            "series_date": DA(created.date()),
            "series_time": TM(created.time()),
            "series_description": f"Cruciate {kind}: {NOTICE}",
            "sop_instance_uid": NO_UID,
            "instance_number": 1,
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


def changed(dataset: Dataset, **values: Any) -> Dataset:
    """A copy with other values. Elements are shared with the original, so they are replaced, never modified."""
    fresh = Dataset()
    for keyword, value in values.items():
        setattr(fresh, keyword, value)
    return Dataset(dict(dataset.items()) | dict(fresh.items()))


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


def finish(dataset: SOPClass, result: Result) -> bytes:
    """The object as a file (PS3.10). Values that would differ the next time are made the same first."""
    dataset.copy_patient_and_study_information(result.origins[0])
    created = result.created
    dataset.InstanceCreationDate, dataset.InstanceCreationTime = DA(created.date()), TM(created.time())
    dataset.ContentQualification = "RESEARCH"
    for item in dataset.ContributingEquipmentSequence:
        if "ContributionDateTime" in item:
            item.ContributionDateTime = DT(created.strftime("%Y%m%d%H%M%S+0000"))
    name = uid("instance", hashlib.sha256(_file(dataset)).hexdigest())
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = UID(name)
    return _file(dataset)


def _file(dataset: Dataset) -> bytes:
    stream = BytesIO()
    dcmwrite(stream, dataset, enforce_file_format=True)
    return stream.getvalue()


def _decimal(values: Any) -> list[str]:
    return [format_number_as_ds(float(value)) for value in values]
