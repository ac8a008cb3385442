"""From a scanner's volume to a network's slices, and back: every choice in between stands in a `Recipe`.

Distances are millimetres, so that a knee has the same size whatever the matrix. `Footprint` remembers where the
network's grid lies in the volume and carries a map back to source pixels without gaining or losing any of its sum.
"""

import math
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, Self

import cv2
import numpy as np
import numpy.typing as npt

from data_prep.ranges import Count, FromZero, Positive
from data_prep.volume import FloatArray, Volume

Channels = Literal["gray", "torch", "caffe"]
# For percentiles: one voxel in so many is looked at first, and may be wrong by this share of all.
SAMPLE_STEP, MARGIN = 97, 0.005
# A place in a volume, in voxels along (slices, rows, columns); voxel `i` covers `[i, i + 1)`.
Centre = tuple[float, float, float]


@dataclass(frozen=True)
class Footprint:
    """Where `[s, h, w]` slices, or a map on a grid over them, lie in their volume, in voxels; `i` covers `[i, i + 1)`.

    The region may reach beyond the image (padding): what a map holds there is credited to the nearest image edge.
    """

    volume_shape: tuple[int, int, int]
    slices: tuple[int, int]
    rows: tuple[float, float]
    columns: tuple[float, float]

    def part(self, rows: tuple[float, float], columns: tuple[float, float]) -> "Footprint":
        """The region between two fractions of this one's rows and of its columns."""
        return replace(self, rows=_between(self.rows, rows), columns=_between(self.columns, columns))

    def carry_back(self, maps: npt.NDArray[np.floating]) -> FloatArray:
        """Maps `[..., s, h, w]` of equal cells over the region, spread smoothly over source pixels `[..., S, R, C]`.

        Each slice keeps its sum exactly (up to float32); slices outside the region are zero.
        """
        slices, rows, columns = self.volume_shape
        spread_rows = _spread(maps.shape[-2], self.rows, rows)
        spread_columns = _spread(maps.shape[-1], self.columns, columns)
        out = np.zeros((*maps.shape[:-3], slices, rows, columns), np.float32)
        out[..., slice(*self.slices), :, :] = spread_rows @ maps @ spread_columns.T
        return out

    def peak(self, maps: npt.NDArray[np.floating]) -> float:
        """The highest value that `carry_back` gives for a map `[s, h, w]`; 0 if none is above 0.

        Most slices are left out: none of their pixels can be higher than their cells allow.
        """
        _, rows, columns = self.volume_shape
        spread_rows = _spread(maps.shape[-2], self.rows, rows)
        spread_columns = _spread(maps.shape[-1], self.columns, columns)
        highest = spread_rows.sum(axis=1).max() * spread_columns.sum(axis=1).max() * maps.max(axis=(1, 2))
        peak = 0.0
        for index in np.argsort(-highest):
            if highest[index] <= peak:
                break
            peak = max(peak, float((spread_rows @ maps[index] @ spread_columns.T).max()))
        return peak

    def to_json(self) -> dict[str, Any]:
        """Plain numbers, for `from_json`."""
        return asdict(self)

    @classmethod
    def from_json(cls, numbers: dict[str, Any]) -> Self:
        """The footprint that `to_json` wrote."""
        return cls(**{name: tuple(value) for name, value in numbers.items()})


def _between(span: tuple[float, float], fractions: tuple[float, float]) -> tuple[float, float]:
    start, stop = (span[0] + fraction * (span[1] - span[0]) for fraction in fractions)
    return start, stop


def _spread(cells: int, region: tuple[float, float], pixels: int) -> npt.NDArray[np.float64]:
    """`[pixels, cells]`: the share of each cell that each pixel gets. Columns sum to one, so sums are kept.

    Weights fall off from a cell's centre as a quadratic B-spline, which is smooth and never negative. It is as wide as
    a cell, or as a pixel where pixels are larger.
    """
    start, stop = region
    width = max((stop - start) / cells, 1.0)
    centres = start + (np.arange(cells) + 0.5) * (stop - start) / cells
    reached = np.arange(math.floor(start - 2 * width), math.ceil(stop + 2 * width))
    distance = np.abs(reached[:, None] + 0.5 - centres) / width
    weights = np.where(distance < 0.5, 0.75 - distance**2, 0.5 * np.clip(1.5 - distance, 0, None) ** 2)
    inside = np.zeros((pixels, cells))
    np.add.at(inside, np.clip(reached, 0, pixels - 1), weights)
    inside /= inside.sum(axis=0)
    return inside


