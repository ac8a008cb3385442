"""The slice that contributes most, as a picture that every viewer shows: a Secondary Capture (PS3.3 A.8.1) with the
heatmap and the notice burned in."""

import numpy as np
import numpy.typing as npt
from highdicom.sc import SCImage

from app.results import render
from app.results.common import NOTICE, Result, finish, name_sources
from data_prep.volume import FloatArray

OPACITY = 0.6
# The letters of each patient axis's positive and negative direction (PS3.3 C.7.6.1.1.1).
TOWARDS, FROM = "LPH", "RAF"


def key_image(result: Result, values: FloatArray) -> bytes:
    """Make the key image.

    Args:
        result: The answered study.
        values: The explained class's map, float32 `[slices, rows, columns]`.

    Returns:
        The bytes of a DICOM file.
    """
    source, volume = result.images[result.strongest], result.volume
    across, down = volume.directions
    dataset = SCImage(
        pixel_array=_picture(result, values),
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        study_instance_uid=source.StudyInstanceUID,
        specific_character_set=source.SpecificCharacterSet,
        pixel_spacing=volume.spacing_mm[1:],
        patient_orientation=(_letter(across), _letter(down)),
        **result.series("key-image"),
    )
    for keyword in ("LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod"):
        if keyword in source:
            dataset[keyword] = source[keyword]
    dataset.Laterality = result.laterality
    dataset.BodyPartExamined = "KNEE"
    dataset.BurnedInAnnotation = "YES"
    dataset.DateOfSecondaryCapture, dataset.TimeOfSecondaryCapture = dataset.ContentDate, dataset.ContentTime
    explained = result.answer["explanation"]["class"]
    dataset.DerivationDescription = f"Slice {result.strongest} with the heatmap of {explained!r}. {NOTICE}."
    name_sources(dataset, [source])
    return finish(dataset, result)


def _picture(result: Result, values: FloatArray) -> render.Picture:
    """RGB `[R, C, 3]`, the same overlay as in the service's pictures."""
    voxels, index = result.volume.voxels, result.strongest
    scale = render.Scale.of(voxels, result.full_brightness(values))
    overlay = render.overlay(render.grey(voxels[index], scale), render.glow(values[index], scale), OPACITY)
    return np.ascontiguousarray(overlay[..., ::-1])


def _letter(direction: npt.NDArray[np.float64]) -> str:
    axis = int(np.abs(direction).argmax())
    return (TOWARDS if direction[axis] > 0 else FROM)[axis]
