"""Stored instances as clients ask for them, made in processes with limits (app/apart/).

In each pair of functions, the public one is the service's. It gives the process two open files, the instance and an
empty one for what is made of it, and checks what comes back. The other one runs in the process.
"""

import json
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Annotated, Any, BinaryIO, TypeVar, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydicom.uid import UID
from werkzeug.exceptions import BadRequest, NotAcceptable

from app.apart.messages import LONGEST
from app.apart.pool import Pool
from app.apart.room import Room
from app.contract.problems import log_unexpected
from app.dicomweb import frames, instances_out
from app.dicomweb.media_types import MediaType, accepted
from app.dicomweb.picture import JPEG, PNG, pictures
from app.dicomweb.representations import report
from app.dicomweb.representations.native_xml import BEGINNING, END, native_xml
from app.dicomweb.representations.view import View
from app.store.disk.shared_folder import FileLost
from app.store.files.instance_file import Header, Refusal, all_attributes, read_header
from data_prep.dicom.archive import PIECE
from data_prep.dicom.transfer_syntax import TAKEN
from data_prep.errors import InputError, InputOverLimit

Result = TypeVar("Result")

# Others than those that read studies, so that a viewer doesn't wait for them, nor they for a viewer.
# Searches share the threads of those who wait here, so few wait long. A viewer's burst of pictures needs a second.
READERS = Pool(2 << 30, preload="app.dicomweb.apart", what="Reading the instance", advice="", wait_s=3.0, crowded_s=1.0)
# Bytes of all answers that clients haven't read yet.
ROOM = Room(2 << 30)
LOST = "The file of an instance is damaged on the service's disk. Send the instance again."
COSTLY = "This instance can't be decoded within the limits of memory and time; ask for it as it is stored."
# Bytes of an instance's attributes as XML, which has names and tags that JSON doesn't have.
MOST_XML = 32 << 20
# How the files of pictures begin.
BEGINNINGS = {JPEG: b"\xff\xd8\xff", PNG: b"\x89PNG\r\n\x1a\n"}


def _known(syntax: str) -> str:
    if syntax not in TAKEN:
        raise ValueError("another transfer syntax")
    return syntax


Syntax = Annotated[str, AfterValidator(_known)]
Length = Annotated[int, Field(ge=0)]


class Recoded(BaseModel):
    """Whether an instance was written in another transfer syntax, and in which.

    Attributes:
        syntax: None: that isn't possible.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    syntax: Syntax | None


class Drawn(BaseModel):
    """Pictures that were written to a file one after another.

    Attributes:
        lengths: Bytes of each picture.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    lengths: list[Length]


class Picked(BaseModel):
    """Frames that were written to a file one after another.

    Attributes:
        syntax: Their transfer syntax.
        is_alone: Whether the client accepts the frame without parts.
        lengths: Bytes of each frame.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    syntax: Syntax
    is_alone: bool
    lengths: Annotated[list[Length], Field(max_length=frames.MOST_FRAMES)]


@contextmanager
def _made(
    answer: type[Result],
    function: Callable[..., object],
    stream: BinaryIO,
    *arguments: Any,
    has_begun: bool = False,
    decodes: bool = True,
) -> Iterator[tuple[Result, BinaryIO]]:
    """What one of the functions below says of an instance, and the file that it has written. The instance is closed.

    Only what decodes pixels is done in a copy of a process.
    """
    with stream, tempfile.TemporaryFile() as out:
        expected, files = cast(type[Result | None], answer | None), [stream, out]
        found = READERS.call(expected, function, *arguments, files=files, has_begun=has_begun, copied=decodes)
        if found is None:
            raise FileLost(LOST)
        out.seek(0)
        yield found, out


def _of_an_instance(function: Callable[..., Result]) -> Callable[..., Result | None]:
    """Let a function of a header, an instance and a file to write to be called in a process. None: it is damaged."""

    @wraps(function)
    def called(files: list[BinaryIO], *arguments: Any) -> Result | None:
        stream, out = files
        try:
            header = read_header(stream)
        except Refusal:
            return None
        return function(header, stream, out, *arguments)

    return called


def syntax(stream: BinaryIO) -> UID:
    """The transfer syntax of an instance. Raises FileLost if its file is damaged."""
    with _made(Syntax, _syntax, stream, decodes=False) as (found, _):
        return UID(found)


@_of_an_instance
def _syntax(header: Header, stream: BinaryIO, out: BinaryIO) -> str:
    return header.transfer_syntax


def as_xml(attributes: bytes) -> bytes:
    """An instance's DICOM JSON as XML, see `native_xml.native_xml`. Raises InputOverLimit if that takes too much."""
    with tempfile.TemporaryFile() as told, tempfile.TemporaryFile() as out:
        told.write(attributes)
        READERS.call(bool, _as_xml, files=[told, out], copied=False)
        out.seek(0)
        content = _read(out, MOST_XML)
    # Whatever is escaped holds no further declaration.
    if not (content.startswith(BEGINNING.encode()) and content.endswith(END.encode()) and b"<!" not in content):
        raise FileLost(LOST)
    return content


def _as_xml(files: list[BinaryIO]) -> bool:
    told, out = files
    told.seek(0)
    content = native_xml(json.loads(told.read()))
    if len(content) > MOST_XML:
        raise InputOverLimit(f"The metadata of an instance take more than {MOST_XML >> 20} MB as XML; ask for JSON.")
    return out.write(content) > 0


