"""Metadata of instances and single values of them, made in processes with limits (app/apart/).

In each pair of functions, the public one is the service's. The other one runs in the process.
"""

import json
import os
import tempfile
from collections.abc import Sequence
from typing import Annotated, Any, BinaryIO, Literal, cast

from pydantic import Field
from werkzeug.exceptions import NotAcceptable, NotFound

from app.contract.json_text import dumps_of_headers
from app.dicomweb import apart, bulk, instances_out
from app.store.disk.metadata_file import MOST_METADATA
from app.store.disk.shared_folder import FileLost
from app.store.files.instance_file import Memo, Refusal, read_header
from data_prep.errors import InputError, InputOverLimit

Damaged = Literal["damaged"]
Long = Literal["too long"]
DAMAGED: Damaged = "damaged"
TOO_LONG: Long = "too long"
# What became of an instance: bytes that were written, or why not.
Outcome = Annotated[int, Field(ge=0)] | Damaged | Long
OUTCOME: Any = Outcome
# Metadata as DICOM JSON, or the error of an instance that has none.
Made = bytes | NotFound | InputError


def metadata(streams: Sequence[BinaryIO]) -> list[Made]:
    """The metadata of each instance, see `instances_out.metadata`. The streams stay open.

    An instance that takes too much time or memory, or crashes the process, costs no other its metadata.

    Raises:
        TooManyRequests, ServiceUnavailable: See `Pool.call`.
    """
    with tempfile.TemporaryFile() as out:
        try:
            outcomes = apart.READERS.call(list[Outcome], _metadata, files=[cast(BinaryIO, out), *streams], copied=False)
        except InputError as error:
            if len(streams) == 1:
                return [error]
            return [made for stream in streams for made in metadata([stream])]
        sizes = [one for one in outcomes if isinstance(one, int)]
        if len(outcomes) != len(streams) or sum(sizes) != os.fstat(out.fileno()).st_size:
            return [FileLost(apart.LOST) for _ in streams]
        out.seek(0)
        return [_checked(out.read(one)) if isinstance(one, int) else _error(one) for one in outcomes]


def _checked(content: bytes) -> Made:
    try:
        if len(content) <= MOST_METADATA and isinstance(json.loads(content, parse_constant=_refuse), dict):
            return content
    except ValueError:
        pass
    return FileLost(apart.LOST)


def _refuse(constant: str) -> None:
    raise ValueError("not JSON (RFC 8259 section 6)")


def _error(reason: Damaged | Long) -> FileLost | InputOverLimit:
    return FileLost(apart.LOST) if reason == DAMAGED else instances_out.over_limit()


def _metadata(files: list[BinaryIO]) -> list[Outcome]:
    out, *streams = files
    headers: Memo = {}
    elements: instances_out.Memo = {}
    return [_written(stream, out, headers, elements) for stream in streams]


def _written(stream: BinaryIO, out: BinaryIO, headers: Memo, elements: instances_out.Memo) -> Outcome:
    try:
        read_header(stream, headers)
        content = dumps_of_headers(instances_out.metadata(stream, elements)).encode()
    except InputOverLimit:
        return TOO_LONG
    except MemoryError:
        raise
    except Exception:  # pydicom may raise any exception
        return DAMAGED
    return TOO_LONG if len(content) > MOST_METADATA else out.write(content)


def bulkdata(stream: BinaryIO, path: str) -> BinaryIO:
    """A value of an instance as an open file, see `bulk.value`. The instance is closed.

    Raises:
        NotFound: There is no such value.
        NotAcceptable: It takes too much time or memory.
        FileLost: The file is damaged.
    """
    with stream, tempfile.TemporaryFile() as out:
        try:
            outcome = apart.READERS.call(OUTCOME, _bulkdata, path, files=[cast(BinaryIO, out), stream], copied=False)
        except InputError:
            raise NotAcceptable(apart.COSTLY) from None
        if outcome != os.fstat(out.fileno()).st_size:
            raise FileLost(apart.LOST)
        out.seek(0)
        return apart.ROOM.keep(out)


def _bulkdata(files: list[BinaryIO], path: str) -> Outcome:
    out, stream = files
    try:
        read_header(stream)
    except Refusal:
        return DAMAGED
    return out.write(bulk.value(stream, path))
