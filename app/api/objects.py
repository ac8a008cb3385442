"""`/v1/predictions/{id}/dicom/...`: an answer as DICOM objects, made when they are asked for."""

from apiflask import APIBlueprint
from flask import Response, g
from werkzeug.exceptions import Conflict, NotFound

from app.http.responses import Asked, answers, sends
from app.results import KINDS, Codes, Kind, MapValues, Result, build
from app.service.parts import service
from app.store.predictions import Store

blueprint = APIBlueprint("objects", __name__, tag="DICOM results", url_prefix="/v1/predictions/<id>/dicom")

DICOM = "application/dicom"


class Encoded(Asked):
    """Query of the map."""

    values: MapValues = "uint16"
    """How its values are stored: in 65,536 steps, or as they are."""


@blueprint.get("/<kind>.dcm")
@blueprint.input(Encoded, location="query", arg_name="encoded")
@blueprint.doc(responses=answers({200: sends(DICOM, "A DICOM file (PS3.10).")}, 400, 404, 409))
def read(id: str, kind: str, encoded: Encoded) -> Response:
    """The report (`sr`), the map (`map`) or the key image (`key-image`): in the study of its source, a new series.

    The same bytes whenever it is asked for.
    """
    if kind not in KINDS:
        raise NotFound(f"There is no such object; there are {', '.join(KINDS)}.")
    ours = service()
    answer = ours.store.answer(id)
    g.prediction_id = id
    if answer["status"] != "done":
        raise Conflict(f"This prediction is {answer['status']}; it has no results.")
    content = made(ours.store, ours.settings.codes, id, kind, encoded.values)
    return Response(content, mimetype=DICOM)


def made(store: Store, codes: Codes, id_: str, kind: Kind, values: MapValues) -> bytes:
    """One object of a prediction that is done; NotFound for any other."""
    answer, job = store.answer(id_), store.job(id_)
    sources = store.sources(id_)
    if len(sources) != len(job.volume.voxels):
        raise NotFound("This prediction was made before results were kept as DICOM. Send the study again.")
    class_index = answer["result"]["classes"].index(answer["explanation"]["class"])
    result = Result(answer, sources, job.volume, codes)
    return build(kind, result, store.map(id_, class_index).volume, values)


def all_made(store: Store, codes: Codes, values: MapValues, id_: str) -> list[bytes]:
    """Every object of a prediction that is done; NotFound for any other."""
    return [made(store, codes, id_, kind, values) for kind in KINDS]
