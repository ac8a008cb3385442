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
from app.store.superseding import Reference, as_answered, number_of
from data_prep.network_input.footprint import Footprint
from data_prep.volume import FloatArray

VOXELS, MAPS = "voxels.npy", "maps.npy"


class Expired(NotFound):
    """Pixels or maps that were kept as long as the operator wants. Sending the study again brings them back."""

    code = 410

    def __init__(self, what: str) -> None:
        super().__init__(
            f"The {what} of this prediction have expired; its answer stays. Send the study again to have them back, "
            "under the same id."
        )


class Record:
    """A prediction as it was when it was read. Its arrays are opened when they are used.

    Properties and methods raise Expired if an array has expired, and FileLost if it is missing or damaged, also because
    the prediction was deleted.
    """

    def __init__(self, row: Prediction, folder: Path) -> None:
        self.id, self.study_uid = row.id, row.study_uid
        self.superseded_by, self.superseded = row.superseded_by, row.superseded
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
        row = self._row
        self.check_pixels()
        voxels = _load(self._folder / VOXELS)
        return Job.from_json(row.study, voxels, row.id, row.study_uid, row.bundle, row.created)

    def check_pixels(self) -> None:
        """Raise Expired if the pixels have expired, and with them the names and numbers of the patient."""
        if self._row.pixels_expired:
            raise Expired("pixels")

    @cached_property
    def origins(self) -> tuple[Dataset, ...]:
        """For each slice of the volume, the attributes that results must repeat (`data_prep.dicom.origin`)."""
        return tuple(map(Dataset.from_json, self._row.origins))

    @property
    def number(self) -> int:
        """Which result of this study and bundle it is: 1, or more if it replaces others."""
        return number_of(self._row.supersedes)

    @property
    def predecessors(self) -> list[Reference]:
        """The reports that it replaces."""
        return [Reference(**one) for one in (self._row.supersedes or {}).get("documents", ())]

    @cached_property
    def explained_class(self) -> int:
        """Index of the class that the answer explains."""
        answer = self.answer
        return int(answer["result"]["classes"].index(answer["explanation"]["class"]))

    def is_whole(self) -> bool:
        """Whether all its arrays can be read. None of them has expired."""
        expired = self._row.pixels_expired or self._row.maps_expired
        return not expired and is_whole(self._folder, pixels=True, maps=self._row.footprint is not None)

    def map(self, class_index: int) -> ClassMap:
        """The map of one class, for an answered job."""
        return ClassMap(self.maps[class_index], self.footprint)

    @property
    def maps(self) -> FloatArray:
        """The maps of all classes on the network's grid, float32 `[classes, s, h, w]`, for an answered job."""
        if self._row.footprint is None:
            raise missing()
        if self._row.maps_expired:
            raise Expired("maps")
        return _load(self._folder / MAPS)

    @property
    def footprint(self) -> Footprint:
        """Where this grid lies in the volume, for an answered job."""
        if self._row.footprint is None:
            raise missing()
        return Footprint.from_json(self._row.footprint)


def is_whole(folder: Path, pixels: bool, maps: bool) -> bool:
    """Whether the arrays in the folder of a prediction can be read.

    Args:
        folder: The folder.
        pixels: Whether it must hold pixels.
        maps: Whether it must hold maps.
    """
    try:
        for name in [VOXELS] * pixels + [MAPS] * maps:
            _load(folder / name)
    except FileLost:
        return False
    return True


def answer_of(row: Prediction) -> Json:
    """The answer in its current state."""
    return as_answered(row.answer, row.superseded_by) if row.answer else {"id": row.id, "status": row.status}


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
