"""What the service tells about itself: its models, whether it is running, whether it is ready."""

from apiflask import APIBlueprint
from flask import Response, jsonify, url_for
from werkzeug.exceptions import NotFound

from app.contract.schemas import Alive, LoadedBundle, Models, Ready
from app.http.responses import answers, says, sends
from app.service.parts import service

blueprint = APIBlueprint("about", __name__, tag="About the service")


@blueprint.get("/v1/models")
@blueprint.doc(responses=answers({200: says(Models, "The bundles.")}, 503))
def models() -> Response:
    """Every loaded bundle, the default one first."""
    described = [
        LoadedBundle(
            name=bundle.name,
            sha256=bundle.sha256,
            manifest=bundle.manifest,
            metrics=bundle.metrics,
            model_card=url_for("about.model_card", name=bundle.name),
        )
        for bundle in service().engine.bundles()
    ]
    return jsonify(Models(models=described).model_dump())


@blueprint.get("/v1/models/<name>/model-card.md")
@blueprint.doc(responses=answers({200: sends("text/markdown", "The model card.")}, 404, 503))
def model_card(name: str) -> Response:
    """The model card of a bundle. Read it before you trust the bundle."""
    for bundle in service().engine.bundles():
        if bundle.name == name:
            return Response(bundle.model_card, mimetype="text/markdown")
    raise NotFound("No bundle of this name is loaded; /v1/models lists those that are.")


@blueprint.get("/healthz")
@blueprint.doc(responses=answers({200: says(Alive, "It is running.")}))
def healthz() -> Response:
    """The process is running."""
    return jsonify({"status": "alive"})


@blueprint.get("/readyz")
@blueprint.doc(responses=answers({200: says(Ready, "The bundles that are ready.")}, 503))
def readyz() -> Response:
    """Whether studies are accepted: every bundle has reproduced its golden answer, database and disk are in order.

    If not, a 503 problem says why.
    """
    service().condition.require()
    return jsonify({"status": "ready", "bundles": [bundle.name for bundle in service().engine.bundles()]})
