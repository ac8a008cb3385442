"""Descriptions of what a route accepts and answers, for `@blueprint.doc(responses=answers(...))`."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic.json_schema import SkipJsonSchema

from app.contract.schemas import ResponseModel

Document = dict[str, Any]
Responses = dict[int | str, Document]
# A parameter that a client may leave out. It can't be null.
OptionalText = str | SkipJsonSchema[None]

REFERENCE = "#/components/schemas/{model}"
PROBLEM_TYPE = "application/problem+json"
PROBLEMS: dict[int | str, str] = {
    400: "The body as such is empty, damaged or incomplete; or a parameter has an invalid value.",
    401: "No key was sent, or it isn't valid.",
    403: "The key doesn't have the scope that this needs.",
    404: "Not found; it may have been deleted.",
    406: "The service has none of the types in `Accept`.",
    409: "The prediction isn't done, so there is nothing to show or to review.",
    410: "Its pixels or maps have expired, or another prediction has replaced it; the sentence says which.",
    413: "Over a limit: bytes, files, pixels, compression ratio.",
    415: "A Content-Type or transfer syntax that isn't supported.",
    414: "The request line is too long.",
    422: "The content can't be used: not DICOM, cut short, headers or pixels that can't be right; or there is nothing "
    "to predict on: no sagittal MR, too few slices, a missing or damaged slice, two knees.",
    429: "Too many studies are waiting, too many requests came with this key, or too many wrong keys came from this "
    "address; `Retry-After` says when to try again.",
    431: "Too many headers, or too long ones.",
    503: "Not ready: the model is being loaded, or the database or the disk can't be used; the sentence says which.",
    "default": "Any other problem.",
}
HEADERS = {
    "Location": "The path of the prediction or review.",
    "Retry-After": "Seconds.",
    "ETag": "Names this version of the answer, for `If-None-Match`.",
    "Preference-Applied": "`respond-async`, if the client asked for it.",
    "WWW-Authenticate": "`Bearer`.",
    "Warning": "`299` and a sentence for people: what wasn't stored and why, that a search has more results, "
    "how many instances aren't shown, or which parameters were ignored.",
}
# Headers that these problems always have.
PROBLEM_HEADERS: dict[int | str, tuple[str, ...]] = {
    401: ("WWW-Authenticate",),
    429: ("Retry-After",),
    503: ("Retry-After",),
}


class RequestParameters(BaseModel):
    """Base of the parameters of a route, in the query or in headers."""

    model_config = ConfigDict(use_attribute_docstrings=True)


def says(model: type[ResponseModel], description: str, *headers: str) -> Document:
    """A response in JSON. `headers` are names from `HEADERS`."""
    return response(description, {"application/json": refers(model)}, *headers)


def sends(media_type: str, description: str) -> Document:
    """A response that is a file."""
    return response(description, {media_type: binary(description)})


def answers(by_status: Mapping[int, Document], *wrong: int) -> Responses:
    """All responses of a route: the good ones by status, and problems with the statuses `wrong`."""
    responses: Responses = dict(by_status.items())
    return responses | problems(*wrong)


def problems(*statuses: int | str) -> Responses:
    """Problem responses with these statuses, described by `PROBLEMS`."""
    content = {PROBLEM_TYPE: {"$ref": REFERENCE.format(model="Problem")}}
    return {status: response(PROBLEMS[status], content, *PROBLEM_HEADERS.get(status, ())) for status in statuses}


def refers(model: type[ResponseModel]) -> Document:
    """The schema of a model."""
    return {"$ref": REFERENCE.format(model=model.__name__)}


def binary(description: str) -> Document:
    """The schema of bytes."""
    return {"type": "string", "format": "binary", "description": description}


def response(description: str, schemas: Mapping[str, Document], *headers: str) -> Document:
    """A response.

    Args:
        description: What it contains.
        schemas: The schema for each media type that a client may get.
        headers: Names from `HEADERS`.
    """
    content = {media_type: {"schema": schema} for media_type, schema in schemas.items()}
    described: Document = {"description": description, "content": content}
    if headers:
        described["headers"] = {name: {"description": HEADERS[name], "schema": {"type": "string"}} for name in headers}
    return described
