"""`/v1/predictions`: a study in, the answer and its deletion."""

import threading
import time
from concurrent.futures import wait

from flask import Blueprint, Response, g, jsonify, request

from app.database import Json
from app.problems import problem_response
from app.service import service
from app.store import Job
from app.uploads import received
from data_prep.series import load_study

blueprint = Blueprint("predictions", __name__, url_prefix="/v1/predictions")

# Decoding holds a whole study in memory. More at one time than this only makes each of them slower.
DECODERS = threading.BoundedSemaphore(2)
QUEUED_RETRY_AFTER_S = 1


@blueprint.post("")
def create() -> Response:
    """Take a study; answer with its prediction (201, or 200 if it's known) or, if that takes too long, with 202."""
    engine, settings = service().engine, service().settings
    bundle = engine.bundle(request.args.get("bundle"))
    with received(request) as files, DECODERS:
        started = time.perf_counter()
        selection = load_study(files)
        decode_ms = round(1000 * (time.perf_counter() - started), 2)
    job = Job.of(selection, bundle.sha256, decode_ms)
    g.prediction_id = job.id
    future, is_new = engine.submit(job)
    hurried = _wants_no_wait()
    wait([future], timeout=0 if hurried else settings.wait_s)
    response = _present(future.result() if future.done() else {"id": job.id, "status": "queued"})
    if response.status_code == 200 and is_new:
        response.status_code = 201
    response.headers["Location"] = f"/v1/predictions/{job.id}"
    if hurried and response.status_code == 202:
        response.headers["Preference-Applied"] = "respond-async"
    return response


@blueprint.get("/<id_>")
def read(id_: str) -> Response:
    """The answer as it stands: done, queued, or failed with the problem."""
    answer = service().store.answer(id_)
    g.prediction_id = id_
    return jsonify(answer)


@blueprint.delete("/<id_>")
def delete(id_: str) -> Response:
    """Forget a study: pixels, answer and maps."""
    service().store.delete(id_)
    g.prediction_id = id_
    return Response(status=204)


def _wants_no_wait() -> bool:
    """RFC 7240, section 4.1."""
    preferences = ",".join(request.headers.getlist("Prefer")).split(",")
    return "respond-async" in {preference.partition(";")[0].strip().lower() for preference in preferences}


def _present(answer: Json) -> Response:
    if answer["status"] == "failed":
        return problem_response(answer["problem"])
    response = jsonify(answer)
    if answer["status"] == "queued":
        response.status_code = 202
        response.headers["Retry-After"] = str(QUEUED_RETRY_AFTER_S)
    return response
