"""Whether a ligament's mask can be one: its volume, its place in the image and its elongation, as seen in training."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from data_prep.network_input.crop import Spacing

Mask = npt.NDArray[np.bool_]
Range = tuple[float, float]
# How far outside of the ranges of training a mask may lie: a training set never holds the largest knee.
SLACK = 0.25


@dataclass(frozen=True)
class Shape:
    """What `Plausible` looks at.

    Attributes:
        volume_mm3: Of all voxels of the mask.
        row: The mask's centre down the rows, from 0 (top of the image) to 1.
        column: The same across the columns, from 0 (left) to 1.
        elongation: The standard deviation along the mask's longest direction, divided by that of the other direction
            in the slices; 1 for a circle. Slices are too thick to tell anything across them.
    """

    volume_mm3: float
    row: float
    column: float
    elongation: float

    @classmethod
    def of(cls, mask: Mask, spacing_mm: Spacing) -> Self:
        """Measure a mask, bool `[S, R, C]`, not empty."""
        _, rows, columns = places = np.nonzero(mask)
        down, across = (rows + 0.5) * spacing_mm[1], (columns + 0.5) * spacing_mm[2]
        # A pixel is a square, not a point: its own variance keeps the short side of a thin line above 0.
        pixels = np.diag([spacing_mm[1] ** 2, spacing_mm[2] ** 2]) / 12
        short, long = np.linalg.eigvalsh(np.cov(np.stack([down, across]), bias=True) + pixels)
        return cls(
            volume_mm3=len(places[0]) * float(np.prod(spacing_mm)),
            row=float((rows.mean() + 0.5) / mask.shape[1]),
            column=float((columns.mean() + 0.5) / mask.shape[2]),
            elongation=float(np.sqrt(long / short)),
        )


@dataclass(frozen=True)
class Plausible:
    """The ranges of `Shape` that were seen in training: lowest and highest.

    Attributes:
        volume_mm3: Zero and above.
        row: In 0..1.
        column: In 0..1.
        elongation: 1 and above.
    """

    volume_mm3: Range
    row: Range
    column: Range
    elongation: Range

    @classmethod
    def of(cls, shapes: Iterable[Shape]) -> Self:
        """The ranges of the training masks' shapes.

        Raises:
            ValueError: There is no shape.
        """
        table = np.array([(one.volume_mm3, one.row, one.column, one.elongation) for one in shapes])
        if not len(table):
            raise ValueError("no training mask shows the structure, so its plausible shapes aren't known")
        volume, row, column, elongation = [
            (float(low), float(high)) for low, high in zip(table.min(0), table.max(0), strict=True)
        ]
        return cls(volume, row, column, elongation)

    def doubt(self, shape: Shape) -> str:
        """What is outside of the ranges, in words; "" if nothing is.

        Volume and elongation are compared as ratios, with a slack of a quarter; places with a slack of a quarter of the
        range on either side, and at least 0.05.
        """
        ratios = {"volume": (shape.volume_mm3, self.volume_mm3), "elongation": (shape.elongation, self.elongation)}
        odd = [
            name
            for name, (value, (low, high)) in ratios.items()
            if not low / (1 + SLACK) <= value <= high * (1 + SLACK)
        ]
        for name, value, (low, high) in (("row", shape.row, self.row), ("column", shape.column, self.column)):
            slack = max(SLACK * (high - low), 0.05)
            if not low - slack <= value <= high + slack:
                odd.append(f"position ({name})")
        return " and ".join(odd)
