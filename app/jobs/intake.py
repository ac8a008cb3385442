"""From files to a job under way: the one way in, whether they came by POST, by STOW-RS or by C-STORE."""

import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass

from app.jobs.engine import Engine
from app.store.database import Json
from app.store.job import Job
from data_prep.dicom.archive import Source
from data_prep.selection.series import load_study
from data_prep.selection.side import Side

# Decoding holds a whole study in memory. More at one time than this only makes each of them slower.
DECODERS = threading.BoundedSemaphore(2)


@dataclass(frozen=True)
class Accepted:
    """A job that is safe in the store. answer: to come; is_new: whether it is computed for the first time."""

    id: str
    answer: "Future[Json]"
    is_new: bool


def accept(engine: Engine, files: Source, bundle: str, laterality: Side | None = None) -> Accepted:
    """Decode a study and hand it to the engine. bundle: sha256; laterality: the knee that is meant, of two.

    Raises what `load_study` and `Engine.submit` raise.
    """
    with DECODERS:
        started = time.perf_counter()
        selection = load_study(files, laterality=laterality)
        decode_ms = round(1000 * (time.perf_counter() - started), 2)
    job = Job.of(selection, bundle, decode_ms)
    answer, is_new = engine.submit(job)
    return Accepted(job.id, answer, is_new)
