"""What the service says of itself: its models, that it lives, that it's ready."""

from flask import Blueprint, Response, jsonify, url_for

from app.service import service

blueprint = Blueprint("about", __name__)


@blueprint.get("/v1/models")
def models() -> Response:
    """Every loaded bundle, the default one first."""
    described = [
        {
            "name": bundle.name,
            "sha256": bundle.sha256,
            "manifest": bundle.manifest,
            "metrics": bundle.metrics,
            "model_card": url_for("about.model_card", name=bundle.name),
        }
        for bundle in service().engine.bundles()
    ]
    return jsonify({"models": described})


@blueprint.get("/v1/models/<name>/model-card.md")
def model_card(name: str) -> Response:
    """The page to read before trusting a bundle."""
    return Response(service().engine.bundle(name).model_card, mimetype="text/markdown")


@blueprint.get("/healthz")
def healthz() -> Response:
    """The process lives."""
    return jsonify({"status": "alive"})


@blueprint.get("/readyz")
def readyz() -> Response:
    """Every bundle has reproduced its golden answer; a 503 problem until then."""
    return jsonify({"status": "ready", "bundles": [bundle.name for bundle in service().engine.bundles()]})
