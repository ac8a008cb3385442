"""`/openapi.json` and, for people, `/docs`: Swagger UI (from PyPI's flask-swagger-ui) as this service's own files.

The page holds no patient data and needs no key. It loads nothing from other servers, because a hospital may be offline.
"""

from importlib.resources import files

from apiflask import APIBlueprint
from flask import Response, current_app, jsonify
from werkzeug.exceptions import NotFound

from app.api.openapi import without_need_of_keys
from app.contract.schemas import OpenAPI
from app.http.keys import asks
from app.http.responses import answers, says, sends

blueprint = APIBlueprint("docs", __name__, tag="Documentation")

DOCUMENT = "cruciate-openapi"
# Swagger UI has styles in its elements and pictures in its style sheet.
POLICY = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
SWAGGER_UI = files("flask_swagger_ui") / "dist"
OURS = files("app.api")
PARTS = {
    "swagger-ui.css": (SWAGGER_UI, "text/css"),
    "swagger-ui-bundle.js": (SWAGGER_UI, "text/javascript"),
    "docs.js": (OURS, "text/javascript"),
}


@blueprint.get("/openapi.json")
@blueprint.doc(responses=answers({200: says(OpenAPI, "OpenAPI 3.1.")}, 503))
def document() -> Response:
    """This document."""
    if DOCUMENT not in current_app.extensions:
        current_app.extensions[DOCUMENT] = current_app.spec  # type: ignore[attr-defined]  # it's an APIFlask
    made = current_app.extensions[DOCUMENT]
    return jsonify(made if asks() else without_need_of_keys(made))


@blueprint.get("/docs")
@blueprint.doc(responses=answers({200: sends("text/html", "A page to read and to try out.")}))
def page() -> Response:
    """This document as a page for people."""
    return _file((OURS / "docs.html").read_bytes(), "text/html")


@blueprint.get("/docs/<part>")
@blueprint.doc(responses=answers({200: sends("text/*", "Style sheet or script.")}, 404))
def part(part: str) -> Response:
    """A file that the page loads."""
    if part not in PARTS:
        raise NotFound
    folder, media_type = PARTS[part]
    return _file((folder / part).read_bytes(), media_type)


def _file(content: bytes, media_type: str) -> Response:
    headers = {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff"}
    return Response(content, mimetype=media_type, headers=headers)
