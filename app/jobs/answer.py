"""From a job to its answer: the prediction, and the JSON of the HTTP contract. The service and batches use this."""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.contract.json_text import Json
from app.contract.masks import runs_of
from app.contract.problems import Problem
from app.contract.schemas import (
    AnsweringBundle,
    Done,
    Explanation,
    Localisation,
    Notice,
    PassedOverSeries,
    Result,
    Slice,
    Study,
    Timing,
    VolumeSize,
)
from app.jobs.operating_point import operating_point_of
from app.results import colour_scale
from app.store.job import Job
from app.store.superseding import REQUEST
from data_prep.network_input.coarse import Coarse
from data_prep.network_input.network_input import NetworkInput

if TYPE_CHECKING:  # Importing models loads Keras, which would delay worker processes and the service's start.
    from models.bundle import Bundle
    from models.predictor import Prediction, Predictor

NOTICE = "Research use only, not for diagnosis."


@dataclass(frozen=True, eq=False)
class Answered:
    """A job with its prediction and answer. A job from a worker process has no voxels."""

    job: Job
    prediction: "Prediction"
    answer: Json


def answered(predictor: "Predictor", job: Job, step: Coarse | NetworkInput | None = None) -> Answered:
    """Predict and write the answer.

    The answer's `timing_ms.total` is the time for decoding and computing, without waiting.

    Args:
        predictor: Holds the loaded bundle.
        job: The accepted study.
        step: The part of the preprocessing that is done already; None if nothing is.

    Raises:
        UnsuitableStudy: There is nothing to predict on.
    """
    started = time.perf_counter()
    prediction = predictor.predict(job.volume) if step is None else predictor.predict_from(step)
    before = job.decode_ms + (step.took_ms if step else 0.0)
    total_ms = before + 1000 * (time.perf_counter() - started)
    return Answered(job, prediction, done(job, predictor.bundle, prediction, total_ms))


def done(job: Job, bundle: "Bundle", prediction: "Prediction", total_ms: float) -> Json:
    """The whole answer."""
    explanation = _explanation(job, bundle, prediction)
    answer = Done(
        id=job.id,
        status="done",
        created=job.created,
        notice=NOTICE,
        bundle=AnsweringBundle(
            name=bundle.name,
            sha256=bundle.sha256,
            route=bundle.manifest["route"],
            trained_on=bundle.manifest["trained_on"],
            trained_at=bundle.manifest.get("trained_at"),
            research_use_only=True,
        ),
        study=_study(job, prediction),
        result=_result(bundle, prediction),
        explanation=explanation,
        warnings=[
            *(Notice(code=notice.code, message=notice.message) for notice in prediction.notices),
            *colour_scale.warnings(explanation.scale),
        ],
        # Pictures are drawn on request, so rendering takes no time here.
        timing_ms=Timing(decode=job.decode_ms, **prediction.timing_ms, render=0.0, total=round(total_ms, 2)),
    )
    return answer.model_dump(mode="json")


def failed(id_: str, problem: Problem) -> Json:
    """The answer of a job that failed."""
    return {"id": id_, "status": "failed", "problem": problem.document()}


def _study(job: Job, prediction: "Prediction") -> Study:
    volume = job.volume
    slices, rows, columns = prediction.footprint.volume_shape
    return Study(
        study_uid=volume.study_uid,
        series_uid=volume.series_uid,
        volume=VolumeSize(slices=slices, rows=rows, columns=columns, spacing_mm=volume.spacing_mm),
        laterality=volume.laterality,
        series_chosen_by=REQUEST if job.asked else None,
        localisation=_localisation(prediction),
        passed_over=[PassedOverSeries(series_uid=other.series_uid, reason=other.reason) for other in job.passed_over],
    )


def _localisation(prediction: "Prediction") -> Localisation | None:
    located = prediction.located
    if located is None:
        return None
    mask = None if located.mask is None else runs_of(located.mask)
    return Localisation(found=located.box is not None, box=located.box, mask=mask)


def _result(bundle: "Bundle", prediction: "Prediction") -> Result:
    classes = prediction.scheme.classes
    return Result(
        scheme=prediction.scheme.name,
        classes=list(classes),
        probabilities=dict(zip(classes, prediction.probabilities.tolist(), strict=True)),
        predicted=classes[int(prediction.probabilities.argmax())],
        logits=dict(zip(classes, prediction.logits.tolist(), strict=True)),
        operating_point=operating_point_of(bundle, prediction),
    )


def _explanation(job: Job, bundle: "Bundle", prediction: "Prediction") -> Explanation:
    class_index = prediction.explained_class
    contributions = prediction.contributions()[class_index].tolist()
    slices = []
    for index, (sop_uid, contribution) in enumerate(zip(job.volume.sop_uids, contributions, strict=True)):
        place = f"/v1/predictions/{job.id}/slices/{index}"
        pictures = {kind: f"{place}/{kind}.png" for kind in ("image", "heatmap", "overlay")}
        slices.append(Slice(index=index, sop_uid=sop_uid, contribution=contribution, **pictures))
    return Explanation(
        method=prediction.method.name,
        exact=prediction.method.exact,
        class_=prediction.scheme.classes[class_index],
        bias=float(prediction.bias[class_index]),
        scale=colour_scale.scale_of(bundle, prediction, class_index, job.volume.spacing_mm),
        slices=slices,
    )
