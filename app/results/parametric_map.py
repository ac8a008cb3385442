"""The explanation as a Parametric Map (PS3.3 A.75) in the volume's grid: a frame for each slice, in the same order.

By default, values are stored in 16 bits: stored x slope + intercept is the map within half a slope, and 0 stays 0.
"""

from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from highdicom import VOILUTTransformation
from highdicom.pm import ParametricMap, RealWorldValueMapping
from highdicom.sr import CodedConcept
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes as standard
from pydicom.uid import MRImageStorage

from app.results.common import LONG_STRING, NOTICE, Result, changed, finish, name_sources, source_item, uid
from data_prep.volume import FloatArray

# In 65,536 steps, or unchanged.
MapValues = Literal["uint16", "float32"]

HIGHEST = 65535


class Stored(NamedTuple):
    """The stored values of a map.

    Attributes:
        values: uint16 or float32 `[slices, rows, columns]`; `slope * values + intercept` is the map.
        slope: 1 for float32.
        intercept: 0 for float32.
    """

    values: npt.NDArray[np.uint16] | FloatArray
    slope: float = 1.0
    intercept: float = 0.0

    @classmethod
    def scaled(cls, values: FloatArray) -> "Stored":
        """Convert any finite values to 16 bits."""
        low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
        # One step fewer than possible, because zero is moved to the nearest step.
        slope = (high - low) / (HIGHEST - 1) or 1.0
        zero = round(-low / slope)
        steps = np.empty(values.shape, np.uint16)
        for index, plane in enumerate(values):  # one by one: they are computed in double precision
            steps[index] = (np.rint(plane / np.float64(slope)) + zero).clip(0, HIGHEST)
        return cls(steps, slope, -zero * slope)

    @property
    def range(self) -> tuple[int, int] | tuple[float, float]:
        """The first and last stored value that is mapped."""
        if self.values.dtype == np.uint16:
            return 0, HIGHEST
        return float(self.values.min()), float(self.values.max())


def parametric_map(result: Result, values: FloatArray, stored_as: MapValues = "uint16") -> bytes:
    """Make the Parametric Map.

    Args:
        result: The answered study.
        values: The explained class's map, float32 `[slices, rows, columns]`.
        stored_as: How the values are stored.

    Returns:
        The bytes of a DICOM file.
    """
    stored = Stored(values) if stored_as == "float32" else Stored.scaled(values)
    dataset = ParametricMap(
        # With the classic SOP class, highdicom accepts a frame of an enhanced instance like a classic instance.
        source_images=[changed(image, SOPClassUID=MRImageStorage) for image in result.images],
        pixel_array=stored.values,
        contains_recognizable_visual_features=False,
        real_world_value_mappings=[_mapping(result, stored)],
        voi_lut_transformations=[_window(stored, result.full_brightness(values))],
        content_label="CLASS_ACTIVATION",
        content_description=NOTICE,
        **result.series("map"),
    )
    dataset.Laterality = result.laterality
    name_sources(dataset, result.images)
    _put_frames(dataset, result, stored)
    return finish(dataset, result)


def _mapping(result: Result, stored: Stored) -> RealWorldValueMapping:
    explanation = result.answer["explanation"]
    codes = result.codes
    return RealWorldValueMapping(
        lut_label="CAM",
        lut_explanation=f"share of the logit of {explanation['class']}"[:LONG_STRING],
        unit=standard.UCUM.NoUnits,
        value_range=stored.range,
        slope=stored.slope,
        intercept=stored.intercept,
        quantity_definition=codes.gradient_activation if explanation["method"] == "grad-cam" else codes.activation,
    )


def _window(stored: Stored, full: float) -> VOILUTTransformation:
    """From 0 to full brightness, as in the service's pictures (PS3.3 C.11.2.1.3.2)."""
    black, white = ((value - stored.intercept) / stored.slope for value in (0.0, full))
    return VOILUTTransformation(
        window_center=(black + white) / 2, window_width=white - black or 1.0, voi_lut_function="LINEAR_EXACT"
    )


def _put_frames(dataset: Dataset, result: Result, stored: Stored) -> None:
    """Put the frames in the volume's order, which highdicom reverses. Give the dimension a UID that isn't random."""
    dimension = uid("dimension", dataset.SeriesInstanceUID)
    for item in (*dataset.DimensionOrganizationSequence, *dataset.DimensionIndexSequence):
        item.DimensionOrganizationUID = dimension
    dataset.PerFrameFunctionalGroupsSequence = [_frame(*pair) for pair in enumerate(result.images, start=1)]
    keyword = "PixelData" if stored.values.dtype == np.uint16 else "FloatPixelData"
    dataset[keyword].value = stored.values.astype(stored.values.dtype.newbyteorder("<")).tobytes()


def _frame(number: int, image: Dataset) -> Dataset:
    """The functional groups that differ from frame to frame (PS3.3 C.7.6.16.2.2, C.7.6.16.2.3, C.7.6.16.2.6)."""
    content, position, derivation, frame = Dataset(), Dataset(), Dataset(), Dataset()
    content.DimensionIndexValues = [number]
    position.ImagePositionPatient = image.ImagePositionPatient
    derivation.SourceImageSequence = [source_item(image)]
    derivation.DerivationCodeSequence = [CodedConcept.from_code(standard.DCM.UnspecifiedMethodOfCalculation)]
    frame.FrameContentSequence, frame.PlanePositionSequence = [content], [position]
    frame.DerivationImageSequence = [derivation]
    return frame
