"""From files to a job. The command line and a batch's worker processes use this.

A batch's processes have the rights of whoever started it and read that person's own files, so what they return is
pickled, as between any processes of one program. The service reads what others send by `app.jobs.reading`.

Workers import this file, so it doesn't import Keras.
"""

import errno
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

# The network's threads wait for each other. One thread that shares its core with a decoder would delay all of them.
NICE = 19
# What is wrong with a single file or folder. Anything else that a disk says is the machine's fault.
OF_A_FILE = frozenset(
    {errno.EACCES, errno.EPERM, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG}
)


def decode(files: StudyFiles, bundle: str, laterality: Side | None = None, series_uid: str | None = None) -> Job:
    """Read a study.

    Args:
        files: The study's files.
        bundle: sha256 of the bundle that will predict on it.
        laterality: The knee to predict on, if the study shows both.
        series_uid: The series to predict on; None: the preferred one.

    Raises:
        InputError: See `load_study`.
    """
    started = time.perf_counter()
    selection = load_study(files, laterality=laterality, series=[series_uid] if series_uid else [])
    return Job.of(selection, bundle, round(1000 * (time.perf_counter() - started), 2))


class Decoded(NamedTuple):
    """A job, and its preprocessing as far as it needs no network.

    Attributes:
        job: The job.
        step: The screened volume if a localiser comes next, otherwise the network input.
    """

    job: Job
    step: Coarse | NetworkInput


class Needs(NamedTuple):
    """What a worker process must know about a bundle.

    Attributes:
        sha256: Digest of the bundle.
        recipe: The bundle's recipe.
        localises: Whether the bundle has a localiser.
    """

    sha256: str
    recipe: Recipe
    localises: bool


class Parcel(NamedTuple):
    """What a worker process returns for a study.

    Attributes:
        outcome: The decoded study, or the problem.
        arrays: The file that holds the arrays of `outcome`; None if `outcome` itself holds them.
    """

    outcome: Decoded | Problem
    arrays: Path | None = None


def decoded(
    studies: Sequence[Path], needs: Needs, workers: Workers, scratch: Path
) -> Iterator[tuple[Path, Decoded | Problem | None]]:
    """Decode studies in other processes, ahead of the network.

    If a study crashes the process that decodes it, this study gets a Problem and the others continue.
    If something else kills that process twice, the study gets None: nothing is known about it.

    Args:
        studies: Folders and zips.
        needs: What the workers must know about the bundle.
        workers: The processes.
        scratch: An empty folder, through which workers pass arrays; a cluster sends them over the network instead.

    Yields:
        Each study with its outcome, in order. Jobs have no voxels.

    Raises:
        OSError, MemoryError: A fault of a machine.
    """
    packing = partial(pack, needs=needs, scratch=None if workers.cluster else scratch)
    for study, parcel in zip(studies, workers.run_apart(packing, studies, NICE), strict=True):
        if isinstance(parcel, ProcessDied):
            crash = problem_of(MalformedInput("Decoding it crashes the decoding process."))
            yield study, None if parcel.killed else crash
        else:
            yield study, unpacked(parcel)


def pack(study: Path, needs: Needs, scratch: Path | None) -> Parcel:
    """Decode a folder or zip, and preprocess it as far as this needs no network.

    An error of the study is reported for this study only. Data that no answer needs is left out. Arrays are passed in a
    file, which takes a fifth of a pipe's time.

    Raises:
        OSError, MemoryError: A fault of the machine.
    """
    try:
        job = decode(study, needs.sha256)
        coarse = Coarse.of(job.volume)
        step = coarse if needs.localises else NetworkInput.of(coarse, needs.recipe)
    except MemoryError:
        raise
    except OSError as error:
        if error.errno not in OF_A_FILE:
            raise
        return Parcel(problem_of(MalformedInput(f"A file or folder of it can't be read ({error.strerror}).")))
    except Exception as error:
        return Parcel(reported(error))
    job = replace(_without_voxels(job), origins=())
    if scratch is None:
        return Parcel(Decoded(job, step))
    with tempfile.NamedTemporaryFile(dir=scratch, delete=False, suffix=".npz") as stream:
        np.savez(stream, allow_pickle=False, **_arrays(step))
    emptied = {name: array[:0] for name, array in _arrays(step).items()}
    return Parcel(Decoded(job, replace(step, **emptied)), Path(stream.name))


def unpacked(parcel: Parcel) -> Decoded | Problem:
    """The outcome with its arrays. The file of arrays is deleted."""
    if parcel.arrays is None or isinstance(parcel.outcome, Problem):
        return parcel.outcome
    with np.load(parcel.arrays) as arrays:
        step = replace(parcel.outcome.step, **dict(arrays))
    parcel.arrays.unlink()
    return parcel.outcome._replace(step=step)


def _without_voxels(job: Job) -> Job:
    return replace(job, volume=replace(job.volume, voxels=job.volume.voxels[:, :0, :0]))


def _arrays(step: Coarse | NetworkInput) -> dict[str, Any]:
    """The fields that are large."""
    if isinstance(step, NetworkInput):
        return {"slices": step.slices}
    return {"voxels": step.voxels}
