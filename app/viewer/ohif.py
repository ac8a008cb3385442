"""OHIF at `/ohif`, where the operator has it (CRUCIATE_OHIF): its page, its files, and our configuration of it.

It reads our DICOMweb from the same origin, so a session of ours is enough. Neither page nor files hold patient data.
"""

import gzip
from functools import lru_cache
from http import HTTPStatus
from mimetypes import guess_type

from flask import Blueprint, Response, request, url_for
from werkzeug.exceptions import NotFound

from app.http.keys import needs_login
from app.ohif.ready_bundle import ReadyBundle, inline_scripts
from app.service.parts import service
from app.viewer.files import STATIC, VERSION
from app.viewer.pages import HEADERS, YEAR_S

blueprint = Blueprint("ohif", __name__, url_prefix="/ohif")

CONFIGURATION = "app-config.js"
# In the page's address: which studies are shown.
STUDIES = "StudyInstanceUIDs"
# As OHIF needs them, whatever this machine's own list says: a browser runs nothing of another type.
TYPES = {".js": "text/javascript", ".wasm": "application/wasm", ".css": "text/css", ".woff2": "font/woff2"}
# What is sent with gzip: scripts and style sheets, 26 MB for the first study. They are packed once, and kept in memory.
# The largest takes half a second.
PACKED, MOST_PACKED, QUICK = (".js", ".css"), 128, 3
POLICY = (
    "default-src 'none'; "
    # Segmentations are read by a library (ndarray) that makes functions from texts. That includes WebAssembly.
    "script-src 'self' 'unsafe-eval' {inline}; "
    # Two libraries make workers from texts.
    "worker-src 'self' blob:; "
    # Components put their own styles into the page.
    "style-src 'self' 'unsafe-inline'; font-src 'self'; "
    # Thumbnails and icons are made in the page.
    "img-src 'self' data: blob:; connect-src 'self'; manifest-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# A worker has the policy that its script came with. Those that decode JPEG-LS and JPEG 2000 make functions from texts.
WORKER_POLICY = "default-src 'none'; script-src 'self' 'unsafe-eval'; connect-src 'self'"


@blueprint.get("/")
@blueprint.get("/<path:place>")
def page(place: str = "") -> Response:
    """OHIF's page, which reads the rest of the path itself; or the form to log in, where keys are asked for."""
    bundle = _bundle()
    if needs_login():
        # What was searched for, maybe a name, isn't taken along.
        studies = request.args.get(STUDIES)
        wanted = request.path + (f"?{STUDIES}={studies}" if studies else "")
        return Response(status=HTTPStatus.SEE_OTHER, headers={"Location": url_for("login.form", next=wanted)})
    html = bundle.page(_place())
    policy = POLICY.format(inline=" ".join(inline_scripts(html)))
    return Response(html, headers=HEADERS | {"Content-Security-Policy": policy})


@blueprint.get("/files/<version>/<path:name>")
def file(version: str, name: str) -> Response:
    """A file of the bundle, or our configuration in place of its own. A browser keeps it as long as it is the same."""
    is_packed = name.endswith(PACKED) and request.accept_encodings.quality("gzip") > 0
    content = (_packed if is_packed else _content)(_bundle(), name, _place())
    known = next((kind for ending, kind in TYPES.items() if name.endswith(ending)), None)
    response = Response(content, mimetype=known or guess_type(name)[0] or "application/octet-stream")
    response.headers.extend(HEADERS | {"Content-Security-Policy": WORKER_POLICY, "Vary": "Accept-Encoding"})
    if is_packed:
        response.headers["Content-Encoding"] = "gzip"
    if version == _version():
        response.headers["Cache-Control"] = f"public, max-age={YEAR_S}, immutable"
    return response


def _content(bundle: ReadyBundle, name: str, place: str) -> bytes:
    """What is sent. Raises NotFound."""
    content = (STATIC / "ohif" / CONFIGURATION).read_bytes() if name == CONFIGURATION else bundle.file(name, place)
    if content is None:
        raise NotFound
    return content


@lru_cache(maxsize=MOST_PACKED)
def _packed(bundle: ReadyBundle, name: str, place: str) -> bytes:
    """The same with gzip; names that aren't there are not remembered."""
    return gzip.compress(_content(bundle, name, place), QUICK, mtime=0)


def _bundle() -> ReadyBundle:
    bundle = service().settings.ohif
    if bundle is None:
        raise NotFound("This service has no OHIF (CRUCIATE_OHIF).")
    return bundle


def _version() -> str:
    return f"{_bundle().version}-{VERSION}"


def _place() -> str:
    return f"{blueprint.url_prefix}/files/{_version()}/"
