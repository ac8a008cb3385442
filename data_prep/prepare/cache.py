"""Network inputs on disk, each made once.

A file's name is a digest of the pixels, the recipe and the box, so old files are never used with a changed recipe, and
a run that was killed continues where it stopped. Beside each input stands its footprint. Time grows with the number of
missing inputs; memory doesn't.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, overload

import numpy as np

from data_prep.errors import InputError
from data_prep.files import replacing
from data_prep.network_input.coarse import Coarse
from data_prep.network_input.footprint import Footprint
from data_prep.network_input.located import Located
from data_prep.network_input.network_input import NOWHERE, NetworkInput
from data_prep.network_input.recipe import Recipe
from data_prep.prepare.fingerprint import exam_digest
from data_prep.prepare.load import ligament_box, ligament_mask, load_exam, signature
from data_prep.tables.exams import Exam
from data_prep.volume import FloatArray
from data_prep.workers import Workers

# Part of every digest: increase it when the two steps give another result for the same pixels.
VERSION = 2


class Locates(Protocol):
    """The interface of a localiser (`models.segment.localiser`)."""

    @property
    def sha256(self) -> str:
        """Digest of everything that its result depends on."""

    def locate(self, coarse: Coarse) -> Located:
        """The ligament's place in the volume."""


# The centre of the block: the volume's centre, the known ligament, or the box that a localiser finds.
Around = Literal["centre", "ligament"] | Locates


@dataclass(frozen=True)
class CachedInputs(Sequence[FloatArray]):
    """The slices of each exam's network input, float32 `[s, h, w]`. An exam's file is opened when it is indexed."""

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

    def footprint(self, index: int) -> Footprint:
        """Where the slices of an exam lie in its volume."""
        return Footprint.from_json(json.loads(_footprint_path(self.paths[index]).read_text(encoding="ascii")))


def make_inputs(
    exams: Sequence[Exam], recipe: Recipe, folder: Path, workers: Workers, around: Around = "centre"
) -> CachedInputs:
    """The network inputs of exams, in the exams' order; missing ones are made first.

    Inputs that were made before an error stay on disk.

    Args:
        exams: exams of a table.
        recipe: how to make the inputs.
        folder: the folder of the files; it may hold the inputs of many recipes.
        workers: the processes that decode. A localiser runs in this process.
        around: the centre of the block.

    Raises:
        InputError, ValueError: an exam can't be used; the message names it.
        OSError: a file can't be read or written.
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
    """`fingerprint.exam_digest` by exam id, for exams whose inputs `make_inputs` made in this folder."""
    return {exam.exam_id: _note(exam, folder)[1] for exam in exams}


def _note(exam: Exam, folder: Path) -> list[str]:
    """The stored digests of an exam's pixels: of the volume, and `exam_digest`; [] if the files are new or changed."""
    path = _note_path(exam, folder)
    lines = path.read_text(encoding="ascii").split("\n") if path.is_file() else []
    return lines if len(lines) == 2 else []


def _note_path(exam: Exam, folder: Path) -> Path:
    return folder / "pixels" / signature(exam)


def _footprint_path(input_: Path) -> Path:
    return input_.with_suffix(".json")


@dataclass(frozen=True, eq=False)
class _Decoded:
    """A screened exam with its digests: of the volume, and `exam_digest`."""

    coarse: Coarse
    pixels: str
    exam: str


@dataclass(frozen=True)
class _Task:
    """The work of making one exam's network input.

    A note stores the digests of the exam's pixels. Its name is the `signature` of the exam's files.

    Attributes:
        around: "centre", "ligament" or the localiser's digest.
    """

    exam: Exam
    recipe: Recipe
    folder: Path
    around: str

    def existing(self) -> Path | None:
        """The input's file, if it exists and the exam has a note; no pixel is read."""
        note = _note(self.exam, self.folder)
        path = self._path(note[0]) if note else None
        return path if path and path.is_file() else None

    def make(self) -> Path:
        """Both steps without a localiser, and the file."""
        decoded = self.decode()
        return self.write(decoded, self._known(decoded.coarse.voxels.shape))

    def decode(self) -> _Decoded:
        """The first step."""
        try:
            volume = load_exam(self.exam)
            coarse = Coarse.of(volume)
        except InputError as error:
            raise type(error)(f"exam {self.exam.exam_id}: {error.detail}", error.files) from None
        return _Decoded(coarse, volume.digest(), exam_digest(volume))

    def write(self, decoded: _Decoded, located: Located) -> Path:
        """The second step, and the file."""
        path = self._path(decoded.pixels)
        if not path.is_file():
            made = NetworkInput.of(decoded.coarse, self.recipe, located)
            with replacing(_footprint_path(path)) as partial:
                partial.write_text(json.dumps(made.footprint.to_json(), allow_nan=False), encoding="ascii")
            with replacing(path) as partial, partial.open("wb") as stream:
                np.save(stream, made.slices)
        with replacing(_note_path(self.exam, self.folder)) as partial:
            partial.write_text(f"{decoded.pixels}\n{decoded.exam}", encoding="ascii")
        return path

    def _path(self, pixels: str) -> Path:
        found = ligament_box(self.exam) if self.around == "ligament" else self.around
        key = hashlib.sha256(repr((VERSION, pixels, self.recipe, found)).encode()).hexdigest()
        return self.folder / f"{key}.npy"

    def _known(self, shape: tuple[int, ...]) -> Located:
        """The ligament as the exam's row knows it, if the block lies around it."""
        if self.around != "ligament":
            return NOWHERE
        slices, rows, columns = shape
        mask = ligament_mask(self.exam, (slices, rows, columns)) if self.recipe.mask_channel else None
        return Located(ligament_box(self.exam), mask)
