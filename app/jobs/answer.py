"""The JSON answer of the HTTP contract: what a prediction says, in the words that clients rely on."""

from typing import TYPE_CHECKING

from app.contract.problems import Problem
from app.contract.schemas import (
    AnsweringBundle,
    Done,
    Explanation,
    PassedOverSeries,
    Result,
    Size,
    Slice,
    Study,
    Timing,
    Warned,
)
from app.results import colour_scale
from app.store.database import Json
from app.store.job import Job

if TYPE_CHECKING:  # Importing models loads Keras, and that's for the engine's thread.
    from models.bundle import Bundle
    from models.predictor import Prediction

NOTICE = "Research use only, not for diagnosis."


def done(job: Job, bundle: "Bundle", prediction: "Prediction", total_ms: float) -> Json:
    """The whole answer. total_ms: decoding and computing, without the time in the queue."""
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
            research_use_only=True,
        ),
        study=_study(job, prediction.footprint.volume_shape),
        result=_result(prediction),
        explanation=explanation,
        warnings=[
            *(Warned(code=notice.code, message=notice.message) for notice in prediction.notices),
            *colour_scale.warnings(explanation.scale),
        ],
        # Pictures are drawn when somebody asks for them, so rendering takes nothing here.
        timing_ms=Timing(decode=job.decode_ms, **prediction.timing_ms, render=0.0, total=round(total_ms, 2)),
    )
    return answer.model_dump(mode="json")


def failed(id_: str, problem: Problem) -> Json:
    """The answer of a job that can't be answered."""
    return {"id": id_, "status": "failed", "problem": problem.document()}


def _study(job: Job, shape: tuple[int, int, int]) -> Study:
    volume = job.volume
    slices, rows, columns = shape
    return Study(
        study_uid=volume.study_uid,
        series_uid=volume.series_uid,
        volume=Size(slices=slices, rows=rows, columns=columns, spacing_mm=volume.spacing_mm),
        laterality=volume.laterality,
        passed_over=[PassedOverSeries(series_uid=other.series_uid, reason=other.reason) for other in job.passed_over],
    )


def _result(prediction: "Prediction") -> Result:
    classes = prediction.scheme.classes
    return Result(
        scheme=prediction.scheme.name,
        classes=list(classes),
        probabilities=dict(zip(classes, prediction.probabilities.tolist(), strict=True)),
        predicted=classes[int(prediction.probabilities.argmax())],
        logits=dict(zip(classes, prediction.logits.tolist(), strict=True)),
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
        scale=colour_scale.told(bundle, prediction, class_index, job.volume.spacing_mm),
        slices=slices,
    )
