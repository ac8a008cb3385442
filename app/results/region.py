"""Segmentations (PS3.3 A.51) of one binary segment in the volume's grid: the region above the threshold, the ligament.

They have a frame for each slice with a part of the segment, in order along the normal.
"""

from contextlib import closing
from typing import Any

import numpy as np
import numpy.typing as npt
from highdicom import AlgorithmIdentificationSequence
from highdicom.color import CIELabColor
from highdicom.seg import SegmentationTypeValues, SegmentDescription
from highdicom.seg.sop import Segmentation
from highdicom.sr import CodedConcept
from pydicom.sr.codedict import codes as standard
from pydicom.sr.coding import Code
from pydicom.uid import MRImageStorage

from app.contract.masks import drawn
from app.contract.schemas import SliceMask
from app.contract.version import VERSION
from app.results.common import LONG_STRING, MANUFACTURER, NOTICE, Result, finish, name_sources
from app.results.evidence import Evidence
from app.results.parametric_map import put_frames
from data_prep.dicom.placed import changed

# The colour of the heatmap between threshold and full brightness.
ORANGE = (249, 142, 8)
# Neither a colour of the heatmap nor that of a reader's drawing.
GREEN = (60, 220, 90)
SEGMENT = 1
# CID 7203; `codes.DCM.Segmentation` is the modality.
DERIVATION = Code("113076", "DCM", "Segmentation")
TRACKED, FOUND = "ACL evidence region", "ACL found by the localiser"


def region(result: Result, evidence: Evidence) -> bytes:
    """Make the Segmentation of the region.

    Args:
        result: The answered study.
        evidence: The explained class's map; it must have a region.

    Returns:
        The bytes of a DICOM file.
    """
    return segmentation(result, evidence.region, _segment(result, evidence), "REGION", result.series("seg"))


def ligament(result: Result) -> bytes | None:
    """Make the Segmentation of the ligament that the bundle's localiser found.

    Args:
        result: The answered study.

    Returns:
        The bytes of a DICOM file; None if the bundle has no localiser, or it found nothing that can be a ligament.
    """
    localisation = result.answer["study"].get("localisation")
    if not localisation or not localisation.get("mask"):
        return None
    mask = drawn([SliceMask(**one) for one in localisation["mask"]], result.volume.shape)
    return segmentation(result, mask, _ligament(result), "LIGAMENT", result.series("ligament"))


def segmentation(
    result: Result, mask: npt.NDArray[np.bool_], segment: SegmentDescription, label: str, series: dict[str, Any]
) -> bytes:
    """A Segmentation of one segment in the volume's grid.

    Args:
        result: The answered study.
        mask: The segment, `[slices, rows, columns]`; not empty.
        segment: What it is.
        label: The ContentLabel.
        series: What the constructor is told of series and equipment (`Result.series`).

    Returns:
        The bytes of a DICOM file.
    """
    shown = np.flatnonzero(mask.any(axis=(1, 2)))
    dataset = Segmentation(
        # With the classic SOP class, highdicom accepts a frame of an enhanced instance like a classic instance.
        source_images=[changed(image, SOPClassUID=MRImageStorage) for image in result.images],
        pixel_array=mask,
        segmentation_type=SegmentationTypeValues.BINARY,
        segment_descriptions=[segment],
        content_label=label,
        content_description=NOTICE,
        **series,
    )
    with closing(dataset._db_con):  # as in parametric_map
        # The side is in the segment: General Series' Laterality is for images of the patient (PS3.3 C.7.3.1).
        images = [result.images[index] for index in shown]
        name_sources(dataset, result.images)
        put_frames(dataset, images, DERIVATION, SEGMENT)
        dataset.PixelData = _packed(mask[shown])
        return finish(dataset, result)


def meaning(result: Result, evidence: Evidence) -> str:
    """What the region is, in a sentence that names the threshold; or why there is none."""
    bounds, name = evidence.bounds, result.answer["explanation"]["class"]
    if bounds.threshold is None:
        return f"The bundle has no colour scale for {name!r}, so no threshold is known and no region was made."
    threshold = f"{bounds.density(bounds.threshold):.3g} logit/mm2"
    if not evidence.has_region:
        return f"No region above the threshold: the evidence for {name!r} is nowhere {threshold} or more."
    return f"The region is where the evidence for {name!r} is {threshold} or more."


def _segment(result: Result, evidence: Evidence) -> SegmentDescription:
    label = f"Evidence for {result.answer['explanation']['class']}"[:LONG_STRING]
    category, kind = standard.SCT.SpatialAndRelationalConcept, result.codes.region
    segment = _described(result, label, category, kind, TRACKED, ORANGE)
    segment.SegmentDescription = f"{meaning(result, evidence)} {NOTICE}."
    return segment


def _ligament(result: Result) -> SegmentDescription:
    label, category = "Ligament, found by the localiser", standard.SCT.AnatomicalStructure
    segment = _described(result, label, category, result.codes.ligament, FOUND, GREEN)
    segment.SegmentDescription = f"The model predicts on a crop around it. {NOTICE}."
    return segment


def _described(
    result: Result, label: str, category: Code, kind: CodedConcept, tracked: str, colour: tuple[int, int, int]
) -> SegmentDescription:
    tracking_uid, tracking_id = result.tracking(tracked)
    segment = SegmentDescription(
        segment_number=SEGMENT,
        segment_label=label,
        segmented_property_category=category,
        segmented_property_type=kind,
        algorithm_type="AUTOMATIC",
        algorithm_identification=AlgorithmIdentificationSequence(
            name=f"{MANUFACTURER} {result.model}"[:LONG_STRING],
            family=standard.DCM.ArtificialIntelligence,
            version=VERSION,
            source=MANUFACTURER,
            parameters={"bundle": result.answer["bundle"]["sha256"]},
        ),
        tracking_uid=tracking_uid,
        tracking_id=tracking_id,
        anatomic_regions=[result.codes.finding_site],
        display_color=CIELabColor.from_rgb(*colour),
    )
    if side := result.codes.side(result.volume.laterality):
        segment.AnatomicRegionSequence[0].AnatomicRegionModifierSequence = [side]
    return segment


def _packed(frames: npt.NDArray[np.bool_]) -> bytes:
    """Frames as bits without gaps, the first one lowest, and of even length (PS3.5 8.1.1)."""
    content = np.packbits(frames, bitorder="little").tobytes()
    return content + b"\0" * (len(content) % 2)
