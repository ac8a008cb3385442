"""Images of one series in the order in which a person looks through them, whether they can be predicted on or not."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from data_prep.dicom.frames import Frame
from data_prep.errors import MalformedInput
from data_prep.selection.stack import POSITION_TOLERANCE_MM, FloatVector, Stack, positions_of
from data_prep.selection.stacking import stacks
from data_prep.selection.usable import unplaced


@dataclass(frozen=True)
class Place:
    """Where the images of a part lie.

    Attributes:
        spacing_mm: between neighbouring images (0 if they have one place), rows and columns.
        directions: `[2, 3]`, as in a volume.
        positions_mm: `[images, 3]`, as in a volume.
    """

    plane: str
    spacing_mm: tuple[float, float, float]
    directions: FloatVector
    positions_mm: FloatVector


@dataclass(frozen=True)
class Part:
    """Images of one size, in order. `place` is None if headers don't say where they lie."""

    frames: tuple[Frame, ...]
    place: Place | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """Images, rows, columns."""
        pixels = self.frames[0].pixels
        return len(self.frames), pixels.rows, pixels.columns


def parts_of(frames: Sequence[Frame]) -> list[Part]:
    """The parts of a series, the largest first. The result doesn't depend on the order of the frames."""
    placed = [frame for frame in frames if _is_placed(frame)]
    found = stacks(placed).stacks if placed else []
    # Without stacks, there are too many directions.
    others = [frame for frame in frames if not found or frame not in placed]
    by_size: dict[tuple[int, int], list[Frame]] = defaultdict(list)
    for frame in sorted(others, key=_number):
        by_size[frame.pixels.rows, frame.pixels.columns].append(frame)
    parts = [*map(_of_stack, found), *(Part(tuple(members)) for members in by_size.values())]
    return sorted(parts, key=lambda part: (-len(part.frames), part.frames[0].sop_uid, part.frames[0].number))


def _is_placed(frame: Frame) -> bool:
    try:
        return unplaced(frame) is None and frame.header.numbers("ImagePositionPatient", 3) is not None
    except MalformedInput:
        return False


def _of_stack(stack: Stack) -> Part:
    # A stack whose positions repeat has no order of its own.
    frames = stack.frames if stack.offsets_mm is not None else tuple(sorted(stack.frames, key=_number))
    positions = positions_of(frames)
    assert positions is not None
    steps = np.diff(np.sort(positions @ np.cross(*stack.directions)))
    apart = steps[steps >= POSITION_TOLERANCE_MM]
    rows_mm, columns_mm = frames[0].header.numbers("PixelSpacing", 2) or (0.0, 0.0)
    spacing_mm = (float(np.median(apart)) if apart.size else 0.0, rows_mm, columns_mm)
    return Part(frames, Place(stack.plane, spacing_mm, stack.directions, positions))


def _number(frame: Frame) -> tuple[float, str, int]:
    try:
        number = frame.header.number("InstanceNumber")
    except MalformedInput:
        number = None
    return number or 0.0, frame.sop_uid, frame.number
