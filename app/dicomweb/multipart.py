"""Reads and writes `multipart/related` (RFC 2387): parts with a Content-Type and no name.

A body is parsed while it arrives. Only the current part (on the disk if it is large) and the parts that the same piece
completed are held.
"""

import re
import shutil
import tempfile
import uuid
from collections import deque
from collections.abc import Iterable, Iterator
from typing import IO, TYPE_CHECKING, BinaryIO, cast

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartState

from app.dicomweb.media_types import MULTIPART, MediaType
from app.http.uploads import MAX_PARTS
from data_prep.dicom.archive import PIECE
from data_prep.errors import InputOverLimit, MalformedBody

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

# The media type of a part, its content in pieces, and the path of what it shows (a part may have none).
Part = tuple[MediaType, Iterable[bytes]] | tuple[MediaType, Iterable[bytes], str]
# Bytes. A larger part is in a temporary file without a name; an MR image is smaller.
PART_IN_MEMORY = 1 << 20
DAMAGED = "The multipart body is damaged or incomplete."
# Bytes before the first boundary (RFC 2046 5.1.1).
MOST_PREAMBLE = 16 << 10
# A boundary and what may follow it; a boundary has at most 70 bytes.
LONGEST_LINE = 1 << 10


def parts(body: IO[bytes], boundary: str) -> Iterator[tuple[str, BinaryIO]]:
    """Read the parts of a body. Errors may be raised after some parts.

    Yields:
        Content-Type ('' if there is none) and content of each part, as soon as it is complete. The caller must close
        the content.

    Raises:
        MalformedBody: The body is damaged or incomplete.
        InputOverLimit: The body has more parts than `MAX_PARTS`.
    """
    splitter = _Splitter(boundary)
    try:
        while piece := body.read(PIECE):
            splitter.write(piece)
            while splitter.complete:
                yield splitter.complete.popleft()
        if not splitter.ended:
            raise MalformedBody(DAMAGED)
    finally:
        splitter.close()


def spooled(body: IO[bytes]) -> BinaryIO:
    """A whole body, on the disk if it is large. The caller must close it."""
    whole = cast(BinaryIO, tempfile.SpooledTemporaryFile(PART_IN_MEMORY))  # noqa: SIM115  (the caller closes it)
    try:
        shutil.copyfileobj(body, whole, PIECE)
    except BaseException:
        whole.close()
        raise
    whole.seek(0)
    return whole


def join(contents: Iterable[Part], boundary: str) -> Iterator[bytes]:
    """The body with these parts, in pieces."""
    for media_type, content, *path in contents:
        location = f"\r\nContent-Location: {path[0]}" if path else ""
        yield f"\r\n--{boundary}\r\nContent-Type: {media_type}{location}\r\n\r\n".encode()
        yield from content
    yield f"\r\n--{boundary}--\r\n".encode()


def related(type_: str, contents: Iterable[Part]) -> tuple[str, Iterator[bytes]]:
    """Content-Type and body, in pieces, of an answer with these parts. `type_` is the media type of the first one."""
    boundary = uuid.uuid4().hex
    return str(MediaType(MULTIPART, {"type": type_, "boundary": boundary})), join(contents, boundary)


class _Splitter:
    """Takes a body in pieces and gives complete parts."""

    def __init__(self, boundary: str) -> None:
        self.complete: deque[tuple[str, BinaryIO]] = deque()
        self._part: BinaryIO | None = None
        self._begun = 0
        self._name, self._value, self._content_type = b"", b"", ""
        # Until the first boundary: what has come so far.
        self._preamble: bytes | None = b""
        callbacks: MultipartCallbacks = {
            "on_part_begin": self._begin,
            "on_header_field": self._add_to_name,
            "on_header_value": self._add_to_value,
            "on_header_end": self._end_header,
            "on_part_data": self._add,
            "on_part_end": self._end,
        }
        try:
            self._parser = MultipartParser(boundary, callbacks)
            # At the beginning of a line, with blanks behind it; or the last one, with dashes.
            self._first = re.compile(rb"(?:\A|\n)(--%s)(?:[ \t]*(\r\n)|(--))" % re.escape(boundary.encode("latin-1")))
        except (FormParserError, UnicodeError):
            raise MalformedBody("The boundary in Content-Type is invalid.") from None

    @property
    def ended(self) -> bool:
        return self._parser.state == MultipartState.END

    def write(self, piece: bytes) -> None:
        if self._preamble is not None:
            piece = self._from_first_boundary(self._preamble + piece)
        try:
            self._parser.write(piece)
        except FormParserError:
            raise MalformedBody(DAMAGED) from None

    def _from_first_boundary(self, beginning: bytes) -> bytes:
        """What there is from the first boundary on. The parser takes no preamble, nor blanks behind this boundary."""
        found = self._first.search(beginning)
        if (found.start(1) if found else len(beginning) - LONGEST_LINE) > MOST_PREAMBLE:
            raise MalformedBody(f"More than {MOST_PREAMBLE:,} bytes come before the first boundary.")
        if found is None:
            self._preamble = beginning
            return b""
        self._preamble = None
        return found[1] + (found[2] or found[3]) + beginning[found.end() :]

    def close(self) -> None:
        """Close the parts that nobody has taken."""
        for _, part in self.complete:
            part.close()
        if self._part is not None:
            self._part.close()

    def _begin(self) -> None:
        self._begun += 1
        if self._begun > MAX_PARTS:
            raise InputOverLimit(f"A body may have {MAX_PARTS} parts; this one has more. Send the study in portions.")
        self._part = cast(BinaryIO, tempfile.SpooledTemporaryFile(PART_IN_MEMORY))  # noqa: SIM115  (the caller closes it)
        self._name, self._value, self._content_type = b"", b"", ""

    def _add_to_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _add_to_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        if self._name.lower() == b"content-type":
            self._content_type = self._value.decode("latin-1").strip()
        self._name, self._value = b"", b""

    def _add(self, data: bytes, start: int, end: int) -> None:
        if self._part is not None:
            self._part.write(memoryview(data)[start:end])

    def _end(self) -> None:
        if self._part is not None:
            self.complete.append((self._content_type, self._part))
            self._part = None
