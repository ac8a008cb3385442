"""The note that tells an archive that results are no longer valid: a Key Object Selection (PS3.3 A.35.4, PS3.16 TID
2010) by IHE's profile Imaging Object Change Management (IOCM), transaction Rejection Note Stored (RAD-66). Its sections
are numbered as in the Radiology Technical Framework, volume 3 of 2017; later editions have it in volume 2. What they
require of archives is quoted in issue 1451 of dcm4che/dcm4chee-arc-light.

Its title is (113037, DCM, "Rejected for Patient Safety Reasons"). IOCM has two titles that could fit. After "Rejected
for Quality Reasons" (113001), an archive or a viewer may hide the rejected objects, mark them, or go on showing them:
the site chooses. After "Rejected for Patient Safety Reasons" it must hide them, and an archive must not accept them
again (4.66.4.2.3.1). A result that was made without a part of its series needs that: it may call a torn ligament
healthy, and it looks as valid as the result that replaces it.

The other titles don't fit: "Incorrect Modality Worklist Entry" (113038) is about another patient or order, and "Data
Retention Policy Expired" (113039) lets an archive delete what its own policy may have it keep. What this service keeps
for a shorter time than the archive isn't the archive's matter, so nothing is sent when results expire here.

The note is sent after the new results (app/delivery). IOCM leaves the order open; this one never leaves a study without
a valid result while a target can't be reached. The note is never sent before the objects that it rejects: some archives
take a note only for objects that they hold.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from highdicom.ko import KeyObjectSelection, KeyObjectSelectionDocument
from highdicom.sr import CodedConcept
from pydicom.dataset import Dataset
from pydicom.uid import UID, ParametricMapStorage, SegmentationStorage
from pydicom.valuerep import DA, TM

from app.contract.version import VERSION
from app.results.common import (
    MANUFACTURER,
    NO_UID,
    NOTE_NUMBER,
    NOTICE,
    SERIES_OF_A_RESULT,
    Site,
    local_time,
    sealed,
    uid,
)
from app.store.superseding import Reference
from data_prep.dicom.part10 import IMAGE_STORAGE
from data_prep.dicom.placed import changed

TITLE = CodedConcept("113037", "DCM", "Rejected for Patient Safety Reasons")
# Image storage classes whose names don't say so.
IMAGES = (ParametricMapStorage, SegmentationStorage)


@dataclass(frozen=True)
class Rejection:
    """A result that is no longer valid.

    Attributes:
        prediction: Its id.
        number: Which result of its study and bundle it is.
        superseded_by: Id of the prediction that replaces it.
        superseded: When it was replaced: UTC, ISO 8601.
        origin: The origin of a slice of the study (`data_prep.dicom.origin`).
        objects: Its DICOM objects, at least one.
        site: The site's choices.
    """

    prediction: str
    number: int
    superseded_by: str
    superseded: str
    origin: Dataset
    objects: Sequence[Reference]
    site: Site


def rejection_note(rejected: Rejection) -> bytes:
    """Make the note. The same input always gives the same bytes.

    Returns:
        The bytes of a DICOM file.
    """
    created = local_time(rejected.superseded, rejected.origin, rejected.site)
    objects = [_evidence(one, rejected.origin) for one in rejected.objects]
    reason = f"A later result of this study replaces these objects: prediction {rejected.superseded_by}. {NOTICE}."
    dataset = KeyObjectSelectionDocument(
        evidence=objects,
        content=KeyObjectSelection(TITLE, objects, description=reason),
        series_instance_uid=uid("series", "rejection note", rejected.prediction),
        series_number=NOTE_NUMBER + SERIES_OF_A_RESULT * (rejected.number - 1),
        series_description=f"Cruciate rejection note: {NOTICE}",
        series_date=DA(created.date()),
        series_time=TM(created.time()),
        sop_instance_uid=NO_UID,
        instance_number=1,
        content_date=DA(created.date()),
        content_time=TM(created.time()),
        manufacturer=MANUFACTURER,
        software_versions=VERSION,
    )
    return sealed(dataset, rejected.origin, created)


def _evidence(one: Reference, origin: Dataset) -> Dataset:
    """An object as highdicom wants it. `sealed` restores the names, which are empty here: its warnings quote them."""
    item = changed(
        origin,
        SOPClassUID=one.sop_class_uid,
        SeriesInstanceUID=one.series_uid,
        SOPInstanceUID=one.sop_uid,
        PatientName="",
        ReferringPhysicianName="",
    )
    name = UID(one.sop_class_uid).name
    if IMAGE_STORAGE in name or one.sop_class_uid in IMAGES:
        item.Rows = item.Columns = 1  # highdicom tells images from other objects by these
    return item
