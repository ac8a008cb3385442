"""A request's body as named streams. Large ones are on the disk, and none exceeds the limits."""

import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import BinaryIO, cast

from flask import Request, Response, request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge
from werkzeug.formparser import FormDataParser

from data_prep.dicom.archive import PREAMBLE, PREFIX, ZIP_MAGIC, begins_as_dicom
from data_prep.errors import (
    FileProblem,
    InputError,
    InputOverLimit,
    MalformedBody,
    MalformedInput,
    UnsupportedInput,
)

# Bytes. Anything larger is in a temporary file without a name.
BODY_IN_MEMORY, PART_IN_MEMORY = 8 << 20, 256 << 10
# Each part may be an open file. A study with more instances must be sent as a zip.
MAX_PARTS = 500
# What a form may hold besides files (werkzeug also counts the bytes of a file that it has buffered).
FIELDS_BYTES = 500_000
# How much of a refused body is still read: most clients don't read a response before they have sent everything.
DISCARDED_MB = 256
MULTIPART = "multipart/form-data"
MEDIA_TYPES = ("application/zip", "application/dicom", MULTIPART)
# Other media types that programs send for a zip or a DICOM file, or for a file of unknown type: Windows' registry has
# x-zip-compressed, old browsers x-zip, command-line clients send the form's type or none. The content decides.
OTHER_NAMES = frozenset(
    {
        "",
        "application/x-zip-compressed",
        "application/x-zip",
        "application/zip-compressed",
        "application/x-compressed",
        "application/x-compress",
        "multipart/x-zip",
        "application/octet-stream",
        "application/octetstream",
        "application/x-octet-stream",
        "application/binary",
        "binary/octet-stream",
        "application/x-binary",
        "application/x-download",
        "application/force-download",
        "application/x-www-form-urlencoded",
        "application/x-dicom",
        "image/dicom",
        "image/x-dicom",
    }
)
# The first bytes of archives that Cruciate doesn't open.
OTHER_ARCHIVES = {b"\x1f\x8b": "gzip", b"7z\xbc\xaf": "7-Zip", b"Rar!": "RAR", b"\xfd7zXZ": "xz", b"BZh": "bzip2"}


def drain(response: Response) -> Response:
    """Read the rest of a refused body, up to a limit. Otherwise its sender would get a broken connection."""
    if not (request.content_length or "Transfer-Encoding" in request.headers):
        return response  # no body; on some servers, reading would wait for one
    rest = request.environ["wsgi.input"]
    with suppress(HTTPException):
        for _ in range(DISCARDED_MB):
            if not rest.read(1 << 20):
                break
    return response


@contextmanager
def received(request: Request) -> Iterator[list[tuple[str, BinaryIO]]]:
    """The files of a body with their names. They are closed at the end.

    Raises:
        UnsupportedInput: The Content-Type isn't supported.
        MalformedBody: The body is empty or damaged, or a part isn't a file.
        MalformedInput: The body is neither a zip archive nor a DICOM file.
        InputOverLimit: The body has too many bytes or parts.
    """
    if request.mimetype not in OTHER_NAMES.union(MEDIA_TYPES):
        raise UnsupportedInput(f"Content-Type must be one of {', '.join(MEDIA_TYPES)}.")
    with ExitStack() as spools:
        try:
            files = _parts(request, spools) if request.mimetype == MULTIPART else [_body(request, spools)]
        except RequestEntityTooLarge:
            limit = (request.max_content_length or 0) >> 20
            raise InputOverLimit(f"A body may have {limit} MB and {MAX_PARTS} parts; this one has more.") from None
        yield files


def _spool(spools: ExitStack, in_memory: int) -> BinaryIO:
    return cast(BinaryIO, spools.enter_context(tempfile.SpooledTemporaryFile(in_memory)))


def _body(request: Request, spools: ExitStack) -> tuple[str, BinaryIO]:
    """The body as one file. Its media type only decides which error describes a body that can't be read."""
    stream = _spool(spools, BODY_IN_MEMORY)
    shutil.copyfileobj(request.stream, stream)
    if not stream.tell():
        raise MalformedBody("The body is empty.")
    stream.seek(0)
    head = stream.read(PREAMBLE + len(PREFIX))
    if not begins_as_dicom(head):
        is_zip = zipfile.is_zipfile(stream)
        if not is_zip or not head.startswith(ZIP_MAGIC):
            raise _not_read(request.mimetype, head, is_zip)
    stream.seek(0)
    return "body", stream


def _not_read(media_type: str, head: bytes, is_zip: bool) -> InputError:
    if is_zip:
        return MalformedInput("The zip archive follows other bytes, as in a self-extracting program: send it alone.")
    for magic, name in OTHER_ARCHIVES.items():
        if head.startswith(magic):
            return MalformedInput(f"The body is a {name} archive; only zip archives are supported.")
    if head.startswith(ZIP_MAGIC):
        return MalformedBody("The zip archive is damaged or incomplete.")
    if media_type == "application/zip":
        return MalformedInput("The body isn't a zip archive.")
    if media_type == "application/dicom":
        return MalformedInput("The body isn't a DICOM file (PS3.10).")
    return MalformedInput("The body is neither a zip archive nor a DICOM file (PS3.10).")


def _parts(request: Request, spools: ExitStack) -> list[tuple[str, BinaryIO]]:
    def spool(*_: object, **__: object) -> BinaryIO:
        return _spool(spools, PART_IN_MEMORY)

    if not request.mimetype_params.get("boundary"):
        raise MalformedBody(f"Content-Type must name what is between the parts: {MULTIPART}; boundary=...")
    parser = FormDataParser(spool, max_form_memory_size=FIELDS_BYTES, silent=False, max_form_parts=MAX_PARTS)
    try:
        _, fields, files = parser.parse(request.stream, MULTIPART, request.content_length, request.mimetype_params)
    except ValueError:
        raise MalformedBody("The multipart body is damaged or incomplete.") from None
    wrong = sorted({name or "" for name in {*fields} | ({*files} - {"file"})})
    if wrong:
        problems = tuple(FileProblem(name, "not a part named `file` with a file name") for name in wrong)
        raise MalformedBody("Every part must be named `file` and carry a file name.", problems)
    if not files:
        raise MalformedBody("The body has no part named `file`.")
    return [(part.filename or "file", cast(BinaryIO, part.stream)) for part in files.getlist("file")]
