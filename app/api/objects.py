"""`/v1/predictions/{id}/dicom/...`: an answer as DICOM objects, made on request."""

from apiflask import APIBlueprint
from flask import Response, g
from pydantic import Field
from werkzeug.exceptions import NotFound

from app.api.done import done
from app.http.responses import RequestParameters, answers, sends
from app.results import KINDS, OF_EACH_SLICE, MapValues
from app.results.of_record import made
from app.reviews.reviews import ReviewStore
from app.reviews.second_reading import reviewed_report
from app.reviews.sight import sight
from app.service.parts import service

blueprint = APIBlueprint("objects", __name__, tag="DICOM results", url_prefix="/v1/predictions/<id>/dicom")

DICOM = "application/dicom"


class ObjectQuery(RequestParameters):
    """Query of a map, or of a kind that has an object for each slice."""

    values: MapValues = "float32"
    """How the map's values are stored: `float32` from 0 at the threshold to 1 at full brightness, `uint16` in steps."""
    slice: int | None = Field(None, ge=0)
    """The slice of an overlay or of the series of slices, from 0; by default the one of the key image."""


@blueprint.get("/<kind>.dcm")
@blueprint.input(ObjectQuery, location="query", arg_name="query")
@blueprint.doc(responses=answers({200: sends(DICOM, "A DICOM file (PS3.10).")}, 400, 404, 409, 410))
def read(id: str, kind: str, query: ObjectQuery) -> Response:
    """The report (`sr`), the region above the threshold (`seg`), a slice's overlay (`overlay`), the map (`map`), the
    key image (`key-image`), a slice by itself (`slices`) or the ligament that the localiser segmented (`ligament`).
    Each kind is a new series in the same study.

    Every request gives the same bytes. If no evidence reaches the threshold, there is no `seg` (404). If the original
    series has no other images than those that were predicted on, there are no `slices` (404). If no localiser found
    the ligament, there is no `ligament` (404). The report changes when
    a reader gives a review: it then holds a second reading, for callers who may see the review, and names the report
    without it as its predecessor.
    """
    if kind not in KINDS:
        raise NotFound(f"There is no such object; the objects are {', '.join(KINDS)}.")
    record = done(id, "results")
    if kind == "sr":
        every = ReviewStore(service().database)
        seen = {one.id for one in sight(service().settings, g.caller.id, every.of(id)).reviews}
        if reviews := [one for one in every.current(id) if one.id in seen]:
            return Response(reviewed_report(record, service().settings.site, reviews), mimetype=DICOM)
    index = query.slice if kind in OF_EACH_SLICE else None
    return Response(made(record, service().settings.site, kind, query.values, index), mimetype=DICOM)
