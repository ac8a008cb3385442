"""From a decoded study to its answer, without a service around it."""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app import answer
from app.database import Json
from app.job import Job
from app.problems import Problem, reported

if TYPE_CHECKING:  # Importing models loads Keras, for which batch's workers would wait.
    from models.predictor import Prediction, Predictor


@dataclass(frozen=True, eq=False)
class Judged:
    """An answer, and what its pictures and objects are made of."""

    job: Job
    prediction: "Prediction"
    answer: Json


def judge(predictor: "Predictor", job: Job | Problem) -> Judged | Problem:
    """What the service would answer; whatever goes wrong belongs to this study."""
    if isinstance(job, Problem):
        return job
    try:
        started = time.perf_counter()
        prediction = predictor.predict(job.volume)
        total_ms = job.decode_ms + 1000 * (time.perf_counter() - started)
        return Judged(job, prediction, answer.done(job, predictor.bundle, prediction, total_ms))
    except Exception as error:
        return reported(error)
