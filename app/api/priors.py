"""`/v1/predictions/{id}/priors`: earlier studies of the same patient, to look at prior and current side by side."""

from apiflask import APIBlueprint
from flask import Response, g, jsonify

from app.contract.priors import Prior, Priors
from app.http.responses import answers, says
from app.search.priors import find as search
from app.service.parts import service

blueprint = APIBlueprint("priors", __name__, tag="Worklist", url_prefix="/v1/predictions/<id>/priors")


@blueprint.get("")
@blueprint.doc(responses=answers({200: says(Priors, "The earlier studies.")}, 404))
def find(id: str) -> Response:
    """Valid predictions on earlier studies of the same patient, the newest first.

    The patient isn't named. Studies without a patient's number have no others.
    """
    service().store.read(id)
    g.prediction_id = id
    found = search(service().database, id)
    shown = [Prior(**{name: getattr(one, name) for name in Prior.model_fields}) for one in found.priors]
    return jsonify(Priors(prediction=id, study_date=found.study_date, priors=shown).model_dump())
