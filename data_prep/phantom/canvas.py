"""Thin slices to paint solids on, in the frames of tibia and femur, and random fields for the texture of tissues.

Each solid covers what was painted before it. At its edge the signals are mixed by the share of the voxel that it fills.
"""

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

from data_prep.phantom.anatomy import CONDYLE_CENTRE, Anatomy
from data_prep.phantom.scanner import Scan, smooth_field
from data_prep.phantom.shapes import Box, Points
from data_prep.phantom.tissues import NUMBERS
from data_prep.volume import FloatArray

EDGE_MM = 0.8  # width over which a surface fades: about one acquired pixel
COARSE = 3  # distances are smooth: only every third row and column is computed, the others are interpolated
HALF = np.float32(0.5)  # a voxel shows the tissue that fills half of it
TIBIA, PATELLA, FEMUR = 0.0, 0.5, 1.0  # frames: the share of the flexion that each follows

Window = tuple[slice, slice, slice]
Signal = float | npt.NDArray[np.floating]
Coordinates = npt.NDArray[np.floating]


class Canvas:
    """One thin slice within each thick slice.

    Attributes:
        signal: Float32 `[slices, rows, columns]`, in the acquired matrix.
        axes_mm: Positions of slices, rows and columns, in mm from the block's middle, along the normal, row and column
            directions.
        tissues: Uint8 like `signal`, the tissue that was painted last in each voxel; None if it isn't recorded.
        frames: For each frame, the matrix and offset of `_frame`.

    Args:
        scan: How the series is measured.
        anatomy: The knee.
        shift_mm: Distance of the thin slices from the middles of the thick ones.
        record: Whether `tissues` are recorded, which takes nearly as long as painting.
    """

    def __init__(self, scan: Scan, anatomy: Anatomy, shift_mm: float, record: bool = False) -> None:
        self.scan, self.anatomy = scan, anatomy
        pixel = scan.field_of_view_mm / scan.acquired
        steps = (np.arange(scan.acquired) - (scan.acquired - 1) / 2) * pixel
        across = (np.arange(scan.slices) - (scan.slices - 1) / 2) * scan.spacing_mm + shift_mm
        self.axes_mm: tuple[Coordinates, ...] = (across, steps, steps)
        self.signal = np.zeros((scan.slices, scan.acquired, scan.acquired), np.float32)
        self.tissues = np.zeros(self.signal.shape, np.uint8) if record else None
        self.frames = {part: self._frame(part) for part in (TIBIA, PATELLA, FEMUR)}

    def _frame(self, part: float) -> tuple[Coordinates, Coordinates]:
        """(matrix, offset) from (normal, row, column) in mm to a frame that follows `part` of the flexion."""
        scan, anatomy = self.scan, self.anatomy
        shrink = np.diag([1 / (anatomy.size * anatomy.width), 1 / anatomy.size, 1 / anatomy.size])
        to_knee = shrink @ scan.knee_axes.T
        steps = np.stack([scan.normal, scan.directions[1], scan.directions[0]], axis=1)
        matrix, offset = to_knee @ steps, to_knee @ (scan.centre_mm - scan.knee_centre_mm)
        angle = np.radians(anatomy.flexion * part)
        turn = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
        pivot = np.array([0.0, *CONDYLE_CENTRE])
        return turn @ matrix, turn @ (offset - pivot) + pivot

    def window(self, box: Box, part: float = TIBIA) -> Window:
        """The voxels around a box in a frame, in whole blocks of `COARSE` rows and columns; may be empty."""
        matrix, offset = self.frames[part]
        corners = np.array(np.meshgrid(*zip(box.low, box.high, strict=True))).reshape(3, -1)
        reach = np.linalg.inv(matrix) @ (corners - offset[:, None])
        spans = []
        for axis, low, high, block in zip(self.axes_mm, reach.min(1), reach.max(1), (1, COARSE, COARSE), strict=True):
            start, stop = np.searchsorted(axis, (low - 2 * EDGE_MM, high + 2 * EDGE_MM))
            start -= start % block
            spans.append(slice(int(start), int(min(start + -(-(stop - start) // block) * block, len(axis)))))
        return spans[0], spans[1], spans[2]

    def everything(self) -> Window:
        """The window that holds all voxels."""
        slices, rows, columns = self.signal.shape
        return slice(0, slices), slice(0, rows), slice(0, columns)

    def points(self, window: Window, part: float = TIBIA, step: int = 1) -> Points:
        """Coordinates in a frame of the voxels of a window, or of the middles of its `step` x `step` blocks."""
        matrix, offset = self.frames[part]
        axes = [axis[span] for axis, span in zip(self.axes_mm, window, strict=True)]
        if step > 1:
            axes[1:] = [_block_middles(axis, step) for axis in axes[1:]]
        w, v, u = (axes[0][:, None, None], axes[1][None, :, None], axes[2][None, None, :])
        x, y, z = (
            (row[0] * w + row[1] * v + at).astype(np.float32) + (row[2] * u).astype(np.float32)
            for row, at in zip(matrix, offset, strict=True)
        )
        return Points(x, y, z)

    def distance(
        self, shape: Callable[[Points], FloatArray], window: Window, part: float = TIBIA, step: int = COARSE
    ) -> FloatArray:
        """Distances in mm to a shape in a window, computed for blocks and interpolated."""
        slices, rows, columns = (span.stop - span.start for span in window)
        if 0 in (slices, rows, columns):
            return np.zeros((slices, rows, columns), np.float32)
        distances = shape(self.points(window, part, step))
        return np.stack([cv2.resize(plane, (columns, rows), interpolation=cv2.INTER_LINEAR) for plane in distances])

    def paint(
        self,
        window: Window,
        distance: FloatArray,
        value: Signal,
        tissue: str = "",
        strength: Signal = 1.0,
        edge_mm: float = EDGE_MM,
    ) -> FloatArray:
        """Cover a solid's voxels with a signal.

        Args:
            window: The voxels.
            distance: Distance to the solid in mm, negative inside, for each voxel of the window.
            value: The signal, a number or one for each voxel.
            tissue: Its name in `TISSUES`; "" if it only changes the signal of other tissues.
            strength: 1 replaces the old signal, less mixes the two.
            edge_mm: Width over which the solid's surface fades.

        Returns:
            The share of each voxel that the solid fills.
        """
        share = np.empty(distance.shape, np.float32)
        for index, area in enumerate(self.signal[window]):  # one slice stays in the processor's cache
            share[index] = filled = np.clip(np.float32(0.5) - distance[index] / np.float32(edge_mm), 0, 1)
            if filled.any():
                amount = filled * _slice(strength, index)
                area += amount * (_slice(value, index) - area)
                if tissue and self.tissues is not None:
                    self.tissues[window][index][amount >= HALF] = NUMBERS[tissue]
        return share


def _slice(signal: Signal, index: int) -> Signal:
    return signal[index] if isinstance(signal, np.ndarray) else signal


def _block_middles(axis: Coordinates, step: int) -> Coordinates:
    """Positions of the samples when cv2.resize makes an image `step` times smaller."""
    blocks = -(-len(axis) // step)
    spacing = axis[1] - axis[0] if len(axis) > 1 else 0.0
    return np.asarray(axis[0] + ((np.arange(blocks) + 0.5) * len(axis) / blocks - 0.5) * spacing)


class Textures:
    """Random fields, float32 `[slices, rows, columns]` of variance 1.

    Attributes:
        mottle: Clouds.
        grain: Grains.
        strands: Strands along the leg.
        leak: Where fat isn't suppressed; 0 in most knees.
    """

    def __init__(self, scan: Scan, rng: np.random.Generator) -> None:
        shape = (scan.slices, scan.acquired, scan.acquired)
        self.mottle = smooth_field(shape, (scan.slices // 3, 15, 15), rng)
        self.grain = smooth_field(shape, (scan.slices, 70, 70), rng)
        self.strands = smooth_field(shape, (scan.slices // 2, 9, 55), rng)
        self.leak = np.clip(smooth_field(shape, (3, 3, 3), rng), 0, 2) if rng.random() < 0.3 else np.zeros(shape, "f4")
