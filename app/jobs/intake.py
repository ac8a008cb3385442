"""From files to a job in work: what requests, STOW-RS and C-STORE share."""

import threading
from concurrent.futures import Future
from dataclasses import dataclass

from app.contract.json_text import Json
from app.jobs.decoding import decode
from app.jobs.engine import Engine
from data_prep.dicom.archive import StudyFiles
from data_prep.selection.side import Side

# Decoding holds a whole study in memory. More at one time than this only makes each of them slower.
DECODERS = threading.BoundedSemaphore(2)


@dataclass(frozen=True)
class Accepted:
    """A job that is safe in the store. answer: to come. is_new: whether it is computed for the first time."""

    id: str
    answer: "Future[Json]"
    is_new: bool


def accept(engine: Engine, files: StudyFiles, bundle: str, laterality: Side | None = None) -> Accepted:
    """Decode a study and give it to the engine. bundle: sha256; laterality: the knee that is meant, of two.

    Raises what `load_study` and `Engine.submit` raise.
    """
    with DECODERS:
        job = decode(files, bundle, laterality)
    answer, is_new = engine.submit(job)
    return Accepted(job.id, answer, is_new)
