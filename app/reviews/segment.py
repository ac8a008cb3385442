"""The ligament that a reader drew, as a DICOM Segmentation of its own series in the study."""

from highdicom.color import CIELabColor
from highdicom.seg import SegmentDescription
from pydicom.sr.codedict import codes as standard

from app.contract.masks import Mask
from app.contract.reviews import Review
from app.results.common import LONG_STRING, NOTICE, Result, uid
from app.results.region import SEGMENT, segmentation

# A colour that the heatmap hasn't.
CYAN = (0, 200, 220)
# After those of results (`app.results.common.SERIES_NUMBERS`).
SERIES_NUMBER = 9007


def segment(result: Result, review: Review, mask: Mask) -> bytes:
    """Make the Segmentation.

    Args:
        result: The answered study.
        review: The review.
        mask: What it shows, bool `[slices, rows, columns]`; not empty.

    Returns:
        The bytes of a DICOM file.
    """
    series = result.series("seg") | {
        "series_instance_uid": uid("series", "review", review.id),
        "series_number": SERIES_NUMBER,
        "series_description": f"Cruciate review: {NOTICE}",
        "content_creator_name": person(review.reader),
    }
    return segmentation(result, mask, _described(result, review), "LIGAMENT", series)


def person(reader: str) -> str:
    """A reader as a DICOM name of a person (PN): the name of the key or user; empty if nobody was asked."""
    name = reader.partition(" ")[2].replace("\\", "/").replace("^", " ").replace("=", " ")
    return f"{name[: LONG_STRING - 1]}^" if name else ""  # the caret says that it is one component


def _described(result: Result, review: Review) -> SegmentDescription:
    described = SegmentDescription(
        segment_number=SEGMENT,
        segment_label="Ligament, drawn by a reader",
        segmented_property_category=standard.SCT.AnatomicalStructure,
        segmented_property_type=result.codes.ligament,
        algorithm_type="MANUAL",
        tracking_uid=uid("tracking", result.volume.series_uid, "ligament", review.id),
        tracking_id="ACL drawn by a reader",
        anatomic_regions=[result.codes.finding_site],
        display_color=CIELabColor.from_rgb(*CYAN),
    )
    if side := result.codes.side(review.laterality or result.volume.laterality):
        described.AnatomicRegionSequence[0].AnatomicRegionModifierSequence = [side]
    return described
