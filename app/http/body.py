"""The body of a request. A client that sends it badly or too slowly gets a 4xx problem, whoever reads the body."""

import io
from collections.abc import Iterable
from typing import IO
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from gunicorn.http.errors import ParseException
from werkzeug.exceptions import BadRequest, RequestTimeout


class Body(io.RawIOBase):
    """A body as the server gives it.

    Reading raises RequestTimeout if the client is too slow, and BadRequest if chunks are invalid or the body ends too
    early.
    """

    def __init__(self, stream: IO[bytes], length: int | None) -> None:
        self._stream, self._left = stream, length

    def readable(self) -> bool:
        """Whether it can be read: always."""
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # only these buffers are used
        """Read at most as many bytes as the buffer has. Returns their number."""
        try:
            data = self._stream.read(len(buffer))
        except TimeoutError:
            raise RequestTimeout("The body came too slowly.") from None
        except (OSError, ParseException):
            raise BadRequest("The body is damaged or incomplete.") from None
        if self._left is not None:
            self._left -= len(data)
            if self._left > 0 and not data and len(buffer):
                raise BadRequest("The body is shorter than its Content-Length.")
        buffer[: len(data)] = data
        return len(data)


def checked(application: WSGIApplication) -> WSGIApplication:
    """The same application, for which every body is a `Body`."""

    def call(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        length = environ.get("CONTENT_LENGTH") or ""
        environ["wsgi.input"] = Body(environ["wsgi.input"], int(length) if length.isdecimal() else None)
        return application(environ, start_response)

    return call
