"""Reads a study in another process, for the service.

The process says what it has read as JSON, and writes the voxels into a file that the service gave it. What a client
sent may have taken the process over, so its answer is checked as if the client had written it.
"""

import math
import mmap
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, BinaryIO

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, JsonValue
from werkzeug.exceptions import NotFound

from app.apart.messages import Tag, Uid
from app.apart.pool import Pool
from app.store.job import Job, dicom_json
from data_prep.deidentify.deidentifier import BURNED_IN_REFUSED, Deidentifier
from data_prep.deidentify.pseudonyms import Pseudonyms
from data_prep.errors import MalformedInput, UnsuitableStudy
from data_prep.limits import MOST_SLICES, check_geometry
from data_prep.notice import Notice
from data_prep.selection.notices import BURNED_IN
from data_prep.selection.series import PassedOver, Selection, load_study
from data_prep.selection.side import Side
from data_prep.volume import Acquisition, FloatArray, Laterality, Volume

Vector = tuple[float, float, float]
# DICOM JSON (PS3.18 F.2).
Attributes = dict[Tag, dict[str, JsonValue]]
Count = Annotated[int, Field(gt=0)]
VOXEL_BYTES = 4
COPIED_AT_ONCE = 1 << 20
BROKEN = "Reading the study breaks the process that reads it."


class Reading(BaseModel):
    """What a process has read: a `Selection` without its voxels.

    Attributes:
        shape: Slices, rows, columns.
        origins: DICOM JSON.
    """

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    shape: tuple[Count, Count, Count]
    spacing_mm: Vector
    directions: tuple[Vector, Vector]
    positions_mm: Annotated[tuple[Vector, ...], Field(max_length=MOST_SLICES)]
    sop_uids: Annotated[tuple[Uid, ...], Field(max_length=MOST_SLICES)]
    study_uid: Uid
    series_uid: Uid
    laterality: Laterality
    acquisition: Acquisition
    notices: tuple[Notice, ...]
    passed_over: tuple[PassedOver, ...]
    origins: Annotated[tuple[Attributes, ...], Field(max_length=MOST_SLICES)]
    decode_ms: float
    preambles: Annotated[int, Field(ge=0)]

    @classmethod
    def of(cls, selection: Selection, decode_ms: float) -> "Reading":
        """What is said of a selection. It isn't checked here, but by whoever receives it."""
        volume = selection.volume
        return cls.model_construct(
            shape=volume.shape,
            spacing_mm=volume.spacing_mm,
            directions=tuples(volume.directions),
            positions_mm=tuples(volume.positions_mm),
            sop_uids=volume.sop_uids,
            study_uid=volume.study_uid,
            series_uid=volume.series_uid,
            laterality=volume.laterality,
            acquisition=volume.acquisition,
            notices=volume.notices,
            passed_over=tuple(selection.passed_over),
            origins=dicom_json(selection.origins),
            decode_ms=decode_ms,
            preambles=selection.preambles,
        )

    def volume(self, pixels: BinaryIO) -> Volume:
        """The volume, with the voxels in this file.

        Raises:
            UnsuitableStudy: The geometry is no knee's.
            MalformedInput: The parts don't fit each other, or a voxel isn't a number.
        """
        check_geometry(self.shape, self.spacing_mm)
        try:
            return Volume(
                voxels=voxels_in(pixels, self.shape),
                spacing_mm=self.spacing_mm,
                directions=np.array(self.directions),
                positions_mm=np.array(self.positions_mm),
                sop_uids=self.sop_uids,
                study_uid=self.study_uid,
                series_uid=self.series_uid,
                laterality=self.laterality,
                acquisition=self.acquisition,
                notices=self.notices,
            )
        except ValueError:
            raise MalformedInput(BROKEN) from None


