"""Every error as `application/problem+json` (RFC 9457), and what of an error may be logged."""

import logging
import traceback
from dataclasses import dataclass
from typing import Any

from apiflask import HTTPError
from flask import Flask, Response
from werkzeug.exceptions import HTTPException

from app.contract.json_text import dumps
from data_prep.errors import (
    FileProblem,
    InputError,
    InputOverLimit,
    MalformedInput,
    UnsuitableStudy,
    UnsupportedInput,
)

LOG = logging.getLogger(__name__)
# Enough to see where an error came from; frames hold no values, so no patient data.
LOGGED_FRAMES = 4

INPUT_ERRORS: dict[type[InputError], tuple[int, str]] = {
    MalformedInput: (400, "Malformed input"),
    InputOverLimit: (413, "Input over a limit"),
    UnsupportedInput: (415, "Unsupported encoding"),
    UnsuitableStudy: (422, "Unsuitable study"),
}


@dataclass(frozen=True)
class Problem:
    """One problem document; `type` is stable, for machines, the rest is for people."""

    status: int
    title: str
    detail: str
    type: str = "about:blank"
    errors: tuple[FileProblem, ...] = ()

    def document(self) -> dict[str, Any]:
        """The JSON body, with `errors` only where single files are at fault."""
        body: dict[str, Any] = {
            "type": self.type,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
        }
        if self.errors:
            body["errors"] = [{"file": error.file, "detail": error.detail} for error in self.errors]
        return body


def problem_of(error: Exception) -> Problem:
    """What to tell the client; of an unexpected error no more than that it happened."""
    if isinstance(error, InputError):
        for kind, (status, title) in INPUT_ERRORS.items():
            if isinstance(error, kind):
                slug = title.lower().replace(" ", "-")
                return Problem(status, title, error.detail, f"urn:cruciate:problem:{slug}", error.files)
    if isinstance(error, HTTPError):  # of a parameter, which APIFlask has checked
        wrong = [
            f"{name}: {text}." for fields in error.detail.values() for name, texts in fields.items() for text in texts
        ]
        return Problem(error.status_code, "Bad Request", " ".join(wrong))
    if isinstance(error, HTTPException) and error.code is not None:
        return Problem(error.code, error.name, error.description or error.name)
    return Problem(500, "Internal Server Error", "The service failed. The study isn't to blame; the log says where.")


def reported(error: Exception) -> Problem:
    """What to tell the client; the log hears of it where the fault is ours."""
    problem = problem_of(error)
    if problem.status == 500:
        log_unexpected(error)
    return problem


def problem_response(document: dict[str, Any]) -> Response:
    """An answer with the status that the document names."""
    return Response(dumps(document), document["status"], mimetype="application/problem+json")


def log_unexpected(error: BaseException) -> None:
    """Type and place, without message or values: those may quote a header."""
    frames = traceback.extract_tb(error.__traceback__)[-LOGGED_FRAMES:]
    places = " < ".join(f"{frame.filename}:{frame.lineno}" for frame in reversed(frames))
    LOG.error("unexpected %s at %s", type(error).__name__, places)


def register(app: Flask) -> None:
    """Let every error of `app` leave as a problem document."""

    def answer(error: Exception) -> Response:
        response = problem_response(reported(error).document())
        if isinstance(error, HTTPException):
            response.headers.extend(
                (name, value) for name, value in error.get_headers() if name.lower() != "content-type"
            )
        return response

    app.register_error_handler(Exception, answer)
    app.register_error_handler(HTTPError, answer)  # instead of APIFlask's own handler
