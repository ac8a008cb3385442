"""From files to a job in the queue. Requests, STOW-RS and C-STORE share this."""

from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import BinaryIO

from app.apart.pool import Pool
from app.contract.json_text import Json
from app.jobs.engine import Engine
from app.jobs.reading import read_apart
from data_prep.deidentify.deidentifier import Deidentifier
from data_prep.selection.side import Side

# Shared by all that receive studies: decoding holds a whole study in memory.
DECODERS = Pool()


@dataclass(frozen=True)
class Accepted:
    """A job that is in the store.

    Attributes:
        answer: The future answer.
        is_new: Whether the job is computed for the first time.
        preambles: How many files had a preamble that isn't blank.
    """

    id: str
    answer: "Future[Json]"
    is_new: bool
    preambles: int


def accept(
    engine: Engine,
    files: Iterable[tuple[str, BinaryIO]],
    bundle: str,
    laterality: Side | None = None,
    deidentifier: Deidentifier | None = None,
    performed: Mapping[str, int] | None = None,
    series_uid: str | None = None,
) -> Accepted:
    """Decode a study and give it to the engine.

    Args:
        engine: The engine.
        files: Names and open files, one after the other.
        bundle: sha256 of the bundle.
        laterality: The knee to predict on, if the study shows both.
        deidentifier: Removes the patient's identity from the files; None if it may stay, or is removed already.
        performed: How many images modalities have made of each series, by SeriesInstanceUID, as far as they say.
        series_uid: The series to predict on; None: the service chooses.

    Raises:
        InputError: See `read_apart`; also if it takes too much time or memory.
        TooManyRequests: The queue is full.
    """
    job = engine.asked_again(read_apart(DECODERS, files, bundle, laterality, deidentifier, performed, series_uid))
    answer, is_new = engine.submit(job)
    return Accepted(job.id, answer, is_new, job.preambles)
