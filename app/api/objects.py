"""`/v1/predictions/{id}/dicom/...`: an answer as DICOM objects, made on request."""

from apiflask import APIBlueprint
from flask import Response, g
from werkzeug.exceptions import Conflict, NotFound

from app.http.responses import RequestParameters, answers, sends
from app.results import KINDS, MapValues
from app.results.of_record import made
from app.service.parts import service

blueprint = APIBlueprint("objects", __name__, tag="DICOM results", url_prefix="/v1/predictions/<id>/dicom")

DICOM = "application/dicom"


class ObjectQuery(RequestParameters):
    """Query of the map."""

    values: MapValues = "uint16"
    """How its values are stored: `uint16` in 65,536 steps, `float32` unchanged."""


@blueprint.get("/<kind>.dcm")
@blueprint.input(ObjectQuery, location="query", arg_name="query")
@blueprint.doc(responses=answers({200: sends(DICOM, "A DICOM file (PS3.10).")}, 400, 404, 409))
def read(id: str, kind: str, query: ObjectQuery) -> Response:
    """The report (`sr`), the map (`map`) or the key image (`key-image`), as a new series in the same study.

    Every request gives the same bytes.
    """
    if kind not in KINDS:
        raise NotFound(f"There is no such object; the objects are {', '.join(KINDS)}.")
    record = service().store.read(id)
    g.prediction_id = id
    if record.status != "done":
        raise Conflict(f"This prediction is {record.status}; it has no results.")
    return Response(made(record, service().settings.codes, kind, query.values), mimetype=DICOM)
