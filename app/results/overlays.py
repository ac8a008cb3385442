"""A series of overlays, one for each slice, in colours that every viewer shows: Secondary Captures (PS3.3 A.8.1).

Each has the geometry of its slice, so that it scrolls with the scanner's images. PS3.3 A.8.1.3 says what the attributes
of Image Plane mean in a Secondary Capture.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from highdicom.sc import SCImage
from pydicom.dataset import Dataset
from pydicom.valuerep import format_number_as_ds

from app.results import render
from app.results.common import NOTICE, Kind, Result, finish, name_sources
from app.results.evidence import Evidence

OPACITY = 0.6
# The letters of each patient axis's positive and negative direction (PS3.3 C.7.6.1.1.1).
TOWARDS, FROM = "LPH", "RAF"
PLACE = ("ImageOrientationPatient", "FrameOfReferenceUID", "SliceThickness")
LOSSY = ("LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod")


def overlay(result: Result, evidence: Evidence, index: int, scale: render.Scale) -> bytes:
    """Make the overlay of a slice.

    Args:
        result: The answered study.
        evidence: The explained class's map.
        index: The slice.
        scale: `render.Scale.of` the volume and the evidence.

    Returns:
        The bytes of a DICOM file.
    """
    grey, glow = render.grey(result.volume.voxels[index], scale), render.glow(evidence.values[index], scale)
    picture = render.overlay(grey, glow, OPACITY, scale.said)
    dataset = coloured(result, "overlay", picture, index, result.volume.spacing_mm[1:], number=index + 1)
    put_in_place(dataset, result, index)
    return finish(dataset, result)


def put_in_place(dataset: Dataset, result: Result, index: int, first: tuple[float, float] = (0.0, 0.0)) -> None:
    """Give a picture the geometry of its slice, if the slices name a frame of reference.

    Args:
        dataset: The picture.
        result: The answered study.
        index: The slice.
        first: Where the centre of the picture's first pixel lies: column and row of the slice.
    """
    if not result.is_placed:
        return
    for keyword in PLACE:
        dataset[keyword] = result.images[index][keyword]
    (position,) = result.in_patient(index, np.array([first]))
    dataset.ImagePositionPatient = [format_number_as_ds(float(value)) for value in position]
    dataset.PositionReferenceIndicator = ""


def coloured(
    result: Result, kind: Kind, picture: render.Picture, index: int, spacing_mm: tuple[float, float], **series: Any
) -> SCImage:
    """A Secondary Capture with the heatmap over a slice.

    Args:
        result: The answered study.
        kind: Its kind.
        picture: Its pixels, BGR `[R, C, 3]`.
        index: The slice.
        spacing_mm: From row to row and from column to column of the picture.
        series: What `Result.series` should say besides.
    """
    dataset = capture(result, kind, np.ascontiguousarray(picture[..., ::-1]), index, spacing_mm, **series)
    explained, place = result.answer["explanation"]["class"], result.place(index)
    dataset.DerivationDescription = f"{place.capitalize()} with the heatmap of {explained!r}. {NOTICE}."
    dataset.BurnedInAnnotation = "YES"
    return dataset


def capture(
    result: Result,
    kind: Kind,
    pixels: npt.NDArray[np.uint8] | npt.NDArray[np.uint16],
    index: int,
    spacing_mm: tuple[float, float],
    **series: Any,
) -> SCImage:
    """A Secondary Capture that was made from a slice.

    Args:
        result: The answered study.
        kind: Its kind.
        pixels: RGB `[R, C, 3]`, or grey `[R, C]`.
        index: The slice.
        spacing_mm: From row to row and from column to column of the picture.
        series: What `Result.series` should say besides.
    """
    source, (across, down) = result.images[index], result.volume.directions
    dataset = SCImage(
        pixel_array=pixels,
        photometric_interpretation="RGB" if pixels.ndim == 3 else "MONOCHROME2",
        bits_allocated=8 * pixels.itemsize,
        coordinate_system="PATIENT",
        study_instance_uid=source.StudyInstanceUID,
        specific_character_set=source.SpecificCharacterSet,
        pixel_spacing=spacing_mm,
        patient_orientation=(_letter(across), _letter(down)),
        **result.series(kind, **series),
    )
    for keyword in LOSSY:
        if keyword in source:
            dataset[keyword] = source[keyword]
    dataset.Laterality = result.laterality
    dataset.BodyPartExamined = "KNEE"
    dataset.DateOfSecondaryCapture, dataset.TimeOfSecondaryCapture = dataset.ContentDate, dataset.ContentTime
    if result.missing is not None:
        dataset.ImageComments = result.missing
    name_sources(dataset, [source])
    return dataset


def _letter(direction: npt.NDArray[np.float64]) -> str:
    axis = int(np.abs(direction).argmax())
    return (TOWARDS if direction[axis] > 0 else FROM)[axis]
