"""Slices that are known to be missing although the others have no gap between them.

A gap is refused (`data_prep.selection.whole`). But the first or last slices may be missing, or every second one:

- Headers name more images than are here, in one of `OF_SERIES`. NumberOfSeriesRelatedInstances (0020,1209) is an
  attribute of queries (PS3.4 C.6.2.1.3), which some archives also write into instances. ImagesInAcquisition (0020,1002)
  is the number of images that one acquisition gave (PS3.3 C.7.6.1); scanners that write it make one series of it.
- The modality says how many images it has made of the series (MPPS, PS3.4 F.7), and fewer are here.
- The slices lie two or more times SpacingBetweenSlices (0018,0088) apart. Some writers put the gap between slices there
  (PS3.3 C.8.3.1 means the distance of their middles), so a value below the thickness doesn't count.

NumberOfTemporalPositions (0020,0105) counts points in time, no images.
"""

from collections.abc import Iterable, Sequence

from data_prep.dicom.frames import Frame
from data_prep.dicom.header import Header
from data_prep.notice import Notice
from data_prep.selection.stack import Stack

MISSING_SLICES = "missing-slices"  # the notice's code
OF_SERIES = ("NumberOfSeriesRelatedInstances", "ImagesInAcquisition")
OF_STUDY = ("NumberOfStudyRelatedInstances",)
# A larger number is no number of images: no study that is accepted has so many (`data_prep.limits`).
MOST_IMAGES = 20_000
# How far the distance of two slices may be from a multiple of SpacingBetweenSlices, as a share of it. Both are rounded.
STEP_TOLERANCE = 0.1
# A gap may be written as a little more than it is.
THICKNESS_TOLERANCE = 0.95
# Middles of a knee's slices are rarely closer, and gaps between them are smaller, if the thickness isn't known.
SURE_SPACING_MM = 2.0


def missing_slices(stack: Stack, series: Iterable[Frame], performed: int = 0) -> tuple[Notice, ...]:
    """The notice for a stack from which slices are missing.

    Args:
        stack: the slices to predict on.
        series: every image of their series.
        performed: how many images the modality has made of the series; 0 if it doesn't say.
    """
    whole = list(series)
    reasons = [*_fewer_than_announced(whole), *_fewer_than_performed(whole, performed), *_wider_than_announced(stack)]
    if not reasons:
        return ()
    message = f"Slices are missing: {'; '.join(reasons)}. The prediction was made without them, and may be wrong."
    return (Notice(MISSING_SLICES, message),)


def announced(numbers: Iterable[float | None]) -> int:
    """The largest of the numbers of images that a header names; 0 if it names none that can be right."""
    return max((int(number) for number in numbers if number is not None and 1 <= number <= MOST_IMAGES), default=0)


def _fewer_than_announced(series: Sequence[Frame]) -> list[str]:
    """Multi-frame instances don't count: their images are frames."""
    single = [frame for frame in series if frame.pixels.frames == 1]
    expected = announced(number for frame in single for number in _numbers(frame.header))
    here = len({frame.sop_uid for frame in single})
    return [f"the headers name {expected} images in this series, and {here} are here"] if here < expected else []


def _fewer_than_performed(series: Sequence[Frame], performed: int) -> list[str]:
    here = len({frame.sop_uid for frame in series})
    return [f"the modality made {performed} images of this series, and {here} are here"] if here < performed else []


def _numbers(header: Header) -> list[float | None]:
    return [header.number(keyword) for keyword in OF_SERIES]


def _wider_than_announced(stack: Stack) -> list[str]:
    step, between = stack.spacing_mm[0], stack.header.number("SpacingBetweenSlices") or 0.0
    thickness = stack.header.number("SliceThickness")
    least = SURE_SPACING_MM if thickness is None else THICKNESS_TOLERANCE * thickness
    if between < max(least, STEP_TOLERANCE):
        return []
    times = round(step / between)
    if times < 2 or abs(step / between - times) > STEP_TOLERANCE:
        return []
    return [f"they lie {step:.2f} mm apart, and the headers say {between:.2f} mm"]
