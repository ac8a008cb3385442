"""The pixels of one exam: pictures, an array, or a volume of a DICOM series."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from data_prep.errors import InputError
from data_prep.limits import odd_geometry
from data_prep.masks.files import malformed, read_picture, read_volume_array
from data_prep.masks.row import MaskRow, shown
from data_prep.prepare.load import load_exam
from data_prep.tables.exams import Exam
from data_prep.volume import FloatArray, Volume

# One slice has no distance to a next one; where three distances are needed, this stands for it.
ONE_SLICE_MM = 1.0
# A picture is grey if no more than this share of its pixels has channels that differ by more than `GREY_STEPS` of 255:
# JPEG changes colours a little, and a small arrow or letter is no mask.
COLOURED_SHARE, GREY_STEPS = 0.001, 64
# Of the distances that the headers and the table say.
SPACING_TOLERANCE = 0.02


@dataclass(frozen=True, eq=False)
class Pixels:
    """An exam's pixels.

    Attributes:
        voxels: float32 `[S, R, C]`.
        spacing_mm: between slices, rows, columns; None if the size of a pixel isn't known.
        files: the file of each slice, or one for all.
        volume: the volume of a DICOM series; None for pictures and arrays.
    """

    voxels: FloatArray
    spacing_mm: tuple[float, float, float] | None
    files: tuple[Path, ...]
    volume: Volume | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """(slices, rows, columns)."""
        slices, rows, columns = self.voxels.shape
        return slices, rows, columns

    def slice_of(self, row: MaskRow) -> int | None:
        """The slice that a row's mask belongs to; None if the row doesn't say one, and there are several.

        Raises:
            ValueError: there is no such slice.
        """
        if row.kind == "picture":
            return self.files.index(row.image)
        if row.slice is None:
            return 0 if len(self.voxels) == 1 else None
        if isinstance(row.slice, int):
            if row.slice >= len(self.voxels):
                raise row.fault(f"there is no slice {row.slice}; it has slices 0 to {len(self.voxels) - 1}", row.image)
            return row.slice
        if self.volume is None or self.volume.sop_uids.count(row.slice) != 1:
            raise row.fault(f"no single slice of this volume has the SOPInstanceUID {row.slice}", row.image)
        return self.volume.sop_uids.index(row.slice)


def read_image(rows: Sequence[MaskRow]) -> Pixels:
    """Read the pixels of the rows of one exam.

    Raises:
        ValueError: a file can't be used; the message names the row and the file.
        OSError: a file can't be read.
    """
    first = rows[0]
    kinds = {row.kind for row in rows}
    if len(kinds) > 1 or (first.kind != "picture" and any(row.source != first.source for row in rows)):
        raise first.fault("the rows of this exam name different images", first.image)
    try:
        if first.kind == "picture":
            pixels = _pictures(rows)
        elif first.kind == "array":
            pixels = Pixels(np.asarray(read_volume_array(first.image), np.float32), _spacing(first), (first.image,))
        else:
            pixels = _series(first)
    except InputError as error:
        raise type(error)(f"{first.place}: {error.detail}", error.files) from None
    _check(pixels, first)
    return pixels


def _spacing(row: MaskRow) -> tuple[float, float, float] | None:
    if row.row_mm is None or row.column_mm is None:
        return None
    return row.slice_mm or ONE_SLICE_MM, row.row_mm, row.column_mm


def _pictures(rows: Sequence[MaskRow]) -> Pixels:
    """The exam's pictures as slices, in the order of column `slice`, or else of the table."""
    places: dict[Path, int | str | None] = {}
    for row in rows:
        if places.setdefault(row.image, row.slice) != row.slice:
            raise row.fault(f"another row gives this picture slice {places[row.image]}", row.image)
    if len(set(places.values())) < len(places) and any(place is not None for place in places.values()):
        raise rows[0].fault("two pictures of this exam are in one place; number each in column slice")
    order = sorted(places, key=lambda path: places[path] or 0)
    planes = [_grey(path) for path in order]
    for path, plane in zip(order, planes, strict=True):
        if plane.shape != planes[0].shape:
            raise malformed(
                path,
                f"it has {_size(plane)} pixels, but {shown(order[0])} of the same exam has {_size(planes[0])}; give "
                "pictures of different size different exam ids",
            )
    return Pixels(np.stack(planes), _spacing(rows[0]), tuple(order))


def _grey(path: Path) -> FloatArray:
    """A picture's grey values `[R, C]`; of a coloured format the mean of equal channels."""
    stored = read_picture(path)
    picture = stored.astype(np.float32)
    if picture.ndim == 2:
        return picture
    colours, apart = picture[..., :3], np.ptp(picture[..., :3], axis=2)
    if (apart > GREY_STEPS / 255 * np.iinfo(stored.dtype).max).mean() > COLOURED_SHARE:
        raise malformed(path, "it has colours: a mask or a heatmap may be drawn on it; use the picture without it")
    if picture.shape[2] == 4 and np.ptp(opacity := picture[..., 3]) and colours[opacity < opacity.max()].any():
        raise malformed(path, "a part of it is transparent: a mask may be in its alpha channel; save it without")
    grey: FloatArray = colours.mean(axis=2)
    return grey


def _series(row: MaskRow) -> Pixels:
    volume = load_exam(
        Exam(
            row.exam_id,
            row.patient_id,
            row.image,
            study_uid=row.study_uid,
            series_uid=row.series_uid,
            laterality=row.laterality,
        )
    )
    said = (row.slice_mm, row.row_mm, row.column_mm)
    for name, table, headers in zip(("slice_mm", "row_mm", "column_mm"), said, volume.spacing_mm, strict=True):
        if table is not None and abs(table - headers) > SPACING_TOLERANCE * headers:
            raise malformed(row.image, f"its headers say {headers:g} mm where column {name} says {table:g}")
    return Pixels(volume.voxels, volume.spacing_mm, (row.image,), volume)


def _check(pixels: Pixels, row: MaskRow) -> None:
    if pixels.spacing_mm is not None:
        if row.kind != "series" and len(pixels.voxels) > 1 and row.slice_mm is None:
            raise row.fault("row_mm and column_mm are there, but slice_mm isn't, and the exam has several slices")
        if odd := odd_geometry(pixels.shape, pixels.spacing_mm):
            raise row.fault(f"{odd}. Check its spacing", row.image)
    for index, plane in enumerate(pixels.voxels if row.kind == "picture" else ()):
        if np.ptp(plane) == 0:
            raise row.fault("all of its pixels are equal", pixels.files[index])
    if np.ptp(pixels.voxels) == 0:
        raise row.fault("all of its pixels are equal", row.image)


def _size(plane: npt.NDArray[np.generic]) -> str:
    return " x ".join(map(str, plane.shape))