def draw(stream: BinaryIO, numbers: Sequence[int], media_type: str, view: View) -> Iterator[Iterator[bytes]]:
    """Frames as pictures, see `picture.pictures`.

    Returns:
        Each picture in pieces, to be read in order.

    Raises:
        NotFound, NotAcceptable, BadRequest: As there; also if it takes too much time or memory.
        FileLost: The file is damaged.
    """
    with _costly(), _made(Drawn, _draw, stream, list(numbers), media_type, view.model_dump()) as (drawn, out):
        _check_lengths(drawn.lengths, len(numbers), out)
        start = 0
        for length in drawn.lengths:
            if os.pread(out.fileno(), len(BEGINNINGS[media_type]), start) != BEGINNINGS[media_type]:
                raise NotAcceptable("This frame can't be drawn as a picture.")
            start += length
        return _portions(ROOM.keep(out), drawn.lengths)


@_of_an_instance
def _draw(
    header: Header, stream: BinaryIO, out: BinaryIO, numbers: list[int], media_type: str, view: dict[str, Any]
) -> Drawn:
    lengths: list[int] = []
    for one in pictures(stream, header, numbers, media_type, View.model_validate(view)):
        lengths.append(out.write(one))
        if len(numbers) > 1 and sum(lengths) > frames.MOST_BYTES:
            raise BadRequest(f"These pictures have more than {frames.MOST_BYTES >> 20} MB together; ask for fewer.")
    return Drawn(lengths=lengths)


def rendered_report(stream: BinaryIO, media_type: str) -> Iterator[bytes]:
    """A report as HTML or plain text in UTF-8, in pieces, see `report.rendered`. Raises as `draw` does."""
    with _costly(), _made(int, _rendered_report, stream, media_type) as (length, out):
        _check_lengths([length], 1, out)
        return _whole(ROOM.keep(out), length)


@_of_an_instance
def _rendered_report(header: Header, stream: BinaryIO, out: BinaryIO, media_type: str) -> int:
    return out.write(report.rendered(all_attributes(stream), media_type).encode())


def pick(stream: BinaryIO, numbers: Sequence[int], accept: str) -> tuple[MediaType, bool, Iterator[Iterator[bytes]]]:
    """Frames in the first encoding of an Accept header that is available, see `frames.pick`.

    Returns:
        The encoding, whether the client accepts the frame without parts, and each frame in pieces, to be read in order.

    Raises:
        The same as `draw`.
    """
    with _costly(), _made(Picked, _pick, stream, list(numbers), accept) as (picked, out):
        _check_lengths(picked.lengths, len(numbers), out)
        return frames.encoding(UID(picked.syntax)), picked.is_alone, _portions(ROOM.keep(out), picked.lengths)


@_of_an_instance
def _pick(header: Header, stream: BinaryIO, out: BinaryIO, numbers: list[int], accept: str) -> Picked:
    picked = frames.pick(stream, header, numbers, accepted(accept))
    for frame in picked.frames:
        out.write(frame)
    return Picked(syntax=picked.syntax, is_alone=picked.is_alone, lengths=[len(frame) for frame in picked.frames])


def recoded(stream: BinaryIO, wanted: UID) -> tuple[UID, Iterator[bytes]] | None:
    """An instance in another transfer syntax, in pieces, see `instances_out.recoded`; None if that isn't possible."""
    try:
        with _made(Recoded, _recoded, stream, wanted, has_begun=True) as (found, out):
            if found.syntax is None:
                return None
            kept, length = ROOM.keep(out), os.fstat(out.fileno()).st_size
            return UID(found.syntax), _whole(kept, length)
    except Exception as error:  # the answer may have begun
        if not isinstance(error, InputError):
            log_unexpected(error)
        return None


@_of_an_instance
def _recoded(header: Header, stream: BinaryIO, out: BinaryIO, wanted: str) -> Recoded:
    found = instances_out.recoded(stream, header, UID(wanted))
    if found is None:
        return Recoded(syntax=None)
    out.write(found[1])
    return Recoded(syntax=found[0])


@contextmanager
def _costly() -> Iterator[None]:
    try:
        yield
    except InputError:
        raise NotAcceptable(COSTLY) from None


def _read(out: BinaryIO, most: int = LONGEST) -> bytes:
    if not 0 < os.fstat(out.fileno()).st_size <= most:
        raise FileLost(LOST)
    return out.read(most)


def _check_lengths(lengths: Sequence[int], count: int, out: BinaryIO) -> None:
    if len(lengths) != count or sum(lengths) != os.fstat(out.fileno()).st_size:
        raise FileLost(LOST)


def _whole(file: BinaryIO, length: int) -> Iterator[bytes]:
    with file:
        yield from _pieces(file, length)


def _portions(file: BinaryIO, lengths: Sequence[int]) -> Iterator[Iterator[bytes]]:
    """Parts of a file, each in pieces. The file is closed after the last one."""
    with file:
        for length in lengths:
            yield _pieces(file, length)


def _pieces(file: BinaryIO, length: int) -> Iterator[bytes]:
    while length > 0 and (piece := file.read(min(length, PIECE))):
        length -= len(piece)
        yield piece
