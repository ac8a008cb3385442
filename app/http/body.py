"""The body of a request. A client that sends it badly or too slowly gets a 4xx problem, whoever reads the body."""

import io
import zlib
from collections.abc import Iterable
from typing import IO
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from gunicorn.http.errors import ParseException
from werkzeug.exceptions import BadRequest, RequestTimeout

from data_prep.dicom.budget import RATIO_FREE_BYTES
from data_prep.errors import InputOverLimit, MalformedBody
from data_prep.limits import Limits

GZIP = ("gzip", "x-gzip")
# A gzip file may have several members (RFC 1952 2.2); some programs write one for each 64 kB.
MOST_MEMBERS = 1 << 16
# Bytes. What follows a member is copied, so it has to be short.
PACKED_PIECE = 64 << 10


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


class Unpacked(io.RawIOBase):
    """A body that was packed by gzip (RFC 1952), unpacked while it is read.

    Reading raises InputOverLimit if more than `most` bytes come out, or suspiciously many for what was sent, and
    MalformedBody if the gzip data is damaged or incomplete.

    Args:
        packed: The body.
        most: How many bytes it may unpack to.
    """

    def __init__(self, packed: IO[bytes], most: int) -> None:
        self._packed, self._most = packed, most
        self._sent = self._given = 0
        self._members, self._waiting = 1, b""
        self._member = zlib.decompressobj(16 + zlib.MAX_WBITS)

    def readable(self) -> bool:
        """Whether it can be read: always."""
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # only these buffers are used
        """Read at most as many bytes as the buffer has. Returns their number."""
        data = b""
        while not data and len(buffer) and self._has_more():
            try:
                data = self._member.decompress(self._waiting, len(buffer))
            except zlib.error:
                raise MalformedBody("The body isn't gzip, though Content-Encoding says so, or it is damaged.") from None
            self._waiting = self._member.unconsumed_tail or self._member.unused_data
        self._given += len(data)
        self._check()
        buffer[: len(data)] = data
        return len(data)

    def _has_more(self) -> bool:
        """Whether there is something to unpack; reads it, and begins the next member after the end of one."""
        if not self._waiting:
            self._waiting = self._packed.read(PACKED_PIECE)
            self._sent += len(self._waiting)
        if not self._waiting:
            if not self._member.eof:
                raise MalformedBody("The gzip data of the body is incomplete.")
            return False
        if self._member.eof:
            self._members += 1
            if self._members > MOST_MEMBERS:
                raise InputOverLimit(f"The body has more than {MOST_MEMBERS:,} gzip members.")
            self._member = zlib.decompressobj(16 + zlib.MAX_WBITS)
        return True

    def _check(self) -> None:
        if self._given > self._most:
            raise InputOverLimit(f"A body may unpack to {self._most >> 20} MB; this one has more. Send it in portions.")
        if self._given > max(RATIO_FREE_BYTES, Limits.compression_ratio * self._sent):
            raise InputOverLimit(f"The body unpacks to more than {Limits.compression_ratio:g} times its size.")


def checked(application: WSGIApplication) -> WSGIApplication:
    """The same application, for which every body is a `Body`."""

    def call(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        length = environ.get("CONTENT_LENGTH") or ""
        environ["wsgi.input"] = Body(environ["wsgi.input"], int(length) if length.isdecimal() else None)
        return application(environ, start_response)

    return call
