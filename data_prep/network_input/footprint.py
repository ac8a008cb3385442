"""Where the slices of a network input lie in their volume, and how a map on them is carried back to source pixels.

Carrying back keeps a map's sum.
"""

import math
from dataclasses import asdict, dataclass, replace
from typing import Any, Self, TypeVar

import numpy as np
import numpy.typing as npt

from data_prep.volume import FloatArray

Label = TypeVar("Label", np.bool_, np.uint8)


@dataclass(frozen=True)
class Footprint:
    """Where the slices `[s, h, w]` of a network input, or a map on a grid over them, lie in their volume.

    The region may extend beyond the image (padding): a map's values there are added at the nearest image edge.

    Attributes:
        volume_shape: slices, rows and columns of the volume.
        slices: start and stop in voxels; voxel `i` covers `[i, i + 1)`.
        rows: the same along rows.
        columns: the same along columns.
    """

    volume_shape: tuple[int, int, int]
    slices: tuple[int, int]
    rows: tuple[float, float]
    columns: tuple[float, float]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Slices, rows and columns of the region, in whole voxels."""
        (first, last), (top, bottom), (left, right) = self.slices, self.rows, self.columns
        return last - first, math.ceil(bottom - top), math.ceil(right - left)

    def part(self, rows: tuple[float, float], columns: tuple[float, float]) -> "Footprint":
        """The region between two fractions of this one's rows and of its columns."""
        return replace(self, rows=_between(self.rows, rows), columns=_between(self.columns, columns))

    def carry_back(self, maps: npt.NDArray[np.floating]) -> FloatArray:
        """Spread maps smoothly over source pixels.

        Args:
            maps: `[..., s, h, w]`, maps of equal cells over the region.

        Returns:
            float32 `[..., S, R, C]`. Each slice keeps its sum exactly (up to float32); slices outside the region are
            zero.
        """
        slices, rows, columns = self.volume_shape
        spread_rows = _spread(maps.shape[-2], self.rows, rows)
        spread_columns = _spread(maps.shape[-1], self.columns, columns)
        out = np.zeros((*maps.shape[:-3], slices, rows, columns), np.float32)
        for place, index in enumerate(range(*self.slices)):  # one by one: the product has double precision
            out[..., index, :, :] = spread_rows @ maps[..., place, :, :] @ spread_columns.T
        return out

    def peak(self, maps: npt.NDArray[np.floating]) -> float:
        """The highest value that `carry_back` gives for a map `[s, h, w]`; 0 if none is above 0.

        Most slices are skipped: the cells of a slice limit how high its pixels can be.
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

    def labels(self, labels: npt.NDArray[Label], size: tuple[int, int]) -> npt.NDArray[Label]:
        """What labels of the volume's voxels are on the region's cells: each has the label at its centre.

        Args:
            labels: `[S, R, C]`.
            size: rows and columns of cells of the region.

        Returns:
            `[s, *size]`; 0 outside of the image.
        """
        _, row_count, column_count = self.volume_shape
        rows, inside_rows = _nearest(self.rows, size[0], row_count)
        columns, inside_columns = _nearest(self.columns, size[1], column_count)
        cut = labels[slice(*self.slices)][:, rows[:, None], columns[None, :]]
        return np.where(inside_rows[:, None] & inside_columns[None, :], cut, labels.dtype.type(0))

    def to_json(self) -> dict[str, Any]:
        """The footprint as plain numbers, for `from_json`."""
        return asdict(self)

    @classmethod
    def from_json(cls, numbers: dict[str, Any]) -> Self:
        """The footprint that `to_json` wrote."""
        return cls(**{name: tuple(value) for name, value in numbers.items()})


def _between(span: tuple[float, float], fractions: tuple[float, float]) -> tuple[float, float]:
    start, stop = (span[0] + fraction * (span[1] - span[0]) for fraction in fractions)
    return start, stop


def _nearest(
    region: tuple[float, float], cells: int, pixels: int
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.bool_]]:
    """The pixel that holds the centre of each cell, and whether it is inside the image."""
    start, stop = region
    places = np.floor(start + (np.arange(cells) + 0.5) * (stop - start) / cells).astype(np.intp)
    return np.clip(places, 0, pixels - 1), (places >= 0) & (places < pixels)


def _spread(cells: int, region: tuple[float, float], pixels: int) -> npt.NDArray[np.float64]:
    """`[pixels, cells]`: the share of each cell that each pixel gets. Columns sum to one, so sums are kept.

    The weights around a cell's centre are a quadratic B-spline, which is smooth and never negative. Its scale is the
    width of a cell, or of a pixel if pixels are larger.
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
