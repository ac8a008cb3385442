"""A stack: parallel images of one series in order, and their geometry.

Geometry follows PS3.3 C.7.6.2: slices are ordered along their normal, by number only if no positions are given, and
never by file name.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

from data_prep.dicom.frames import Frame
from data_prep.dicom.header import Header
from data_prep.selection.kind import Finding, find, scout_signs

FloatVector = npt.NDArray[np.float64]

# Direction cosines of one stack differ only by rounding: 0.01 is half a degree.
ORIENTATION_TOLERANCE = 0.01
# Unit vectors in headers are rounded. They stay unchanged: a viewer may compare the digits of a map and of its slices.
UNIT_TOLERANCE = 1e-4
# Images closer than this along the normal have the same position.
POSITION_TOLERANCE_MM = 0.05
# Steps between slices may differ from their median by this share of it: if positions are rounded to whole millimetres,
# a step of 3 mm may become 4 mm. A missing slice is a difference of 1.
STEP_TOLERANCE = 0.4
PLANES = ("sagittal", "coronal", "axial")


@dataclass(frozen=True, eq=False)
class Stack:
    """Images of one orientation, matrix and spacing, in order along their normal (row x column direction).

    Attributes:
        frames: the images.
        planes: in how many planes the series has images; 3 for most scouts.
    """

    frames: tuple[Frame, ...]
    planes: int = 1

    @property
    def header(self) -> Header:
        """The first slice's header, for attributes that all slices share."""
        return self.frames[0].header

    @cached_property
    def finding(self) -> Finding:
        """The kind of the images by headers and geometry. `spacing_mm` must be known."""
        found = find(self.header)
        signs = scout_signs(len(self.frames), self.spacing_mm, self.planes)
        doubts = tuple(f"it may be a localizer: {sign}" for sign in signs)
        return replace(found, doubts=(*found.doubts, *doubts), serious=found.serious or bool(signs))

    @property
    def series_uid(self) -> str:
        """SeriesInstanceUID."""
        return self.frames[0].series_uid

    @property
    def frame_of_reference(self) -> str:
        """FrameOfReferenceUID, '' if there is none. Positions of stacks with the same one can be compared."""
        return str(self.frames[0].attributes.get("FrameOfReferenceUID") or "")

    @cached_property
    def directions(self) -> FloatVector:
        """`[2, 3]`, unit vectors: where the column index grows, where the row index grows."""
        directions = _orientation(self.frames[0])
        lengths = np.linalg.norm(directions, axis=1, keepdims=True)
        return directions if np.allclose(lengths, 1, rtol=0, atol=UNIT_TOLERANCE) else directions / lengths

    @property
    def plane(self) -> str:
        """sagittal, coronal or axial, by the normal's largest component."""
        return plane_of(self.frames[0])

    @cached_property
    def offsets_mm(self) -> FloatVector | None:
        """`[slices]`, position of each slice along the normal; None if it isn't known."""
        return _offsets(self.frames)

    @cached_property
    def positions_mm(self) -> FloatVector:
        """`[slices, 3]`, position of each slice; relative to the first slice if no positions are given."""
        given = positions_of(self.frames)
        if given is not None:
            return given
        assert self.offsets_mm is not None
        return np.outer(self.offsets_mm, np.cross(*self.directions))

    @cached_property
    def middle_mm(self) -> FloatVector | None:
        """`[3]`, the centre of the stack; None if no positions are given."""
        given = positions_of(self.frames)
        if given is None:
            return None
        _, row_mm, column_mm = self.spacing_mm
        pixels = self.frames[0].pixels
        in_plane = np.array([column_mm * (pixels.columns - 1), row_mm * (pixels.rows - 1)]) / 2
        middle: FloatVector = (given[0] + given[-1]) / 2 + in_plane @ self.directions
        return middle

    @property
    def extent_mm(self) -> float:
        """From the outer face of the first slice to that of the last, along the normal, as if slices had no gaps."""
        assert self.offsets_mm is not None
        return float(self.offsets_mm[-1] - self.offsets_mm[0]) + self.spacing_mm[0]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Slices, rows, columns."""
        pixels = self.frames[0].pixels
        return len(self.frames), pixels.rows, pixels.columns

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Median step between slices, row spacing, column spacing."""
        assert self.offsets_mm is not None
        rows, columns = self.frames[0].header.numbers("PixelSpacing", 2) or (0.0, 0.0)
        return float(np.median(np.diff(self.offsets_mm))), rows, columns

    def disorder(self) -> str | None:
        """Why the positions of the slices aren't known; None if they are."""
        if self.offsets_mm is not None:
            return None
        positions = positions_of(self.frames)
        if positions is None:
            return "slice positions are missing, and InstanceNumber and SpacingBetweenSlices can't replace them"
        if at_one_position(positions):
            return f"all {len(self.frames)} images have the same position"
        more = len(self.frames) - place_count(self.frames)
        return f"{more} more images than positions; headers don't distinguish them"

    def gap(self) -> tuple[int, float] | None:
        """Number, from 1, of the first slice with an unusual step to the next slice, and that step in mm; or None."""
        assert self.offsets_mm is not None
        steps = np.diff(self.offsets_mm)
        usual = self.spacing_mm[0]
        odd = np.flatnonzero(np.abs(steps - usual) > STEP_TOLERANCE * usual)
        return (int(odd[0]) + 1, float(steps[odd[0]])) if odd.size else None


