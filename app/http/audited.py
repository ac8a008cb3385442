"""Writes each request that changes something or reads patient data into the audit trail, and each refused one."""

from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from flask import Flask, Response, g, request
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import NotFound

from app.audit import record
from app.http.keys import PROTECTED
from app.http.scopes import needed
from app.service.parts import Service, service
from app.store.predictions import Store
from data_prep.dicom.part10 import UID_PATTERN

REFUSED = (401, 403, 429)
# Any other method is text that a client made up.
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")

Details = dict[str, str | None]


def register(app: Flask, data: Path) -> None:
    """Audit the requests of `app`, in a data folder. Must be registered after the keys."""

    def begin() -> None:
        if request.method == "DELETE":  # afterwards nobody knows what it was
            g.deleted = _of_prediction((request.view_args or {}).get("id", ""))

    def finish(response: Response) -> Response:
        if _matters(response.status_code):
            caller = g.caller
            who: Details = {"key": caller.key, "user": caller.user, "address": g.address or None}
            record(data, _act(), response.status_code, **who | _about())
        return response

    app.before_request(begin)
    app.after_request(finish)


def _matters(status: int) -> bool:
    if not request.path.startswith(PROTECTED) or request.method == "OPTIONS" or g.get("unaudited"):
        return False
    if status in REFUSED:
        return True
    return request.url_rule is not None and needed(request.method, request.url_rule.rule) is not None


def _act() -> str:
    method = request.method if request.method in METHODS else "(method)"
    return f"{method} {request.url_rule.rule if request.url_rule else '(no route)'}"


def _about() -> Details:
    """What the request was about, as far as the service knows it. Text from the URL is never taken as it is."""
    study = (request.view_args or {}).get("study", "")
    if UID_PATTERN.fullmatch(study):
        return {"study": study}
    id_ = g.get("prediction_id")
    return {"prediction": id_, **(g.get("deleted") or _of_prediction(id_))} if id_ else {}


def _of_prediction(id_: str) -> Details:
    with suppress(NotFound, SQLAlchemyError):
        bundle, study = _known(service().store, id_)
        return {"study": study, "sha256": bundle, "bundle": _name(service(), bundle)}
    return {}


@lru_cache(maxsize=1024)
def _known(store: Store, id_: str) -> tuple[str, str]:
    """Digest of the bundle, and UID of the study. An id always belongs to the same two."""
    return store.origin(id_)


def _name(parts: Service, digest: str) -> str | None:
    loaded = parts.engine.loaded
    bundles = parts.engine.bundles() if loaded.done() and loaded.exception() is None else ()
    return next((bundle.name for bundle in bundles if bundle.sha256 == digest), None)
