"""Network inputs on disk: what a recipe makes of each exam, made once.

A file's name is a digest of the pixels, the recipe and the box, so a changed recipe never meets old files, and a run
that was killed continues where it stopped. Time grows with the exams whose input isn't there yet; memory doesn't.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, overload

import numpy as np

from data_prep.boxes import Box
from data_prep.errors import InputError
from data_prep.files import replacing
from data_prep.network_input.coarse import Coarse
from data_prep.network_input.network_input import NetworkInput
from data_prep.network_input.recipe import Recipe
from data_prep.prepare.fingerprint import exam_digest
from data_prep.prepare.load import ligament_box, load_exam, signature
from data_prep.tables.exams import Exam
from data_prep.volume import FloatArray
from data_prep.workers import Workers

# Part of every file's name: raise it when the two steps make something else of the same pixels.
VERSION = 1


class Locates(Protocol):
    """What is needed of a localiser (`models.segment.localiser`). sha256: digest of all that its answers depend on."""

    sha256: str

    def locate(self, coarse: Coarse) -> Box | None:
        """The ligament's box in voxels of the volume, or None."""


# What the block is cut around: the volume's centre, the known ligament, or what a localiser finds.
Around = Literal["centre", "ligament"] | Locates


@dataclass(frozen=True)
class CachedInputs(Sequence[FloatArray]):
    """Slices float32 `[s, h, w]` of each exam, opened one exam at a time as they are asked for."""

    paths: tuple[Path, ...]

    def __len__(self) -> int:
        return len(self.paths)

    @overload
    def __getitem__(self, index: int) -> FloatArray: ...
    @overload
    def __getitem__(self, index: slice) -> "CachedInputs": ...
    def __getitem__(self, index: int | slice) -> "FloatArray | CachedInputs":
        if isinstance(index, slice):
            return CachedInputs(self.paths[index])
        array: FloatArray = np.load(self.paths[index], mmap_mode="r")
        return array


def make_inputs(
    exams: Sequence[Exam], recipe: Recipe, folder: Path, workers: Workers, around: Around = "centre"
) -> CachedInputs:
    """The exams' network inputs in `folder`, in the exams' order; those that are missing are made first.

    Args:
        exams: exams of a table.
        recipe: what to cut out and how to scale it.
        folder: where the files lie; it may hold the inputs of many recipes.
        workers: who decodes. A localiser runs in this process.
        around: what the block is cut around.

    Raises:
        InputError, ValueError: names the exam. OSError. What was made until then stays.
    """
    tasks = [_Task(exam, recipe, folder, around if isinstance(around, str) else around.sha256) for exam in exams]
    existing = [task.existing() for task in tasks]
    missing = [task for task, path in zip(tasks, existing, strict=True) if path is None]
    made = _make(missing, workers, around) if missing else iter(())
    return CachedInputs(tuple([path or next(made) for path in existing]))


def _make(missing: Sequence["_Task"], workers: Workers, around: Around) -> Iterator[Path]:
    if isinstance(around, str):
        yield from workers.run(_Task.make, missing, "preparing")
        return
    for task, decoded in zip(missing, workers.run(_Task.decode, missing, "preparing"), strict=True):
        yield task.write(decoded, around.locate(decoded.coarse))


def pixel_digests(exams: Sequence[Exam], folder: Path) -> dict[str, str]:
    """`fingerprint.exam_digest` by exam id, of exams whose inputs `make_inputs` made in this folder."""
    return {exam.exam_id: _note(exam, folder)[1] for exam in exams}


def _note(exam: Exam, folder: Path) -> list[str]:
    """What is remembered of the pixels in an exam's files: their digest and `exam_digest`; [] of files never seen."""
    path = _note_path(exam, folder)
    lines = path.read_text(encoding="ascii").split("\n") if path.is_file() else []
    return lines if len(lines) == 2 else []


def _note_path(exam: Exam, folder: Path) -> Path:
    return folder / "pixels" / signature(exam)


@dataclass(frozen=True, eq=False)
class _Decoded:
    """A screened exam with its digests: of the volume, and `exam_digest`."""

    coarse: Coarse
    pixels: str
    exam: str


@dataclass(frozen=True)
class _Task:
    """One exam's input. around: "centre", "ligament" or the localiser's digest.

    A note, named by the look of the exam's files, keeps the digests of the pixels in them.
    """

    exam: Exam
    recipe: Recipe
    folder: Path
    around: str

    def existing(self) -> Path | None:
        """The file of an exam whose files were seen before, if there is one; no pixel is read."""
        note = _note(self.exam, self.folder)
        path = self._path(note[0]) if note else None
        return path if path and path.is_file() else None

    def make(self) -> Path:
        """Decode, cut, write."""
        decoded = self.decode(with_grid=False)
        return self.write(decoded, self._known_box())

    def decode(self, with_grid: bool = True) -> _Decoded:
        """The first step. with_grid: for a localiser."""
        try:
            volume = load_exam(self.exam)
            coarse = Coarse.of(volume, with_grid)
        except InputError as error:
            raise type(error)(f"exam {self.exam.exam_id}: {error.detail}", error.files) from None
        return _Decoded(coarse, volume.digest(), exam_digest(volume))

    def write(self, decoded: _Decoded, box: Box | None) -> Path:
        """The second step, and the file."""
        path = self._path(decoded.pixels)
        if not path.is_file():
            made = NetworkInput.of(decoded.coarse, self.recipe, box)
            with replacing(path) as partial, partial.open("wb") as stream:
                np.save(stream, made.slices)
        with replacing(_note_path(self.exam, self.folder)) as partial:
            partial.write_text(f"{decoded.pixels}\n{decoded.exam}", encoding="ascii")
        return path

    def _path(self, pixels: str) -> Path:
        found = self._known_box() if self.around in ("centre", "ligament") else self.around
        key = hashlib.sha256(repr((VERSION, pixels, self.recipe, found)).encode()).hexdigest()
        return self.folder / f"{key}.npy"

    def _known_box(self) -> Box | None:
        return ligament_box(self.exam) if self.around == "ligament" else None
