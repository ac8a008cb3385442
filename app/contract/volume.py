"""What other programs need to draw a volume and its maps as the service draws them."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict

from app.contract.schemas import CLASS, ResponseModel
from data_prep.volume import Acquisition


class DisplayWindow(ResponseModel):
    """Which values are shown in grey."""

    centre: float
    width: float

    @classmethod
    def of(cls, made: Acquisition) -> Self | None:
        """The window that the headers name; None if they name none."""
        if made.window_centre is None or made.window_width is None:
            return None
        return cls(centre=made.window_centre, width=made.window_width)


class Levels(BaseModel):
    """How voxels are stored as 16 bit, and how they can be shown."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    slope: float
    """A voxel is `slope` times its value in `volume.npy`, plus `intercept`."""
    intercept: float
    tolerance: float
    """The largest difference between a voxel and what is restored; 0 if every voxel is restored exactly."""
    window: DisplayWindow | None
    """The window that the headers of a slice name; null if they name none."""
    percentiles: dict[str, float]
    """Voxel values by percent of the volume's voxels that are darker. `image.png` shows `1` in black and `99.5` in
    white."""


class ViewedVolume(ResponseModel, Levels):
    """The volume that was predicted on, without its voxels."""

    shape: tuple[int, int, int]
    """Slices, rows and columns."""
    spacing_mm: tuple[float, float, float]
    """Distance in mm from slice to slice, from row to row, and from column to column."""
    directions: list[tuple[float, float, float]]
    """Unit vectors in which the column index and the row index grow, in DICOM's patient system: x to the patient's
    left, y to the back, z to the head."""
    positions_mm: list[tuple[float, float, float]]
    """The centre of each slice's first voxel, in the same system."""


class ClassScale(ResponseModel):
    """The colour scale of a class, in the units of `map.npz`: shares of the logit in one pixel."""

    class_: Annotated[str, CLASS]
    full: float
    """The value at full brightness."""
    threshold: float | None
    """The lowest value that is coloured; null if the bundle has no scale for this class: `full` is then this study's
    own peak."""
    peak: float
    """The study's highest value; 0 if none is above 0."""
    area_mm2: float
    """The area of a pixel. A value divided by it is in logit/mm2."""


class Grid(ResponseModel):
    """Where the cells of `grid.npy` lie in the volume. Voxel `i` covers the places from `i` to `i + 1`."""

    shape: tuple[int, int, int, int]
    """Classes, slices, and the cells of a slice: rows, columns."""
    volume: tuple[int, int, int]
    """Slices, rows and columns of the volume."""
    slices: tuple[int, int]
    """The first slice that has cells, and the one after the last."""
    rows: tuple[float, float]
    """Where the cells begin and end along rows, in voxels; they may reach beyond the image."""
    columns: tuple[float, float]
    """The same along columns."""
    classes: list[ClassScale]