def ordered(frames: Sequence[Frame]) -> tuple[Frame, ...]:
    """The frames in order along their normal; as they are if positions are unknown or repeat."""
    offsets = _offsets(frames)
    if offsets is None:
        return tuple(frames)
    return tuple(frames[index] for index in np.argsort(offsets, kind="stable"))


def _offsets(frames: Sequence[Frame]) -> FloatVector | None:
    """Offsets along the normal, from positions; from unique numbers and SpacingBetweenSlices if there are none."""
    positions = positions_of(frames)
    if positions is not None:
        if repeats(positions, frames):
            return None
        along: FloatVector = positions @ normal(frames[0])
        return along
    if any("ImagePositionPatient" in frame.header.values for frame in frames):
        return None
    numbers = [frame.header.number("InstanceNumber") for frame in frames]
    step = frames[0].header.number("SpacingBetweenSlices") or 0.0
    if None in numbers or len(set(numbers)) < len(numbers) or step <= 0:
        return None
    ranks: FloatVector = np.argsort(np.argsort(np.array(numbers, float))) * np.float64(step)
    return ranks


def positions_of(frames: Sequence[Frame]) -> FloatVector | None:
    """Positions of the first pixels in mm, `[frames, 3]`; None if one is missing."""
    positions = [frame.header.numbers("ImagePositionPatient", 3) for frame in frames]
    return None if None in positions else np.array(positions, float)


def repeats(positions: FloatVector, frames: Sequence[Frame]) -> bool:
    """Whether two frames have the same position along the normal."""
    along = np.sort(positions @ normal(frames[0]))
    return bool((np.diff(along) < POSITION_TOLERANCE_MM).any())


def at_one_position(positions: FloatVector) -> bool:
    """Whether all of these positions are the same one."""
    return bool((np.ptp(positions, axis=0) < POSITION_TOLERANCE_MM).all())


def place_count(frames: Sequence[Frame]) -> int:
    """The number of different positions along the normal; the number of images if no positions are given."""
    positions = positions_of(frames)
    if positions is None:
        return len(frames)
    return 1 + int((np.diff(np.sort(positions @ normal(frames[0]))) >= POSITION_TOLERANCE_MM).sum())


def _orientation(frame: Frame) -> FloatVector:
    return np.array(frame.header.numbers("ImageOrientationPatient", 6), float).reshape(2, 3)


def plane_of(frame: Frame) -> str:
    """The plane that a frame's orientation is nearest to."""
    return PLANES[int(np.abs(normal(frame)).argmax())]


def normal(frame: Frame) -> FloatVector:
    """The unit vector across a frame: row direction x column direction."""
    return _unit_normal(frame.header.numbers("ImageOrientationPatient", 6) or ())


@lru_cache(4096)
def _unit_normal(orientation: tuple[float, ...]) -> FloatVector:
    normal: FloatVector = np.cross(*np.array(orientation, float).reshape(2, 3))
    normal /= np.linalg.norm(normal)
    normal.setflags(write=False)
    return normal