@dataclass(frozen=True)
class Recipe:
    """Every choice between scanner and network.

    extent_mm: the block that is cut out, along the normal, down the rows, across columns; around the volume's centre
        where nothing better is known.
    size: rows and columns that the network sees.
    window: percentiles of the block that become 0 and 1; what lies beyond is clipped.
    clahe_clip: contrast limit of adaptive equalisation per slice (OpenCV's clipLimit, 8 x 8 tiles); 0 switches it off.
    unsharp: how much of (slice - blurred slice) is added back; 0 switches it off.
    channels: what the network's first layer makes of a grey value: "gray" one centred channel, "torch" RGB with
        ImageNet mean and deviation, "caffe" BGR in 0..255 with means subtracted.
    """

    extent_mm: tuple[Positive, Positive, Positive]
    size: tuple[Count, Count]
    window: tuple[FromZero, FromZero] = (1.0, 99.0)
    clahe_clip: FromZero = 0.0
    unsharp: FromZero = 0.0
    channels: Channels = "gray"

    def __post_init__(self) -> None:
        low, high = self.window
        if min(self.extent_mm) <= 0 or min(self.size) <= 0 or not 0 <= low < high <= 100:
            raise ValueError(f"a recipe needs positive extents and sizes and a window within 0..100: {self}")

    def apply(self, volume: Volume, centre: Centre | None = None) -> tuple[FloatArray, Footprint]:
        """Slices float32 `[s, h, w]` in 0..1, and where they lie in the volume."""
        footprint = self.footprint(volume, centre)
        block = _cut(volume.voxels, footprint)
        low, high = (percentile(block, percent) for percent in self.window)
        if high <= low:
            low, high = float(block.min()), float(block.max())
        start, scale = np.float32(low), np.float32(1.0 / (high - low) if high > low else 0.0)
        slices = np.empty((len(block), *self.size), np.float32)
        for index, plane in enumerate(block):
            slices[index] = self._finish(np.clip((plane - start) * scale, 0, 1))
        return slices, footprint

    def footprint(self, volume: Volume, centre: Centre | None = None) -> Footprint:
        """The block around `centre` (the volume's, if not given); whole slices and pixels, at least one of each."""
        sizes = [
            max(1, round(extent / spacing)) for extent, spacing in zip(self.extent_mm, volume.spacing_mm, strict=True)
        ]
        middle = centre or tuple(length / 2 for length in volume.shape)
        starts = [math.floor(place - size / 2) for place, size in zip(middle, sizes, strict=True)]
        slices, rows, columns = ((start, start + size) for start, size in zip(starts, sizes, strict=True))
        return Footprint(volume.shape, (max(slices[0], 0), min(slices[1], volume.shape[0])), rows, columns)

    def _finish(self, plane: FloatArray) -> FloatArray:
        rows, columns = self.size
        shrinking = plane.shape[0] >= rows and plane.shape[1] >= columns
        resized = cv2.resize(plane, (columns, rows), interpolation=cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR)
        if self.clahe_clip:
            levels = np.round(resized * 65535).astype(np.uint16)
            resized = cv2.createCLAHE(self.clahe_clip, (8, 8)).apply(levels) / 65535
        if self.unsharp:
            resized = np.clip(resized + self.unsharp * (resized - cv2.GaussianBlur(resized, (0, 0), 2.0)), 0, 1)
        return resized.astype(np.float32)


def percentile(values: FloatArray, percent: float) -> float:
    """`np.percentile(values, [percent])`, to the last bit, in a fourth of its time.

    A sample tells where about it lies; only what lies beyond, on the shorter side, is put in order.
    """
    flat = values.ravel()
    sample = np.sort(flat[::SAMPLE_STEP])
    rank = (flat.size - 1) * (percent / 100)
    if percent < 50:
        beyond = flat[flat <= sample[min(int(sample.size * (percent / 100 + MARGIN)), sample.size - 1)]]
        place = int(rank)
    else:
        beyond = flat[flat >= sample[max(int(sample.size * (percent / 100 - MARGIN)), 0)]]
        place = int(rank) - (flat.size - beyond.size)
    if not 0 <= place < beyond.size - 1:  # the sample misled, or there is no next value
        return float(np.percentile(flat, [percent])[0])
    below, above = np.partition(beyond, [place, place + 1])[place : place + 2]
    step, share = above - below, np.float64(rank % 1)
    return float(below + step * share if share < 0.5 else above - step * (1 - share))


def _cut(voxels: FloatArray, footprint: Footprint) -> FloatArray:
    """The region's voxels; beyond the image, the volume's lowest value (air)."""
    _, rows, columns = footprint.volume_shape
    top, bottom, left, right = (int(edge) for edge in (*footprint.rows, *footprint.columns))
    inside = voxels[slice(*footprint.slices), max(top, 0) : min(bottom, rows), max(left, 0) : min(right, columns)]
    padding = ((0, 0), (max(-top, 0), max(bottom - rows, 0)), (max(-left, 0), max(right - columns, 0)))
    return np.pad(inside, padding, constant_values=inside.min())
