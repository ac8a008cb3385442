"""From files to a job: the one way in, for requests, for the command line and for a batch's worker processes.

Workers import this file, so it imports no Keras.
"""

import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from app.contract.problems import Problem, problem_of, reported
from app.store.job import Job
from data_prep.dicom.archive import StudyFiles
from data_prep.errors import MalformedInput
from data_prep.network_input.coarse import Coarse
from data_prep.network_input.network_input import NetworkInput
from data_prep.network_input.recipe import Recipe
from data_prep.selection.series import load_study
from data_prep.selection.side import Side
from data_prep.workers import ProcessDied, Workers

# The network's threads wait for one another: one that shares its core with a decoder would delay all of them.
NICE = 19


def decode(files: StudyFiles, bundle: str, laterality: Side | None = None) -> Job:
    """Read a study for a bundle (sha256).

    laterality: the knee that is meant, where the study shows both. Raises what `load_study` raises.
    """
    started = time.perf_counter()
    selection = load_study(files, laterality=laterality)
    return Job.of(selection, bundle, round(1000 * (time.perf_counter() - started), 2))


class Decoded(NamedTuple):
    """A job, and what was done for the network without it: the first step if a localiser will be asked, or both."""

    job: Job
    step: Coarse | NetworkInput


class Needs(NamedTuple):
    """What a worker process has to know of a bundle. sha256: the bundle's; localises: it has a localiser."""

    sha256: str
    recipe: Recipe
    localises: bool


class Parcel(NamedTuple):
    """A study on its way from a worker process. arrays: the file that holds its arrays, if the outcome has none."""

    outcome: Decoded | Problem
    arrays: Path | None = None


def decoded(
    studies: Sequence[Path], needs: Needs, workers: Workers, scratch: Path
) -> Iterator[tuple[Path, Decoded | Problem]]:
    """Every study, in order, decoded by other processes ahead of the network; jobs come without voxels.

    A study that kills the process that decodes it gets a Problem, and the others go on. scratch: an empty folder for
    arrays on their way; a cluster sends them over the network instead.
    """
    packing = partial(pack, needs=needs, scratch=None if workers.cluster else scratch)
    for study, parcel in zip(studies, workers.run_apart(packing, studies, NICE), strict=True):
        if isinstance(parcel, ProcessDied):
            yield study, problem_of(MalformedInput("Decoding it kills the process that tries."))
        else:
            yield study, unpacked(parcel)


def pack(study: Path, needs: Needs, scratch: Path | None) -> Parcel:
    """Decode a folder or zip and do what needs no network; whatever is wrong belongs to this study.

    What no answer needs is left behind. Arrays travel in a file, which takes a fifth of a pipe's time.
    """
    try:
        job = decode(study, needs.sha256)
        coarse = Coarse.of(job.volume, needs.localises)
        step = coarse if needs.localises else NetworkInput.of(coarse, needs.recipe)
    except Exception as error:
        return Parcel(reported(error))
    job = replace(job, volume=replace(job.volume, voxels=job.volume.voxels[:, :0, :0]), origins=())
    if scratch is None:
        return Parcel(Decoded(job, step))
    with tempfile.NamedTemporaryFile(dir=scratch, delete=False, suffix=".npz") as stream:
        np.savez(stream, allow_pickle=False, **_arrays(step))
    emptied = {name: array[:0] for name, array in _arrays(step).items()}
    return Parcel(Decoded(job, replace(step, **emptied)), Path(stream.name))


def unpacked(parcel: Parcel) -> Decoded | Problem:
    """The outcome with its arrays; their file is deleted."""
    if parcel.arrays is None or isinstance(parcel.outcome, Problem):
        return parcel.outcome
    with np.load(parcel.arrays) as arrays:
        step = replace(parcel.outcome.step, **dict(arrays))
    parcel.arrays.unlink()
    return parcel.outcome._replace(step=step)


def _arrays(step: Coarse | NetworkInput) -> dict[str, Any]:
    """The fields that are large."""
    if isinstance(step, NetworkInput):
        return {"slices": step.slices}
    return {"voxels": step.voxels} | ({} if step.grid is None else {"grid": step.grid})
