"""Reads and writes `multipart/related` (RFC 2387): parts with a Content-Type and no name.

A body is parsed while it arrives. Only the current part (on the disk if it is large) and the parts that the same piece
completed are held.
"""

import tempfile
from collections import deque
from collections.abc import Iterable, Iterator
from typing import IO, TYPE_CHECKING, BinaryIO, cast

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartState

from app.dicomweb.media_types import MediaType
from app.http.uploads import MAX_PARTS
from data_prep.dicom.archive import PIECE
from data_prep.errors import InputOverLimit, MalformedInput

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

# The media type of a part, and its content in pieces.
Part = tuple[MediaType, Iterable[bytes]]
# Bytes. A larger part is in a temporary file without a name; an MR image is smaller.
PART_IN_MEMORY = 1 << 20
DAMAGED = "The multipart body is damaged or incomplete."


def parts(body: IO[bytes], boundary: str) -> Iterator[tuple[str, BinaryIO]]:
    """Read the parts of a body. Errors may be raised after some parts.

    Yields:
        Content-Type ('' if there is none) and content of each part, as soon as it is complete. The caller must close
        the content.

    Raises:
        MalformedInput: The body is damaged or incomplete.
        InputOverLimit: The body has more parts than `MAX_PARTS`.
    """
    splitter = _Splitter(boundary)
    try:
        while piece := body.read(PIECE):
            splitter.write(piece)
            while splitter.complete:
                yield splitter.complete.popleft()
        if not splitter.ended:
            raise MalformedInput(DAMAGED)
    finally:
        splitter.close()


def join(contents: Iterable[Part], boundary: str) -> Iterator[bytes]:
    """The body with these parts, in pieces."""
    for media_type, content in contents:
        yield f"\r\n--{boundary}\r\nContent-Type: {media_type}\r\n\r\n".encode()
        yield from content
    yield f"\r\n--{boundary}--\r\n".encode()


class _Splitter:
    """Takes a body in pieces and gives complete parts."""

    def __init__(self, boundary: str) -> None:
        self.complete: deque[tuple[str, BinaryIO]] = deque()
        self._part: BinaryIO | None = None
        self._begun = 0
        self._name, self._value, self._content_type = b"", b"", ""
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
        except (FormParserError, UnicodeError):
            raise MalformedInput("The boundary in Content-Type is invalid.") from None

    @property
    def ended(self) -> bool:
        return self._parser.state == MultipartState.END

    def write(self, piece: bytes) -> None:
        try:
            self._parser.write(piece)
        except FormParserError:
            raise MalformedInput(DAMAGED) from None

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
