"""Writes each request that changes something or reads patient data into the audit trail, and each refused one."""

from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from flask import Flask, Response, g, request
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from app.audit import record
from app.http.keys import PROTECTED
from app.http.scopes import needed
from app.service.parts import service
from app.store.database import Database, Prediction
from data_prep.dicom.part10 import UID_PATTERN

REFUSED = (401, 403, 429)
# Outside /v1 and /dicom-web.
SESSIONS = ("/login", "/logout")
# Any other method is text that a client made up.
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")

Details = dict[str, Any]


def register(app: Flask, data: Path, database: Database) -> None:
    """Audit the requests of `app`. Must be registered after the keys.

    Args:
        app: The app.
        data: The data folder.
        database: Says of which study a prediction is, and of which bundle.
    """

    def begin() -> None:
        if request.method == "DELETE":  # afterwards nobody knows what it was
            g.deleted = _of_prediction(database, (request.view_args or {}).get("id", ""))

    def finish(response: Response) -> Response:
        if _matters(response.status_code):
            who: Details = {"key": g.caller.key, "user": g.caller.user, "address": g.address or None}
            for about in _about(database):
                record(data, _act(), response.status_code, **who | about)
        return response

    app.before_request(begin)
    app.after_request(finish)


def _matters(status: int) -> bool:
    is_session = request.path in SESSIONS and request.method == "POST"
    if not (request.path.startswith(PROTECTED) or is_session) or request.method == "OPTIONS" or g.get("unaudited"):
        return False
    if status in REFUSED:
        return True
    return request.url_rule is not None and needed(request.method, request.url_rule.rule) is not None


def _act() -> str:
    method = request.method if request.method in METHODS else "(method)"
    return f"{method} {request.url_rule.rule if request.url_rule else '(no route)'}"


def _about(database: Database) -> list[Details]:
    """What the request was about, as far as the service knows it. Text from the URL is never taken as it is."""
    if studies := g.get("stored_studies"):
        return [{"study": study, "preambles": blanked or None} for study, blanked in sorted(studies.items())]
    study = (request.view_args or {}).get("study", "")
    if UID_PATTERN.fullmatch(study):
        return [{"study": study}]
    if id_ := g.get("prediction_id"):
        about = g.get("deleted") or _of_prediction(database, id_)
        return [{"prediction": id_, "preambles": g.get("preambles") or None, **about}]
    return [{}]


def _of_prediction(database: Database, id_: str) -> Details:
    with suppress(LookupError, SQLAlchemyError):
        bundle, study = _known(database, id_)
        return {"study": study, "sha256": bundle, "bundle": _name(bundle)}
    return {}


@lru_cache(maxsize=1024)
def _known(database: Database, id_: str) -> tuple[str, str]:
    """Digest of the bundle, and UID of the study. An id always belongs to the same two. Raises LookupError."""
    with database.read() as session:
        row = session.execute(select(Prediction.bundle, Prediction.study_uid).where(Prediction.id == id_)).first()
    if row is None:
        raise LookupError
    return row.bundle, row.study_uid


def _name(digest: str) -> str | None:
    engine = service().engine
    is_loaded = engine.loaded.done() and engine.loaded.exception() is None
    return next((bundle.name for bundle in (engine.bundles() if is_loaded else ()) if bundle.sha256 == digest), None)
