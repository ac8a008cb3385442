"""Ready arrays: what a recipe makes of each exam, on disk, made once.

An array's name is a digest of its pixels and its recipe, so a changed recipe never meets old arrays, and a run that was
killed goes on where it stopped. Time grows with the exams that aren't ready yet; memory doesn't.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

import numpy as np

from data_prep.errors import InputError
from data_prep.files import replacing
from data_prep.network_input.recipe import Centre, Recipe
from data_prep.prepare.fingerprint import exam_digest
from data_prep.prepare.load import ligament_centre, load_exam, signature
from data_prep.tables.exams import Exam
from data_prep.volume import FloatArray
from data_prep.workers import Workers

# Part of every array's name: raise it when `Recipe.apply` makes something else of the same pixels.
VERSION = 1


@dataclass(frozen=True)
class ReadyArrays(Sequence[FloatArray]):
    """Arrays float32 `[s, h, w]`, opened one at a time as they are asked for."""

    paths: tuple[Path, ...]

    def __len__(self) -> int:
        return len(self.paths)

    @overload
    def __getitem__(self, index: int) -> FloatArray: ...
    @overload
    def __getitem__(self, index: slice) -> "ReadyArrays": ...
    def __getitem__(self, index: int | slice) -> "FloatArray | ReadyArrays":
        if isinstance(index, slice):
            return ReadyArrays(self.paths[index])
        array: FloatArray = np.load(self.paths[index], mmap_mode="r")
        return array


def make_ready(
    exams: Sequence[Exam], recipe: Recipe, folder: Path, workers: Workers, on_ligament: bool = False
) -> ReadyArrays:
    """The exams' arrays in `folder`, in the exams' order; those that are missing are made first.

    on_ligament: cut around the known ligament instead of the volume's centre. Raises InputError and ValueError
    that name the exam, OSError; what was made until then stays.
    """
    tasks = [_Task(exam, recipe, folder, on_ligament) for exam in exams]
    existing = [task.existing() for task in tasks]
    missing = [task for task, path in zip(tasks, existing, strict=True) if path is None]
    made = workers.run(_Task.make, missing, "preparing") if missing else iter(())
    return ReadyArrays(tuple([path or next(made) for path in existing]))


def pixel_digests(exams: Sequence[Exam], folder: Path) -> dict[str, str]:
    """`fingerprint.exam_digest` by exam id, of exams that `make_ready` made arrays of in this folder."""
    return {exam.exam_id: _note(exam, folder)[1] for exam in exams}


def _note(exam: Exam, folder: Path) -> list[str]:
    """What is remembered of the pixels in an exam's files: their digest and `exam_digest`; [] of files never seen."""
    path = _note_path(exam, folder)
    lines = path.read_text(encoding="ascii").split("\n") if path.is_file() else []
    return lines if len(lines) == 2 else []


def _note_path(exam: Exam, folder: Path) -> Path:
    return folder / "pixels" / signature(exam)


@dataclass(frozen=True)
class _Task:
    """One exam's array. A note, named by the look of the exam's files, keeps the digests of the pixels in them."""

    exam: Exam
    recipe: Recipe
    folder: Path
    on_ligament: bool

    def existing(self) -> Path | None:
        """The array of an exam whose files were seen before, if there is one; no pixel is read."""
        note = _note(self.exam, self.folder)
        path = self._array(note[0]) if note else None
        return path if path and path.is_file() else None

    def make(self) -> Path:
        """Decode, preprocess, write."""
        try:
            volume = load_exam(self.exam)
        except InputError as error:
            raise type(error)(f"exam {self.exam.exam_id}: {error.detail}", error.files) from None
        pixels = volume.digest()
        path = self._array(pixels)
        if not path.is_file():
            slices, _ = self.recipe.apply(volume, self._centre())
            with replacing(path) as partial, partial.open("wb") as stream:
                np.save(stream, slices)
        with replacing(_note_path(self.exam, self.folder)) as partial:
            partial.write_text(f"{pixels}\n{exam_digest(volume)}", encoding="ascii")
        return path

    def _array(self, pixels: str) -> Path:
        key = hashlib.sha256(repr((VERSION, pixels, self.recipe, self._centre())).encode()).hexdigest()
        return self.folder / f"{key}.npy"

    def _centre(self) -> Centre | None:
        return ligament_centre(self.exam) if self.on_ligament else None
