"""`/v1/deliveries`: which results have reached their targets, and another try for those that haven't."""

from typing import Annotated, Literal
from urllib.parse import urlencode

from apiflask import APIBlueprint
from flask import Response, g, jsonify
from pydantic import Field
from pydantic.json_schema import SkipJsonSchema

from app.contract.schemas import Delivery, DeliveryPage, Retried
from app.http.responses import OptionalText, RequestParameters, answers, says
from app.service.parts import service
from app.store import database
from app.store.job import written

blueprint = APIBlueprint("deliveries", __name__, tag="Deliveries", url_prefix="/v1/deliveries")

# Between prediction and target in `after`. Ids of predictions don't contain it.
BETWEEN = "@"


class Chosen(RequestParameters):
    """Which deliveries a request is about."""

    prediction: OptionalText = None
    """Only those of this prediction."""
    target: OptionalText = None
    """Only those to this target, as `target` in the answer names it."""


class SearchQuery(Chosen):
    """Query of a search."""

    state: Literal["waiting", "delivered", "dead"] | SkipJsonSchema[None] = None
    """Only those in this state."""
    limit: int = Field(100, ge=1, le=500)
    """The maximum number of deliveries."""
    after: Annotated[str, Field(pattern=f"^[0-9a-f]{{32}}{BETWEEN}.+$")] | SkipJsonSchema[None] = None
    """The last delivery on the previous page: prediction, `@`, target. `next` contains it."""


class RetryQuery(Chosen):
    """Query of a retry."""

    state: Literal["waiting", "dead"] = "dead"
    """`dead`: begin anew. `waiting`: try at once what is due later, as the next one of its tries."""


@blueprint.get("")
@blueprint.input(SearchQuery, location="query", arg_name="query")
@blueprint.doc(responses=answers({200: says(DeliveryPage, "A page of deliveries.")}, 400))
def search(query: SearchQuery) -> Response:
    """Deliveries of DICOM results, page by page."""
    prediction, _, target = (query.after or "").partition(BETWEEN)
    key = (prediction, target) if query.after else None
    found = service().deliveries.find(query.limit + 1, query.state, query.prediction, query.target, key)
    page, more = found[: query.limit], len(found) > query.limit
    following = ""
    if more:
        after = f"{page[-1].prediction}{BETWEEN}{page[-1].target}"
        following = f"{blueprint.url_prefix}?" + urlencode(query.model_dump(exclude_none=True) | {"after": after})
    return jsonify(DeliveryPage(deliveries=[_shown(row) for row in page], next=following or None).model_dump())


@blueprint.post("/retry")
@blueprint.input(RetryQuery, location="query", arg_name="query")
@blueprint.doc(responses=answers({200: says(Retried, "They will be tried at once.")}, 400))
def retry(query: RetryQuery) -> Response:
    """Try deliveries again: dead ones as if for the first time, waiting ones as the next one of their tries.

    Deliveries that are being tried at this moment, and deliveries to targets that are no longer configured, stay as
    they are.
    """
    who = {"key": g.caller.key, "user": g.caller.user, "address": g.address or None}
    retried = service().deliveries.retry(query.state, query.prediction, query.target, **who)
    return jsonify(Retried(retried=retried).model_dump())


def _shown(row: database.Delivery) -> Delivery:
    shown = {name: getattr(row, name) for name in ("prediction", "target", "state", "attempts", "outcome")}
    content = "rejection note" if row.note else "results"
    next_try = None if row.due is None else written(row.due)
    return Delivery.model_validate(shown | {"content": content, "next_try": next_try})