def read_apart(
    pool: Pool,
    files: Iterable[tuple[str, BinaryIO]],
    bundle: str,
    laterality: Side | None = None,
    deidentifier: Deidentifier | None = None,
    performed: Mapping[str, int] | None = None,
    series_uid: str | None = None,
) -> Job:
    """Read a study in another process.

    The voxels come back in a file without a name, so that nothing is left if the process dies.

    Args:
        pool: The processes.
        files: Names and open files. One with a path of its own is opened again there, so it needn't stay open.
        bundle: sha256 of the bundle that will predict on it.
        laterality: The knee to predict on, if the study shows both.
        deidentifier: Removes the patient's identity before anything is read; None if it may stay.
        performed: See `load_study`.
        series_uid: The series to predict on, as the client or the service names it; None: the service chooses.

    Raises:
        InputError: See `load_study`; also if it takes too much time or memory, or if text in the pixels identifies the
            patient and the identity may not stay.
        NotFound: A file has been deleted meanwhile.
    """
    names, streams = [], []
    for name, stream in files:
        path = path_of(stream)
        names.append((name, path))
        if path is None:
            streams.append(stream)
    with tempfile.TemporaryFile() as pixels:
        pseudonyms = None if deidentifier is None else _secret(deidentifier.pseudonyms)
        arguments = names, laterality, pseudonyms, dict(performed or {}), series_uid
        reading = pool.call(Reading, _read_into, *arguments, files=[pixels, *streams])
        volume = reading.volume(pixels)
    return Job.on(
        *(volume, bundle, reading.passed_over, reading.decode_ms, reading.origins),
        preambles=reading.preambles,
        asked=series_uid is not None,
    )


def path_of(stream: BinaryIO) -> str | None:
    """Where a file lies; None for a temporary one."""
    name = getattr(stream, "name", None)
    return str(Path(name).absolute()) if isinstance(name, str | Path) else None


def _secret(pseudonyms: Pseudonyms) -> tuple[str, bool]:
    """What a process must know to make the same pseudonyms."""
    return pseudonyms.key.hex(), pseudonyms.retain_uids


def _read_into(
    files: list[BinaryIO],
    names: Sequence[tuple[str, str | None]],
    laterality: Side | None,
    pseudonyms: tuple[str, bool] | None,
    performed: dict[str, int],
    series_uid: str | None,
) -> Reading:
    """Read a study and write its voxels into the first file."""
    started = time.perf_counter()
    pixels, *streams = files
    waiting = iter(streams)
    sent = [(name, next(waiting) if path is None else Path(path)) for name, path in names]
    try:
        replaced = Pseudonyms(bytes.fromhex(pseudonyms[0]), pseudonyms[1]) if pseudonyms else None
        clean = Deidentifier(replaced).cleaned if replaced else None
        asked = [series_uid, *([replaced.uid(series_uid)] if replaced else [])] if series_uid else []
        selection = load_study(sent, laterality=laterality, clean=clean, performed=performed, series=asked)
    except FileNotFoundError:
        raise NotFound("This study has been deleted.") from None
    if pseudonyms and any(notice.code == BURNED_IN for notice in selection.volume.notices):
        raise UnsuitableStudy(BURNED_IN_REFUSED)
    pixels.write(selection.volume.voxels.data)
    return Reading.of(selection, round(1000 * (time.perf_counter() - started), 2))


def tuples(vectors: npt.NDArray[np.float64]) -> tuple[tuple[float, ...], ...]:
    """Vectors as a message has them."""
    return tuple(map(tuple, vectors.tolist()))


def voxels_in(pixels: BinaryIO, shape: tuple[int, int, int]) -> FloatArray:
    """The voxels in a file, read from the disk when they are used. Raises ValueError if they can't be right.

    They are copied into another file, because the process may still have this one open and could cut or change it.
    """
    length = VOXEL_BYTES * math.prod(shape)
    if os.fstat(pixels.fileno()).st_size != length:
        raise ValueError("a file of another size")
    pixels.seek(0)
    with tempfile.TemporaryFile() as own:
        shutil.copyfileobj(pixels, own, COPIED_AT_ONCE)
        own.flush()
        if os.fstat(own.fileno()).st_size != length:
            raise ValueError("a file that was changed")
        buffer = mmap.mmap(own.fileno(), 0, access=mmap.ACCESS_READ)
    voxels = np.frombuffer(buffer, np.float32).reshape(shape)
    if not all(np.isfinite(plane).all() for plane in voxels):
        raise ValueError("a voxel that isn't a number")
    return voxels
