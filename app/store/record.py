"""A prediction as it was when it was read."""

from functools import cached_property
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from werkzeug.exceptions import NotFound

from app.contract.json_text import Json
from app.store.class_map import ClassMap
from app.store.database import Prediction
from app.store.disk.shared_folder import FileLost
from app.store.job import Job
from data_prep.network_input.footprint import Footprint
from data_prep.volume import FloatArray

VOXELS, MAPS = "voxels.npy", "maps.npy"


class Record:
    """A prediction as it was when it was read. Its arrays are opened when they are used.

    Properties and methods raise FileLost if an array is missing or damaged, also because the prediction was deleted.
    """

    def __init__(self, row: Prediction, folder: Path) -> None:
        self.id, self.study_uid = row.id, row.study_uid
        self._row, self._folder = row, folder

    @property
    def answer(self) -> Json:
        """The answer that `finish` stored, or `{"id", "status": "queued"}` if there is none yet."""
        return answer_of(self._row)

    @property
    def status(self) -> str:
        """queued, done or failed."""
        return str(self.answer["status"])

    @cached_property
    def job(self) -> Job:
        """The job again. Its voxels are read from the disk when they are used."""
        row, voxels = self._row, _load(self._folder / VOXELS)
        return Job.from_json(row.study, voxels, row.id, row.study_uid, row.bundle, row.created)

    @cached_property
    def origins(self) -> tuple[Dataset, ...]:
        """For each slice of the volume, the attributes that results must repeat (`data_prep.dicom.origin`)."""
        return tuple(map(Dataset.from_json, self._row.origins))

    @cached_property
    def explained_class(self) -> int:
        """Index of the class that the answer explains."""
        answer = self.answer
        return int(answer["result"]["classes"].index(answer["explanation"]["class"]))

    def is_whole(self) -> bool:
        """Whether all its arrays can be read."""
        return is_whole(self._folder, has_maps=self._row.footprint is not None)

    def map(self, class_index: int) -> ClassMap:
        """The map of one class, for an answered job."""
        if self._row.footprint is None:
            raise missing()
        return ClassMap(_load(self._folder / MAPS)[class_index], Footprint.from_json(self._row.footprint))


def is_whole(folder: Path, has_maps: bool) -> bool:
    """Whether the arrays in the folder of a prediction can be read.

    Args:
        folder: The folder.
        has_maps: Whether it must hold maps, too.
    """
    try:
        for name in (VOXELS, MAPS) if has_maps else (VOXELS,):
            _load(folder / name)
    except FileLost:
        return False
    return True


def answer_of(row: Prediction) -> Json:
    """The answer in its current state."""
    return row.answer or {"id": row.id, "status": row.status}


def missing() -> NotFound:
    """The error for an id that isn't there."""
    return NotFound("There is no prediction of this id; it may have been deleted.")


def _load(path: Path) -> FloatArray:
    """An array on the disk; its values are read when they are used. Raises FileLost if it is missing or damaged."""
    try:
        loaded: FloatArray = np.load(path, mmap_mode="r")
    except (OSError, ValueError, EOFError):
        text = (
            "The pixels or maps of this prediction are missing or damaged on the service's disk. Send the study again."
        )
        raise FileLost(text) from None
    return loaded
