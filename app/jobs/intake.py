"""From files to a job in the queue. Requests, STOW-RS and C-STORE share this."""

from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import BinaryIO

from app.contract.json_text import Json
from app.jobs.apart import Pool
from app.jobs.decoding import decode_apart
from app.jobs.engine import Engine
from data_prep.selection.side import Side

# Shared by all that receive studies: decoding holds a whole study in memory.
DECODERS = Pool()


@dataclass(frozen=True)
class Accepted:
    """A job that is in the store.

    Attributes:
        answer: The future answer.
        is_new: Whether the job is computed for the first time.
    """

    id: str
    answer: "Future[Json]"
    is_new: bool


def accept(
    engine: Engine, files: Iterable[tuple[str, BinaryIO]], bundle: str, laterality: Side | None = None
) -> Accepted:
    """Decode a study and give it to the engine.

    Args:
        engine: The engine.
        files: Names and open files, one after the other.
        bundle: sha256 of the bundle.
        laterality: The knee to predict on, if the study shows both.

    Raises:
        InputError: See `load_study`; also if it takes too much time or memory.
        TooManyRequests: The queue is full.
    """
    job = decode_apart(DECODERS, files, bundle, laterality)
    answer, is_new = engine.submit(job)
    return Accepted(job.id, answer, is_new)
