"""Reads a series for a person who looks at it, in another process, with its limits of memory and time.

The process may have been taken over by what it reads, so its answer is checked, see `app.jobs.reading`.
"""

import math
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, BinaryIO, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from werkzeug.exceptions import NotFound

from app.dicomweb.apart import READERS
from app.jobs.reading import BROKEN, Count, Vector, path_of, tuples, voxels_in
from app.series.parts import Part, parts_of
from app.store.instances import Instances
from data_prep.dicom.frames import read_study
from data_prep.errors import InputOverLimit, MalformedInput, UnsuitableStudy
from data_prep.limits import MOST_SIDE, MOST_SLICES, MOST_VOXELS
from data_prep.selection.acquisition import acquisition
from data_prep.selection.whole import decoded
from data_prep.volume import Acquisition, FloatArray

# More parts than these aren't looked through one by one.
MOST_PARTS = 200
Plane = Literal["sagittal", "coronal", "axial"]


class Size(BaseModel):
    """Images, rows and columns of a part."""

    model_config = ConfigDict(extra="forbid", strict=True)

    shape: tuple[Count, Count, Count]
    plane: Plane | None


class Seen(BaseModel):
    """What a process has read: a part of a series without its voxels.

    Attributes:
        parts: All parts, the largest first.
        not_read: How many images can't be read.
        spacing_mm, directions, positions_mm: As `app.series.parts.Place` has them; None if the place isn't known.
    """

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    part: Annotated[int, Field(ge=0)]
    parts: Annotated[tuple[Size, ...], Field(max_length=MOST_PARTS)]
    not_read: Annotated[int, Field(ge=0)]
    spacing_mm: Vector | None
    directions: tuple[Vector, Vector] | None
    positions_mm: Annotated[tuple[Vector, ...], Field(max_length=MOST_SLICES)] | None
    acquisition: Acquisition

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.part >= len(self.parts) or (self.positions_mm is not None and len(self.positions_mm) != self.shape[0]):
            raise ValueError("parts that don't fit each other")
        return self

    @property
    def shape(self) -> tuple[int, int, int]:
        """Images, rows, columns of this part."""
        return self.parts[self.part].shape


class Looked(NamedTuple):
    """A part of a series with its voxels, float32 `[images, rows, columns]`."""

    seen: Seen
    voxels: FloatArray


def look(instances: Instances, study_uid: str, series_uid: str, part: int = 0) -> Looked:
    """Read a part of a series that the service holds.

    Raises:
        NotFound: The service holds no file of the series, or it has no such part.
        InputError: There is no image that can be shown; also if it takes too much time or memory.
        TooManyRequests, ServiceUnavailable: See `Pool.call`.
    """
    with instances.reading(study_uid), tempfile.TemporaryFile() as pixels:
        files = []
        for row in instances.find(study_uid, series_uid):
            with instances.open(row) as stream:
                files.append((row.sop_uid, path_of(stream)))
        if not files:
            raise NotFound("The service doesn't hold this series.")
        seen = READERS.call(Seen, _look_into, files, part, files=[pixels])
        if math.prod(seen.shape) > MOST_VOXELS:
            raise MalformedInput(BROKEN)
        try:
            return Looked(seen, voxels_in(pixels, seen.shape))
        except ValueError:
            raise MalformedInput(BROKEN) from None


def _look_into(files: list[BinaryIO], names: Sequence[tuple[str, str]], number: int) -> Seen:
    """Read a series and write the voxels of a part into the first file."""
    try:
        study = read_study([(name, Path(path)) for name, path in names])
    except FileNotFoundError:
        raise NotFound("This series has been deleted.") from None
    faults = [frame.pixels.fault for frame in study.frames if frame.pixels.fault]
    parts = parts_of([frame for frame in study.frames if not frame.pixels.fault])[:MOST_PARTS]
    if faults and not parts:
        raise faults[0]
    if not parts:
        raise UnsuitableStudy("This series holds no image.")
    if number >= len(parts):
        raise NotFound(f"This series has parts 0 to {len(parts) - 1}.")
    part = parts[number]
    _check_size(part)
    files[0].write(decoded(part.frames).data)
    place = part.place
    return Seen.model_construct(
        part=number,
        parts=tuple(
            Size.model_construct(shape=one.shape, plane=one.place.plane if one.place else None) for one in parts
        ),
        not_read=len(study.unread) + len(faults),
        spacing_mm=place.spacing_mm if place else None,
        directions=tuples(place.directions) if place else None,
        positions_mm=tuples(place.positions_mm) if place else None,
        acquisition=_made(part),
    )


def _check_size(part: Part) -> None:
    images, rows, columns = part.shape
    if images > MOST_SLICES or max(rows, columns) > MOST_SIDE or math.prod(part.shape) > MOST_VOXELS:
        raise InputOverLimit(
            f"This series has {images} images of {rows} x {columns} pixels; up to {MOST_SLICES} images of "
            f"{MOST_SIDE} x {MOST_SIDE} pixels, and {MOST_VOXELS:,} pixels in all, can be shown here."
        )


def _made(part: Part) -> Acquisition:
    """How the images were made; nothing is known if a number in the headers is none."""
    try:
        return acquisition(part.frames[0].header)
    except MalformedInput:
        return Acquisition()
