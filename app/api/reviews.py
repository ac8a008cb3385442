"""`/v1/predictions/{id}/reviews`: what readers say of a prediction."""

from typing import Annotated

from apiflask import APIBlueprint
from flask import Response, g, jsonify, request
from pydantic import Field, ValidationError
from pydantic.json_schema import SkipJsonSchema
from werkzeug.exceptions import NotFound, RequestEntityTooLarge

from app.api.done import done
from app.contract import masks
from app.contract.reviews import NewReview, Review, Reviews
from app.http.responses import RequestParameters, answers, refers, says, sends
from app.results.of_record import result_of
from app.reviews.classes import allowed
from app.reviews.reviews import ReviewStore
from app.reviews.segment import segment
from app.reviews.sight import sight
from app.service.parts import service
from app.store.record import Record, missing
from data_prep.errors import InputOverLimit, MalformedBody, MalformedInput, UnsupportedInput

blueprint = APIBlueprint("reviews", __name__, tag="Reviews", url_prefix="/v1/predictions/<id>/reviews")

JSON, DICOM = "application/json", "application/dicom"
BODY = {
    "description": "What the reader says. It is added to the reviews; nothing is replaced.",
    "required": True,
    "content": {JSON: {"schema": refers(NewReview)}},
}


class Repeatable(RequestParameters):
    """Headers of a POST."""

    idempotency_key: Annotated[str, Field(pattern="^[!-~]{1,64}$")] | SkipJsonSchema[None] = None
    """A text that the client makes up for one review, such as a UUID. If the same review comes with it again, it isn't
    stored twice (draft-ietf-httpapi-idempotency-key-header)."""


@blueprint.get("")
@blueprint.doc(responses=answers({200: says(Reviews, "The reviews.")}, 404, 409))
def find(id: str) -> Response:
    """The reviews of a prediction, the oldest first, without masks.

    If the operator wants it so, other readers' reviews aren't shown before the caller has given one.
    """
    done(id, "answer to review")
    reader = g.caller.id
    seen = sight(service().settings, reader, _store().of(id))
    return jsonify(Reviews(prediction=id, reader=reader, **seen._asdict()).model_dump())


@blueprint.get("/<review>")
@blueprint.doc(responses=answers({200: says(Review, "The review with its mask.")}, 404, 409))
def read(id: str, review: str) -> Response:
    """One review with its mask."""
    done(id, "answer to review")
    return jsonify(_visible(id, review).model_dump())


@blueprint.get("/<review>/seg.dcm")
@blueprint.doc(responses=answers({200: sends(DICOM, "A DICOM file (PS3.10).")}, 404, 409, 410))
def segmentation(id: str, review: str) -> Response:
    """What the reader drew, as a DICOM Segmentation in the same study."""
    record = done(id, "answer to review")
    found, result = _visible(id, review), result_of(record, service().settings.site)
    if not found.mask:
        raise NotFound("Nothing is drawn in this review.")
    drawn = masks.drawn(found.mask, result.volume.shape)
    return Response(segment(result, found, drawn), mimetype=DICOM)


@blueprint.post("")
@blueprint.input(Repeatable, location="headers", arg_name="headers")
@blueprint.doc(
    responses=answers(
        {
            201: says(Review, "It is stored.", "Location"),
            200: says(Review, "This Idempotency-Key has stored it before.", "Location"),
        },
        *(400, 404, 409, 413, 415, 422),
    ),
    extensions={"requestBody": BODY},
)
def add(id: str, headers: Repeatable) -> Response:
    """Give a review. The reader is the caller's key or the user that a trusted proxy names.

    Earlier reviews stay. Of each reader, the latest one counts.
    """
    sent, record = _sent(), done(id, "answer to review")
    _check(sent, record)
    classes = allowed(sent, record.answer["result"])
    added = _store().add(id, g.caller.id, sent, classes, headers.idempotency_key)
    if added is None:
        raise missing()
    response = jsonify(added.review.model_dump())
    response.status_code = 201 if added.is_new else 200
    response.headers["Location"] = f"/v1/predictions/{id}/reviews/{added.review.id}"
    return response


def _store() -> ReviewStore:
    return ReviewStore(service().database)


def _visible(id: str, review: str) -> Review:
    """A review that the caller may see. Raises NotFound."""
    seen = sight(service().settings, g.caller.id, _store().of(id)).reviews
    found = _store().one(id, review) if any(one.id == review for one in seen) else None
    if found is None:
        raise NotFound("There is no review of this id, or you can't see it before you have given your own.")
    return found


def _sent() -> NewReview:
    """The review in the body. Raises InputError if the body is too long, or isn't one."""
    if request.mimetype != JSON:
        raise UnsupportedInput(f"Content-Type must be {JSON}.")
    request.max_content_length = masks.MOST_BYTES
    try:
        return NewReview.model_validate_json(request.get_data(cache=False))
    except RequestEntityTooLarge:
        raise InputOverLimit(f"A review may have {masks.MOST_BYTES >> 20} MB.") from None
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False, include_context=False)[0]
        if fault["type"] == "json_invalid":
            raise MalformedBody("The body isn't JSON, or it is incomplete.") from None
        # Names of fields that the client made up aren't repeated.
        place = ".".join(map(str, fault["loc"])) if fault["type"] != "extra_forbidden" else "A field"
        raise MalformedInput(f"{place or 'The review'}: {fault['msg'].removeprefix('Value error, ')}.") from None


def _check(sent: NewReview, record: Record) -> None:
    """Check that mask and box lie in the volume. Raises MalformedInput."""
    size = record.answer["study"]["volume"]
    shape = size["slices"], size["rows"], size["columns"]
    masks.check(sent.mask, shape)
    if sent.box and not all(start < stop <= end for (start, stop), end in zip(sent.box, shape, strict=True)):
        raise MalformedInput("box: it is empty, or doesn't lie in the volume.")
