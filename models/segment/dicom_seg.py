"""A segmenter's labels as a DICOM Segmentation (PS3.3 A.51) of the series that they were made from.

It has a binary segment for each structure, as a person in a viewer corrects them. Its series is always the same one of
the original series and the segmenter; the instance also depends on the time, which `SOURCE_DATE_EPOCH` (seconds since
1970, reproducible-builds.org) sets.
"""

import hashlib
import os
import uuid
import warnings
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from highdicom import AlgorithmIdentificationSequence
from highdicom.seg import Segmentation, SegmentationTypeValues, SegmentDescription
from highdicom.sr import CodedConcept
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import MRImageStorage
from pydicom.valuerep import DA, DT, TM

from data_prep.dicom.placed import changed, placed
from data_prep.selection.series import Selection
from models.segment.segmented import Labels

NAMESPACE = uuid.UUID("0d7d1d3e-5d0b-5a54-8f0e-5b8a4f5c2d11")  # so that these UIDs differ from others made from names
MANUFACTURER = "Cruciate"
NOTICE = "Proposal of a network, to be corrected. Research use only."
# After the scanner's series.
SERIES_NUMBER = 9100
# SNOMED CT's codes, as DICOM's context groups list them (PS3.16); private ones where none could be verified.
CODES = {
    "acl": ("ACL", "99CRUCIATE", "Anterior cruciate ligament"),
    "pcl": ("PCL", "99CRUCIATE", "Posterior cruciate ligament"),
    "femur": ("71341001", "SCT", "Femur"),
    "tibia": ("12611008", "SCT", "Tibia"),
    "patella": ("64234005", "SCT", "Patella"),
    "fibula": ("87342007", "SCT", "Fibula"),
    "menisci": ("74135004", "SCT", "Meniscus"),
    "cartilage": ("309312004", "SCT", "Cartilage"),
}


def write_segmentation(
    path: Path, labels: Labels, structures: Sequence[str], selection: Selection, name: str, sha256: str
) -> None:
    """Write the labels of a series.

    Args:
        path: The file.
        labels: `[S, R, C]`, 0 for the background or 1 + the index into `structures`; not all 0.
        structures: Their names.
        selection: The series.
        name: The segmenter's bundle.
        sha256: The segmenter's digest.

    Raises:
        OSError: The file can't be written.
    """
    shown = [index for index in range(len(structures)) if (labels == 1 + index).any()]
    segments = [_segment(number, structures[index], name, sha256) for number, index in enumerate(shown, start=1)]
    numbers = np.zeros(1 + len(structures), np.uint8)
    numbers[[1 + index for index in shown]] = range(1, 1 + len(shown))
    content = hashlib.sha256(labels.tobytes()).hexdigest()
    created = _now()
    series = selection.volume.series_uid
    with warnings.catch_warnings(action="ignore"):  # of odd names in headers, which are quoted
        dataset = Segmentation(
            # With the classic SOP class, highdicom accepts a frame of an enhanced instance like a classic instance.
            source_images=[changed(one, SOPClassUID=MRImageStorage) for one in _images(selection)],
            pixel_array=numbers[labels],
            segmentation_type=SegmentationTypeValues.BINARY,
            segment_descriptions=segments,
            series_instance_uid=_uid("series", series, sha256),
            series_number=SERIES_NUMBER,
            series_description=f"{MANUFACTURER} proposal: research use only",
            sop_instance_uid=_uid("instance", series, sha256, content, created.isoformat()),
            instance_number=1,
            manufacturer=MANUFACTURER,
            manufacturer_model_name=name[:64],
            software_versions=sha256,
            device_serial_number=sha256,
            content_label="PROPOSAL",
            content_date=DA(created.date()),
            content_time=TM(created.time()),
            content_description=NOTICE,
        )
        with closing(dataset._db_con):  # it has no public way to be closed
            dataset.copy_patient_and_study_information(selection.origins[0])
            dataset.InstanceCreationDate, dataset.InstanceCreationTime = DA(created.date()), TM(created.time())
            dataset.TimezoneOffsetFromUTC = "+0000"
            for item in dataset.ContributingEquipmentSequence:  # highdicom names itself, and the moment
                item.ContributionDateTime = DT(created.strftime("%Y%m%d%H%M%S"))
            for item in (*dataset.DimensionOrganizationSequence, *dataset.DimensionIndexSequence):
                item.DimensionOrganizationUID = _uid("dimensions", series, sha256)
            dataset.save_as(path, enforce_file_format=True)


def _now() -> datetime:
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    return datetime.now(UTC) if epoch is None else datetime.fromtimestamp(int(epoch), UTC)


def _images(selection: Selection) -> tuple[Dataset, ...]:
    volume = selection.volume
    return placed(selection.origins, volume, _uid("frame of reference", volume.series_uid))


def _segment(number: int, structure: str, name: str, sha256: str) -> SegmentDescription:
    return SegmentDescription(
        segment_number=number,
        segment_label=structure,
        segmented_property_category=codes.SCT.AnatomicalStructure,
        segmented_property_type=CodedConcept(*CODES[structure]),
        algorithm_type="AUTOMATIC",
        algorithm_identification=AlgorithmIdentificationSequence(
            name=name[:64], family=codes.DCM.ArtificialIntelligence, version=sha256[:64], source=MANUFACTURER
        ),
    )


def _uid(*name: str) -> str:
    return f"2.25.{uuid.uuid5(NAMESPACE, '/'.join(name)).int}"
