"""From a decoded study to its answer, without a service around it."""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.contract.problems import Problem, reported
from app.jobs import answer
from app.jobs.decoding import Ready
from app.store.database import Json
from app.store.job import Job

if TYPE_CHECKING:  # Importing models loads Keras, for which batch's workers would wait.
    from models.predictor import Prediction, Predictor


@dataclass(frozen=True, eq=False)
class Judged:
    """An answer, and what its pictures and objects are made of (a study that came as a parcel has no pixels)."""

    job: Job
    prediction: "Prediction"
    answer: Json


def judge(predictor: "Predictor", study: Ready | Problem) -> Judged | Problem:
    """What the service would answer; whatever goes wrong belongs to this study."""
    if isinstance(study, Problem):
        return study
    job, prepared = study
    try:
        started = time.perf_counter()
        prediction = predictor.judge(prepared)
        total_ms = job.decode_ms + prepared.took_ms + 1000 * (time.perf_counter() - started)
        return Judged(job, prediction, answer.done(job, predictor.bundle, prediction, total_ms))
    except Exception as error:
        return reported(error)
