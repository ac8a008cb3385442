"""From files to a job in the queue. Requests, STOW-RS and C-STORE share this."""

import threading
from concurrent.futures import Future
from dataclasses import dataclass

from app.contract.json_text import Json
from app.jobs.decoding import decode
from app.jobs.engine import Engine
from data_prep.dicom.archive import StudyFiles
from data_prep.selection.side import Side

# Decoding holds a whole study in memory. Decoding more studies at one time only makes each of them slower.
DECODERS = threading.BoundedSemaphore(2)


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


def accept(engine: Engine, files: StudyFiles, bundle: str, laterality: Side | None = None) -> Accepted:
    """Decode a study and give it to the engine.

    Args:
        engine: The engine.
        files: The study's files.
        bundle: sha256 of the bundle.
        laterality: The knee to predict on, if the study shows both.

    Raises:
        InputError: See `load_study`.
        TooManyRequests: The queue is full.
    """
    with DECODERS:
        job = decode(files, bundle, laterality)
    answer, is_new = engine.submit(job)
    return Accepted(job.id, answer, is_new)
