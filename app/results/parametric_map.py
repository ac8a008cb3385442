"""The explanation as a Parametric Map (PS3.3 A.75) in the volume's grid: a frame for each slice, in the same order.

Stored x slope + intercept is the map (Real World Value Mapping). As float32, a stored value of 0 is the threshold and 1
is full brightness, so that viewers which know neither mapping nor window show the same region as the pictures. As
uint16, the map is kept within half a slope, and 0 stays 0.
"""

from collections.abc import Sequence
from contextlib import closing
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from highdicom import VOILUTTransformation
from highdicom.pm import ParametricMap, RealWorldValueMapping
from highdicom.sr import CodedConcept
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes as standard
from pydicom.sr.coding import Code
from pydicom.uid import MRImageStorage

from app.results.colour_scale import Bounds
from app.results.common import LONG_STRING, NOTICE, Result, finish, name_sources, source_item, uid
from app.results.evidence import Evidence
from data_prep.dicom.placed import changed
from data_prep.volume import FloatArray

# From 0 at the threshold to 1 at full brightness, or 65,536 steps from the lowest to the highest value.
MapValues = Literal["float32", "uint16"]

HIGHEST = 65535


class Stored(NamedTuple):
    """The stored values of a map.

    Attributes:
        values: uint16 or float32 `[slices, rows, columns]`; `slope * values + intercept` is the map.
        slope: What one step, or the way from the threshold to full brightness, adds to the map's value.
        intercept: The map's value where the stored value is 0.
    """

    values: npt.NDArray[np.uint16] | FloatArray
    slope: float = 1.0
    intercept: float = 0.0

    @classmethod
    def relative(cls, values: FloatArray, bounds: Bounds) -> "Stored":
        """0 at the threshold, or where there is no evidence if there is no threshold, and 1 at full brightness."""
        low = float(np.float32(bounds.threshold or 0.0))
        slope = float(np.float32(bounds.full)) - low or 1.0
        relative = np.empty(values.shape, np.float32)
        for index, plane in enumerate(values):  # one by one: they are computed in double precision
            relative[index] = (plane - np.float64(low)) / slope
        return cls(relative, slope, low)

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

    @classmethod
    def grey(cls, voxels: FloatArray) -> "Stored":
        """A volume in 16 bits: whole numbers stay as they are, if they are few enough."""
        low = min(float(voxels.min()), 0.0)
        if float(voxels.max()) - low > HIGHEST or (voxels != np.rint(voxels)).any():
            return cls.scaled(voxels)
        return cls((voxels - np.float32(low)).astype(np.uint16), intercept=low)

    @property
    def range(self) -> tuple[int, int] | tuple[float, float]:
        """The first and last stored value that is mapped."""
        if self.values.dtype == np.uint16:
            return 0, HIGHEST
        return float(self.values.min()), float(self.values.max())


def parametric_map(result: Result, evidence: Evidence, stored_as: MapValues = "float32") -> bytes:
    """Make the Parametric Map.

    Args:
        result: The answered study.
        evidence: The explained class's map.
        stored_as: How the values are stored.

    Returns:
        The bytes of a DICOM file.
    """
    values, bounds = evidence.values, evidence.bounds
    stored = Stored.relative(values, bounds) if stored_as == "float32" else Stored.scaled(values)
    dataset = ParametricMap(
        # With the classic SOP class, highdicom accepts a frame of an enhanced instance like a classic instance.
        source_images=[changed(image, SOPClassUID=MRImageStorage) for image in result.images],
        pixel_array=stored.values,
        contains_recognizable_visual_features=False,
        real_world_value_mappings=[_mapping(result, stored)],
        voi_lut_transformations=[_window(stored, bounds)],
        content_label="CLASS_ACTIVATION",
        content_description=NOTICE,
        **result.series("map"),
    )
    with closing(dataset._db_con):  # highdicom's table of frames, an SQLite database in memory that it never closes
        dataset.Laterality = result.laterality
        name_sources(dataset, result.images)
        put_frames(dataset, result.images, standard.DCM.UnspecifiedMethodOfCalculation)
        keyword = "PixelData" if stored.values.dtype == np.uint16 else "FloatPixelData"
        dataset[keyword].value = stored.values.astype(stored.values.dtype.newbyteorder("<")).tobytes()
        return finish(dataset, result)


def _mapping(result: Result, stored: Stored) -> RealWorldValueMapping:
    explanation = result.answer["explanation"]
    return RealWorldValueMapping(
        lut_label="CAM",
        lut_explanation=f"share of the logit of {explanation['class']}"[:LONG_STRING],
        unit=standard.UCUM.NoUnits,
        value_range=stored.range,
        slope=stored.slope,
        intercept=stored.intercept,
        quantity_definition=result.codes.quantity(explanation["method"]),
    )


def _window(stored: Stored, bounds: Bounds) -> VOILUTTransformation:
    """From the threshold to full brightness, as in the service's pictures (PS3.3 C.11.2.1.3.2)."""
    ends = bounds.threshold or 0.0, bounds.full
    black, white = ((value - stored.intercept) / stored.slope for value in ends)
    return VOILUTTransformation(
        window_center=(black + white) / 2, window_width=white - black or 1.0, voi_lut_function="LINEAR_EXACT"
    )


def put_frames(dataset: Dataset, images: Sequence[Dataset], how: Code, *channel: int) -> None:
    """Describe the frames of a multi-frame object in this order, which highdicom reverses. Dimensions get UIDs that
    aren't random.

    Args:
        dataset: The object.
        images: The slice that each frame was made from (`Result.images`).
        how: How the frames were derived.
        channel: Values of the dimensions before the position.
    """
    dimension = uid("dimension", dataset.SeriesInstanceUID)
    for item in (*dataset.DimensionOrganizationSequence, *dataset.DimensionIndexSequence):
        item.DimensionOrganizationUID = dimension
    frames = [_frame([*channel, number], image, how) for number, image in enumerate(images, start=1)]
    dataset.PerFrameFunctionalGroupsSequence = frames


def _frame(indices: list[int], image: Dataset, how: Code) -> Dataset:
    """The functional groups that differ from frame to frame (PS3.3 C.7.6.16.2.2, C.7.6.16.2.3, C.7.6.16.2.6)."""
    content, position, derivation, frame = Dataset(), Dataset(), Dataset(), Dataset()
    content.DimensionIndexValues = indices
    position.ImagePositionPatient = image.ImagePositionPatient
    derivation.SourceImageSequence = [source_item(image)]
    derivation.DerivationCodeSequence = [CodedConcept.from_code(how)]
    frame.FrameContentSequence, frame.PlanePositionSequence = [content], [position]
    frame.DerivationImageSequence = [derivation]
    return frame
