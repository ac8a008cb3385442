"""The pages and the files that they load: templates, plain ES modules, style sheets, texts.

A page itself holds no patient data, so it needs no key. Its modules ask `/v1`, which does. Nothing comes from other
servers, because a hospital may be offline.
"""

from functools import partial
from typing import Any

from flask import Blueprint, Response, render_template, request, send_from_directory, url_for

from app.http.uploads import MAX_PARTS
from app.service.parts import service
from app.viewer import texts
from app.viewer.files import STATIC, VERSION, modules
from data_prep.labels import BINARY, FOUR_CLASS

blueprint = Blueprint("viewer", __name__, template_folder="templates")

# No inline script or style. Pictures may be made in the page (blob:).
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
# Of all schemes, in order of severity.
CLASSES = dict.fromkeys((*FOUR_CLASS.classes, *BINARY.classes))
YEAR_S = 365 * 24 * 3600


@blueprint.get("/")
def worklist() -> Response:
    """The studies, newest first."""
    limits = {"most_mb": service().settings.max_body_mb, "most_parts": MAX_PARTS}
    shows_opinion = service().settings.hide_opinion == "no"
    return page("worklist.html", classes=CLASSES, shows_opinion=shows_opinion, **limits)


@blueprint.get("/studies/<id>")
def study(id: str) -> Response:
    """One study, with the prediction that has this id. The page says so if there is none."""
    return page("study.html", id=id, overlay_shown=service().settings.overlay_shown)


@blueprint.get("/studies/<id>/report")
def report(id: str) -> Response:
    """The report of this prediction, which needs a key or a session: it is patient data."""
    return Response(status=302, headers={"Location": url_for("printed.page", id=id)})


@blueprint.get("/viewer/<version>/<path:name>")
def file(version: str, name: str) -> Response:
    """A file that a page loads. With its digest in the path, a browser keeps it; it never asks for it again."""
    language = name.removeprefix("strings/").removesuffix(".js")
    if name.startswith("strings/") and language in texts.LANGUAGES:
        response = Response(texts.module(language), mimetype="text/javascript")
    else:
        response = send_from_directory(STATIC, name)
    response.headers.extend(HEADERS)
    # During an upgrade, the page of one version may ask a service of another version.
    if version == VERSION:
        response.headers["Cache-Control"] = f"public, max-age={YEAR_S}, immutable"
    return response


def page(template: str, **values: Any) -> Response:
    """A page in the language that the browser prefers, of those that there are."""
    language = request.accept_languages.best_match(texts.LANGUAGES) or texts.DEFAULT
    ours = {"t": partial(texts.text, language), "static": _address, "imported": partial(_imported, language)}
    html = render_template(template, language=language, **ours, **values)
    return Response(html, headers=HEADERS)


def _imported(language: str, *scripts: str) -> list[str]:
    found = modules(*scripts)
    return [*found, f"strings/{language}.js"] if "texts.js" in found else [*found]


def _address(name: str) -> str:
    return url_for("viewer.file", version=VERSION, name=name)
