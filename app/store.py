"""Studies and their answers on disk, one folder each, so that a restart loses nothing.

A folder appears whole or not at all: it is written under a hidden name, flushed and renamed. A folder without
`answer.json` is a study that still waits. It holds pixels, geometry and UIDs, but no patient's name or number.

    <id>/voxels.npy  study.json               from the moment a study is accepted
    <id>/maps.npy  footprint.json  answer.json once it is answered
"""

import hashlib
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from werkzeug.exceptions import NotFound

from data_prep.preprocess import Footprint
from data_prep.series import PassedOver, Selection
from data_prep.volume import Acquisition, FloatArray, Volume

Json = dict[str, Any]

ID = re.compile(r"[0-9a-f]{32}")
# A hidden folder older than this was left by a process that died while it wrote.
ABANDONED_S = 3600


@dataclass(frozen=True, eq=False)
class Job:
    """A study that has been accepted. bundle: sha256 of the bundle that shall answer; created: UTC."""

    id: str
    bundle: str
    volume: Volume
    passed_over: tuple[PassedOver, ...]
    decode_ms: float
    created: str

    @classmethod
    def of(cls, selection: Selection, bundle: str, decode_ms: float) -> "Job":
        """A job whose id follows from the pixels' and the bundle's digests."""
        volume = selection.volume
        id_ = hashlib.sha256((volume.digest() + bundle).encode()).hexdigest()[:32]
        created = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return cls(id_, bundle, volume, tuple(selection.passed_over), decode_ms, created)


@dataclass(frozen=True, eq=False)
class ClassMap:
    """One class's map as it is kept: on the network's grid, `[s, h, w]`."""

    grid: FloatArray
    footprint: Footprint

    def volume(self) -> FloatArray:
        """In the volume's grid, `[slices, rows, columns]`."""
        return self.footprint.carry_back(self.grid)

    def plane(self, index: int) -> FloatArray:
        """Slice `index` of `volume()`, `[rows, columns]`, without the work for the others."""
        (first, stop), (_, rows, columns) = self.footprint.slices, self.footprint.volume_shape
        if not first <= index < stop:
            return np.zeros((rows, columns), np.float32)
        alone = replace(self.footprint, volume_shape=(1, rows, columns), slices=(0, 1))
        planes = alone.carry_back(self.grid[index - first : index - first + 1])
        return planes.reshape(rows, columns)


class Store:
    """A folder of jobs. Methods raise werkzeug's NotFound for an id that isn't there (or is no id)."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for path in folder.glob(".*"):
            if time.time() - path.stat().st_mtime > ABANDONED_S:
                shutil.rmtree(path)

    def put(self, job: Job) -> None:
        """Accept a job: when this returns, a crash can't lose it. A former (failed) attempt is replaced."""
        partial = Path(tempfile.mkdtemp(dir=self._folder, prefix="."))
        try:
            _write(partial / "voxels.npy", lambda stream: np.save(stream, job.volume.voxels))
            _write_json(partial / "study.json", _header(job))
            if (self._folder / job.id).exists():
                self.delete(job.id)
            partial.rename(self._folder / job.id)
        except BaseException:
            shutil.rmtree(partial)
            raise
        _flush_folder(self._folder)

    def job(self, id_: str) -> Job:
        """The job again; its voxels are read from disk as they are used."""
        folder = self._find(id_)
        header = json.loads((folder / "study.json").read_text())
        geometry = header["volume"]
        volume = Volume(
            voxels=np.load(folder / "voxels.npy", mmap_mode="r"),
            spacing_mm=tuple(geometry["spacing_mm"]),
            directions=np.array(geometry["directions"]),
            positions_mm=np.array(geometry["positions_mm"]),
            sop_uids=tuple(geometry["sop_uids"]),
            study_uid=geometry["study_uid"],
            series_uid=geometry["series_uid"],
            laterality=geometry["laterality"],
            acquisition=Acquisition(**geometry["acquisition"]),
        )
        passed_over = tuple(PassedOver(**other) for other in header["passed_over"])
        return Job(id_, header["bundle"], volume, passed_over, header["decode_ms"], header["created"])

    def begin(self, id_: str) -> int:
        """Note that a job is being tried, and say for which time: a study may not kill the service for ever."""
        path = self._find(id_) / "attempts"
        attempt = 1 + (int(path.read_text()) if path.exists() else 0)
        _write(path, lambda stream: stream.write(str(attempt).encode()))
        return attempt

    def finish(
        self, id_: str, answer: Json, maps: FloatArray | None = None, footprint: Footprint | None = None
    ) -> None:
        """Add the answer, and where there is a prediction its maps."""
        folder = self._find(id_)
        try:
            if maps is not None and footprint is not None:
                _write(folder / "maps.npy", lambda stream: np.save(stream, maps))
                _write_json(folder / "footprint.json", footprint.to_json())
            _write_json(folder / "answer.json", answer)
        except FileNotFoundError:
            raise _missing() from None

    def answer(self, id_: str) -> Json:
        """The answer as `finish` got it, or `{"id", "status": "queued"}` while there is none."""
        folder = self._find(id_)
        try:
            answer: Json = json.loads((folder / "answer.json").read_text())
        except FileNotFoundError:
            self._find(id_)
            return {"id": id_, "status": "queued"}
        return answer

    def map(self, id_: str, class_index: int) -> ClassMap:
        """One class's map of an answered job."""
        folder = self._find(id_)
        maps = np.load(folder / "maps.npy", mmap_mode="r")
        return ClassMap(maps[class_index], Footprint.from_json(json.loads((folder / "footprint.json").read_text())))

    def waiting(self) -> list[str]:
        """Ids without an answer, oldest first."""
        folders = [path for path in self._folder.iterdir() if ID.fullmatch(path.name)]
        folders = [path for path in folders if not (path / "answer.json").exists()]
        return [path.name for path in sorted(folders, key=lambda path: path.stat().st_mtime)]

    def delete(self, id_: str) -> None:
        """Remove everything of a job, at once for every reader."""
        trash = Path(tempfile.mkdtemp(dir=self._folder, prefix="."))
        self._find(id_).rename(trash)
        shutil.rmtree(trash)
        _flush_folder(self._folder)

    def _find(self, id_: str) -> Path:
        if not ID.fullmatch(id_) or not (self._folder / id_).is_dir():
            raise _missing()
        return self._folder / id_


def _missing() -> NotFound:
    return NotFound("There is no prediction of this id; it may have been deleted.")


def _header(job: Job) -> Json:
    volume = job.volume
    geometry = {
        "spacing_mm": volume.spacing_mm,
        "directions": volume.directions.tolist(),
        "positions_mm": volume.positions_mm.tolist(),
        "sop_uids": volume.sop_uids,
        "study_uid": volume.study_uid,
        "series_uid": volume.series_uid,
        "laterality": volume.laterality,
        "acquisition": asdict(volume.acquisition),
    }
    others = [asdict(other) for other in job.passed_over]
    return {
        "bundle": job.bundle,
        "created": job.created,
        "decode_ms": job.decode_ms,
        "passed_over": others,
        "volume": geometry,
    }


def _write_json(path: Path, content: Json) -> None:
    _write(path, lambda stream: stream.write(json.dumps(content, allow_nan=False).encode()))


def _write(path: Path, fill: Callable[[BinaryIO], object]) -> None:
    """Write under another name, flush to the disk, rename: a reader never sees half a file."""
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as stream:
        fill(stream)
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(path)


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
