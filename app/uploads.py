"""A request's body as named streams, on disk where it's large and never beyond the limits."""

import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, cast

from flask import Request
from werkzeug.exceptions import RequestEntityTooLarge

from data_prep.errors import FileProblem, InputOverLimit, MalformedInput, UnsupportedInput

# Bodies up to this size stay in memory.
SPOOL_BYTES = 8 << 20
# Each part may be an open file; a study of more instances travels as a zip.
MAX_PARTS = 500
MEDIA_TYPES = ("application/zip", "application/dicom", "multipart/form-data")


@contextmanager
def received(request: Request) -> Iterator[list[tuple[str, BinaryIO]]]:
    """The files of a body with their names; closed at the end. Raises the InputError that fits."""
    if request.mimetype not in MEDIA_TYPES:
        raise UnsupportedInput(f"Content-Type must be one of {', '.join(MEDIA_TYPES)}.")
    try:
        if request.mimetype == "multipart/form-data":
            yield _parts(request)
            return
        with _body(request) as stream:
            yield [("body", stream)]
    except RequestEntityTooLarge:
        limit = (request.max_content_length or 0) >> 20
        raise InputOverLimit(f"A body may have {limit} MB and {MAX_PARTS} parts; this one has more.") from None


@contextmanager
def _body(request: Request) -> Iterator[BinaryIO]:
    with tempfile.SpooledTemporaryFile(SPOOL_BYTES) as spool:
        shutil.copyfileobj(request.stream, spool)
        if not spool.tell():
            raise MalformedInput("The body is empty.")
        stream = cast(BinaryIO, spool)
        if request.mimetype == "application/zip" and not zipfile.is_zipfile(stream):
            raise MalformedInput("The body isn't a zip archive, or not a whole one.")
        stream.seek(0)
        yield stream


def _parts(request: Request) -> list[tuple[str, BinaryIO]]:
    wrong = sorted({*request.form} | ({*request.files} - {"file"}))
    if wrong:
        problems = tuple(FileProblem(name, "not a part named `file` with a file name") for name in wrong)
        raise MalformedInput("Every part must be named `file` and carry a file name.", problems)
    files = request.files.getlist("file")
    if not files:
        raise MalformedInput("The body has no part named `file`.")
    return [(part.filename or "file", cast(BinaryIO, part.stream)) for part in files]
