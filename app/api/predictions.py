"""`/v1/predictions`: send a study, read its answer, delete it."""

from concurrent.futures import wait
from typing import Annotated, Literal, Self
from urllib.parse import urlencode

from apiflask import APIBlueprint
from flask import Response, g, jsonify, request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.json_schema import SkipJsonSchema
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge

from app.apart.messages import Uid
from app.contract.json_text import Json
from app.contract.problems import problem_response
from app.contract.schemas import Answer, Done, Page, Queued
from app.http.responses import OptionalText, RequestParameters, answers, binary, says
from app.http.uploads import MAX_PARTS, MULTIPART, received
from app.jobs.intake import Accepted, accept
from app.service.parts import service
from data_prep.errors import InputOverLimit
from data_prep.selection.side import Side

blueprint = APIBlueprint("predictions", __name__, tag="Predictions", url_prefix="/v1/predictions")

QUEUED_RETRY_AFTER_S = 1
JSON = "application/json"
# A body that names a study is shorter than this.
HELD_STUDY_BYTES = 1000
TIME = "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$"


class HeldStudy(BaseModel):
    """A study that came by DICOMweb or DIMSE. The prediction starts at once, with the instances received so far."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    study_uid: Uid
    """Its StudyInstanceUID."""

    @classmethod
    def sent(cls) -> Self:
        """The study that the current request's body names. Raises BadRequest or InputOverLimit for another body."""
        try:
            return cls.model_validate_json(request.stream.read(HELD_STUDY_BYTES))
        except RequestEntityTooLarge:
            raise InputOverLimit(f"A body that names a study has at most {HELD_STUDY_BYTES} bytes.") from None
        except ValidationError:
            raise BadRequest('The body must be {"study_uid": "..."} with a UID: digits and dots.') from None


PARTS = {"type": "array", "minItems": 1, "maxItems": MAX_PARTS, "items": binary("A DICOM instance or a zip of them.")}
STUDY = {
    "description": "One study of one knee. If it shows two knees, `?laterality=` names the one to predict on.",
    "required": True,
    "content": {
        "application/zip": {"schema": binary("DICOM instances in any folders; other files may be among them.")},
        MULTIPART: {"schema": {"type": "object", "required": ["file"], "properties": {"file": PARTS}}},
        "application/dicom": {"schema": binary("One enhanced multi-frame instance.")},
        "application/octet-stream": {"schema": binary("A zip or an instance; other usual types are allowed, too.")},
        JSON: {"schema": HeldStudy.model_json_schema()},
    },
}


class PredictionQuery(RequestParameters):
    """Query of a POST."""

    bundle: OptionalText = None
    """Name of the bundle; without it, that of the rule for a held study, or else the default bundle."""
    laterality: Side | SkipJsonSchema[None] = None
    """The knee to predict on, if the study shows both. Refused if the study is known to show only the other knee."""
    series_uid: Uid | SkipJsonSchema[None] = None
    """The series to predict on, instead of the one that the service prefers. Refused if it can't be predicted on."""


class Preference(RequestParameters):
    """Headers of a POST."""

    prefer: OptionalText = None
    """`respond-async` asks for a 202 at once."""

    def no_wait(self) -> bool:
        """Whether the client prefers not to wait (RFC 7240, section 4.1)."""
        return "respond-async" in {one.partition(";")[0].strip().lower() for one in (self.prefer or "").split(",")}


class SearchQuery(RequestParameters):
    """Query of a search."""

    study_uid: OptionalText = None
    """Only predictions on this study."""
    status: Literal["queued", "done", "failed"] | SkipJsonSchema[None] = None
    """Only predictions in this state."""
    since: Annotated[str, Field(pattern=TIME)] | SkipJsonSchema[None] = None
    """Only predictions accepted at this time or later, in UTC: `2026-11-21T09:30:00Z`."""
    limit: int = Field(100, ge=1, le=500)
    """The maximum number of predictions."""
    after: OptionalText = None
    """Id of the last prediction on the previous page."""


@blueprint.post("")
@blueprint.input(PredictionQuery, location="query", arg_name="query")
@blueprint.input(Preference, location="headers", arg_name="preference")
@blueprint.doc(
    responses=answers(
        {
            201: says(Done, "The answer.", "Location"),
            200: says(Done, "Known already: the same pixels, geometry and UIDs with the same bundle.", "Location"),
            202: says(
                Queued, "Accepted; the answer will be at `Location`.", "Location", "Retry-After", "Preference-Applied"
            ),
        },
        *(400, 404, 413, 415, 422, 429, 503),
    ),
    extensions={"requestBody": STUDY},
)
def create(query: PredictionQuery, preference: Preference) -> Response:
    """Send a study, or name a study that the service holds.

    The answer comes at once (201, or 200 if the study is known) or, if it takes too long, later (202).
    """
    if request.mimetype == JSON:
        uid = HeldStudy.sent().study_uid
        accepted = service().studies.predict(uid, query.bundle, query.laterality, query.series_uid)
    else:
        engine = service().engine
        bundle = engine.bundle(query.bundle)
        with received(request) as files:
            accepted = accept(
                *(engine, files, bundle.sha256, query.laterality),
                deidentifier=service().settings.deidentifier,
                series_uid=query.series_uid,
            )
    return _awaited(accepted, hurried=preference.no_wait())


@blueprint.get("")
@blueprint.input(SearchQuery, location="query", arg_name="query")
@blueprint.doc(responses=answers({200: says(Page, "A page of them.")}, 400, 404))
def find(query: SearchQuery) -> Response:
    """Find predictions by study, status and time, the oldest first."""
    found = service().store.answers(query.limit + 1, query.after, query.study_uid, query.status, query.since)
    page, more = found[: query.limit], found[query.limit :]
    following = urlencode(query.model_dump(exclude_none=True) | {"after": page[-1]["id"]}) if more else ""
    return jsonify({"predictions": page, "next": f"{blueprint.url_prefix}?{following}" if more else None})


@blueprint.get("/<id>")
@blueprint.doc(responses=answers({200: says(Answer, "The answer in its current state.")}, 404))
def read(id: str) -> Response:
    """The answer in its current state: done, queued, or failed with the problem."""
    answer = service().store.read(id).answer
    g.prediction_id = id
    return jsonify(answer)


@blueprint.delete("/<id>")
@blueprint.doc(responses=answers({204: {"description": "It is deleted."}}, 404))
def delete(id: str) -> Response:
    """Delete a prediction: pixels, answer, maps and DICOM results. Instances received by DICOMweb or DIMSE stay."""
    service().studies.forget_prediction(id)
    g.prediction_id = id
    return Response(status=204)


def _awaited(accepted: Accepted, hurried: bool) -> Response:
    g.prediction_id, g.answer, g.preambles = accepted.id, accepted.answer, accepted.preambles
    wait([accepted.answer], timeout=0 if hurried else service().settings.wait_s)
    response = _present(accepted.answer.result() if accepted.answer.done() else {"id": accepted.id, "status": "queued"})
    if response.status_code == 200 and accepted.is_new:
        response.status_code = 201
    response.headers["Location"] = f"/v1/predictions/{accepted.id}"
    if hurried and response.status_code == 202:
        response.headers["Preference-Applied"] = "respond-async"
    return response


def _present(answer: Json) -> Response:
    if answer["status"] == "failed":
        return problem_response(answer["problem"])
    response = jsonify(answer)
    if answer["status"] == "queued":
        response.status_code = 202
        response.headers["Retry-After"] = str(QUEUED_RETRY_AFTER_S)
    return response
