"""Requests that gunicorn refuses before the application sees them, as problem documents (RFC 9457).

gunicorn's own answers are HTML and quote the request. These don't.
"""

from http import HTTPStatus

from gunicorn.http import errors

from app.contract.json_text import dumps
from app.contract.problems import Problem


class SlowHead(errors.ParseException):
    """The request line and headers didn't come in time."""


# The first class that an error belongs to decides. Responses with invalid headers are the application's fault.
REFUSALS: tuple[tuple[type[Exception], int, str], ...] = (
    (errors.InvalidResponseHeader, 500, "The service failed; the log says where."),  # type: ignore[attr-defined]  # newer than the types
    (errors.InvalidResponseHeaderName, 500, "The service failed; the log says where."),  # type: ignore[attr-defined]
    (errors.ConfigurationProblem, 500, "The service failed; the log says where."),
    (SlowHead, 408, "The request line and the headers came too slowly."),
    (errors.LimitRequestLine, 414, "The request line is too long."),
    (errors.LimitRequestHeaders, 431, "The request has too many headers, or too long ones."),
    (errors.ExpectationFailed, 417, "The service doesn't know what the header Expect asks for."),
    (errors.UnsupportedTransferCoding, 501, "The transfer coding isn't supported; only chunked is."),
    (errors.ForbiddenProxyRequest, 403, "This address may not send the PROXY protocol."),
    (errors.InvalidRequestLine, 400, "The request line isn't valid HTTP."),
    (errors.InvalidRequestMethod, 400, "The method isn't valid HTTP."),
    (errors.InvalidHTTPVersion, 400, "The version of HTTP isn't supported."),
    (errors.InvalidHeader, 400, "A header isn't valid HTTP, or contradicts another one."),
    (errors.InvalidHeaderName, 400, "The name of a header isn't valid HTTP."),
    (errors.ParseException, 400, "The request isn't valid HTTP."),
)
FAILED = (500, "The service failed; the log says where.")


def refusal(error: BaseException) -> Problem:
    """What to tell a client whose request gunicorn couldn't read or the service couldn't answer."""
    found = ((status, detail) for kind, status, detail in REFUSALS if isinstance(error, kind))
    status, detail = next(found, FAILED)
    return Problem(status, HTTPStatus(status).phrase, detail)


def message(problem: Problem) -> bytes:
    """A whole HTTP/1.1 response that ends its connection."""
    body = dumps(problem.document()).encode()
    head = (
        f"HTTP/1.1 {problem.status} {problem.title}\r\n"
        "Connection: close\r\n"
        "Content-Type: application/problem+json\r\n"
        "Cache-Control: no-store\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
