"""Errors as `application/problem+json` (RFC 9457), and what may be logged about an error."""

import errno
import logging
from dataclasses import dataclass
from typing import Any

from apiflask import HTTPError
from flask import Flask, Response
from sqlalchemy.exc import DataError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException, ServiceUnavailable

from app.contract.json_text import dumps
from app.contract.log_text import place
from data_prep.errors import (
    FileProblem,
    InputError,
    InputOverLimit,
    MalformedBody,
    MalformedInput,
    UnsuitableStudy,
    UnsupportedInput,
)

LOG = logging.getLogger(__name__)
# Seconds. Faults of the disk and of the database last longer than a full queue.
RETRY_AFTER_S = 30
DISK_FULL = "The service's disk is full; studies can be deleted, but none is accepted."
# Errors of a file that mean that the machine can't do its work now. No request names a file:
# if one is missing, a folder of the service is gone, because a disk isn't mounted.
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
BROKEN = frozenset({errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.ESTALE, errno.EMFILE, errno.ENFILE})
MISSING = frozenset({errno.ENOENT, errno.ENOTDIR})

# The type of an answer that the service gave up after tries that all failed by a fault of its own.
OURS = "urn:cruciate:problem:fault-of-the-service"

# 400: the body as such is wrong. 422: it arrived, and what is in it can't be used. 413 and 415 say why for both.
INPUT_ERRORS: dict[type[InputError], tuple[int, str]] = {
    MalformedBody: (400, "Malformed body"),
    InputOverLimit: (413, "Input over a limit"),
    UnsupportedInput: (415, "Unsupported encoding"),
    MalformedInput: (422, "Malformed input"),
    UnsuitableStudy: (422, "Unsuitable study"),
}


@dataclass(frozen=True)
class Problem:
    """One problem document. `type` is stable and for machines; the rest is for people."""

    status: int
    title: str
    detail: str
    type: str = "about:blank"
    errors: tuple[FileProblem, ...] = ()

    def document(self) -> dict[str, Any]:
        """The JSON body. It has `errors` only if single files caused the problem."""
        body: dict[str, Any] = {
            "type": self.type,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
        }
        if self.errors:
            body["errors"] = [{"file": error.file, "detail": error.detail} for error in self.errors]
        return body


def outage(error: Exception) -> ServiceUnavailable | None:
    """The fault of the machine that an error means: of the database or the disk. None for any other error."""
    if isinstance(error, OSError) and error.errno in FULL:
        return ServiceUnavailable(DISK_FULL, retry_after=RETRY_AFTER_S)
    if isinstance(error, OSError) and error.errno in BROKEN | MISSING:
        return ServiceUnavailable("The disk can't be used now.", retry_after=RETRY_AFTER_S)
    # A value that the database can't hold would be refused again. Rights, tables and what others write may change.
    if isinstance(error, (DBAPIError, PoolTimeout)) and not isinstance(error, DataError):
        return ServiceUnavailable("The database can't be used now.", retry_after=RETRY_AFTER_S)
    return None


def problem_of(error: Exception) -> Problem:
    """What to tell the client. For an unexpected error, this is only that it happened."""
    error = outage(error) or error
    if isinstance(error, InputError):
        for kind, (status, title) in INPUT_ERRORS.items():
            if isinstance(error, kind):
                slug = title.lower().replace(" ", "-")
                return Problem(status, title, _without_names(error), f"urn:cruciate:problem:{slug}", error.files)
    if isinstance(error, HTTPError):  # an invalid parameter, found by APIFlask
        return Problem(error.status_code, "Bad Request", _wrong_parameters(error))
    if isinstance(error, HTTPException) and error.code is not None:
        return Problem(error.code, error.name, error.description or error.name)
    return Problem(500, "Internal Server Error", "The service failed. The study isn't the cause; the log says where.")


def _wrong_parameters(error: HTTPError) -> str:
    """One sentence for each parameter. A parameter that may be left out has a second text, which says "None"."""
    return " ".join(
        f"{name.partition('.')[0]}: {text}."
        for fields in error.detail.values()
        for name, texts in fields.items()
        for text in texts
        if text != "Input should be None"
    )


def _without_names(error: InputError) -> str:
    """The sentence. Names of files, which may hold a patient's name, are in `errors` only."""
    detail = error.detail
    for file in sorted(error.files, key=lambda one: -len(one.file)):  # a name may be the end of a longer one
        detail = detail.replace(f"{file.file}: {file.detail}", file.detail)
    return detail


def reported(error: Exception) -> Problem:
    """What to tell the client. Errors of the service are also logged: unexpected ones, and those of its machine."""
    problem = problem_of(error)
    if problem.status == 500 or outage(error):
        log_unexpected(error)
    return problem


def problem_response(document: dict[str, Any]) -> Response:
    """A response with the document's status."""
    return Response(dumps(document), document["status"], mimetype="application/problem+json")


def log_unexpected(error: BaseException) -> None:
    """Log the type and place of an error, without its message or values, because those may quote a header."""
    LOG.error("unexpected %s at %s", type(error).__name__, place(error.__traceback__))


def register(app: Flask) -> None:
    """Send every error of `app` as a problem document."""

    def answer(error: Exception) -> Response:
        response = problem_response(reported(error).document())
        error = outage(error) or error
        if isinstance(error, HTTPException):
            response.headers.extend(
                (name, value) for name, value in error.get_headers() if name.lower() != "content-type"
            )
        return response

    app.register_error_handler(Exception, answer)
    app.register_error_handler(HTTPError, answer)  # instead of APIFlask's own handler
