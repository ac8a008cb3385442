"""WADO-RS: instances, their metadata, and single frames (PS3.18 10.4)."""

import logging
import re
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from functools import partial
from itertools import chain

from apiflask import APIBlueprint
from flask import Response
from pydicom.uid import UID, ExplicitVRLittleEndian
from werkzeug.exceptions import BadRequest, NotAcceptable, NotFound

from app.contract.schemas import DicomObjects
from app.dicomweb import apart, frames, multipart
from app.dicomweb.complete import complete
from app.dicomweb.instances_out import SENT
from app.dicomweb.media_types import (
    ACCEPT,
    DICOM,
    DICOM_JSON,
    DICOM_XML,
    JSON,
    MULTIPART,
    OCTETS,
    MediaType,
    accept,
    accepted,
)
from app.dicomweb.metadata import as_json, told
from app.http.responses import Document, answers, binary, refers, response
from app.service.parts import service
from app.store.database import Instance
from app.store.instances import Instances
from data_prep.dicom.archive import PIECE

LOG = logging.getLogger(__name__)
blueprint = APIBlueprint("wado", __name__, tag="DICOMweb")

STUDY = "/studies/<study>"
SERIES = f"{STUDY}/series/<series>"
INSTANCE = f"{SERIES}/instances/<instance>"
AS_STORED = "*"
FRAME_TYPES = (OCTETS, *sorted(set(frames.MEDIA_TYPES.values())))
XML_PARTS = MediaType(MULTIPART, {"type": DICOM_XML})
NO_INSTANCES = (
    f'Instances are given as {MULTIPART}; type="{DICOM}", and a single instance also as {DICOM}; with one of these '
    f"transfer syntaxes: {', '.join(SENT)}, the stored one, or transfer-syntax=*."
)
NO_METADATA = f"Metadata are {DICOM_JSON}, {JSON} or {XML_PARTS}; those of a single instance also {DICOM_XML}."


def parts_of(description: str, *types: str, alone: Sequence[str] = ()) -> Document:
    """A multipart response, for the OpenAPI document.

    Args:
        description: What is sent.
        types: The media types that its parts may have.
        alone: The media types that a single part can also be sent as, without parts.
    """
    names = [str(MediaType(MULTIPART, {"type": type_})) for type_ in types]
    return response(description, dict.fromkeys([*names, *alone], binary(description)))


@blueprint.get(STUDY, endpoint="study")
@blueprint.get(SERIES, endpoint="series")
@blueprint.get(INSTANCE, endpoint="instance")
@blueprint.doc(
    responses=answers(
        {200: parts_of("DICOM files; as stored if `Accept` has `transfer-syntax=*`.", DICOM, alone=[DICOM])}, 404, 406
    ),
    extensions={"parameters": [ACCEPT]},
)
def retrieve(**uids: str) -> Response:
    """All instances of a study or series, or one instance; as stored or in another transfer syntax, see `Accept`."""
    rows, instances = held(**uids), service().instances
    encodings = _encodings(is_one="instance" in uids)
    with ExitStack() as reading:
        # None of the files expires before the answer has been sent.
        reading.enter_context(instances.reading(rows[0].study_uid))
        # Before the answer has begun, which can't become a problem then.
        stored = [apart.syntax(instances.open(row)) for row in rows]
        wanted, syntax = _first_possible(encodings, stored)
        parts = reading.enter_context(closing(_files(instances, rows, stored, syntax)))
        first = next(parts)
        if wanted.name == DICOM:
            answer = Response(first[1], content_type=str(first[0]))
        else:
            answer = in_parts(DICOM, chain([first], parts))
        answer.call_on_close(reading.pop_all().close)
    return answer


@blueprint.get(f"{STUDY}/metadata", endpoint="study_metadata")
@blueprint.get(f"{SERIES}/metadata", endpoint="series_metadata")
@blueprint.get(f"{INSTANCE}/metadata", endpoint="instance_metadata")
@blueprint.doc(
    responses=answers(
        {
            200: response(
                "The headers.",
                {DICOM_JSON: refers(DicomObjects)}
                | dict.fromkeys((str(XML_PARTS), DICOM_XML), binary("Native DICOM Model (PS3.19 A.1).")),
                "ETag",
            ),
            304: response("They are those that `If-None-Match` names.", {}, "ETag"),
        },
        *(404, 406, 413),
    ),
    extensions={"parameters": [ACCEPT]},
)
def metadata(**uids: str) -> Response:
    """The attributes without pixels, as DICOM JSON or XML. A number that JSON can't hold (NaN, infinity) is null."""
    rows = held(**uids)
    for wanted in accepted(accept()):
        if wanted.matches(DICOM_JSON) or wanted.matches(JSON):
            return as_json(rows)
        if wanted.name == MULTIPART and wanted.root.matches(DICOM_XML):
            content_type, body = multipart.related(DICOM_XML, map(_as_xml, told(rows)))
            return complete(body, content_type)
        if wanted.name == DICOM_XML and "instance" in uids:
            return complete(_as_xml(next(told(rows)))[1], DICOM_XML)
    raise NotAcceptable(NO_METADATA)


@blueprint.get(f"{INSTANCE}/frames/<numbers>")
@blueprint.doc(
    responses=answers(
        {200: parts_of("The frames, decoded, as stored, or compressed without loss.", *FRAME_TYPES, alone=FRAME_TYPES)},
        *(400, 404, 406),
    ),
    extensions={"parameters": [ACCEPT]},
)
def frame_list(study: str, series: str, instance: str, numbers: str) -> Response:
    """Frames by their numbers, from 1, separated by commas."""
    (row,) = held(study, series, instance)
    wanted = frame_numbers(numbers)
    media_type, is_alone, found = apart.pick(service().instances.open(row), wanted, accept())
    if is_alone:
        return Response(chain.from_iterable(found), content_type=str(media_type))
    return in_parts(media_type.name, ((media_type, content) for content in found))


def frame_numbers(text: str) -> list[int]:
    """Numbers of frames in a URL. Raises BadRequest."""
    if not re.fullmatch("[0-9]{1,9}(,[0-9]{1,9})*", text) or text.count(",") >= frames.MOST_FRAMES:
        raise BadRequest(f"Name at most {frames.MOST_FRAMES} frames by their numbers, separated by commas.")
    wanted = [int(number) for number in text.split(",")]
    if len(set(wanted)) < len(wanted):
        raise BadRequest("Name each frame once.")
    return wanted


def held(study: str, series: str | None = None, instance: str | None = None) -> list[Instance]:
    """The rows of what is stored. Raises NotFound if that is nothing."""
    rows = list(service().instances.find(study, series, instance))
    if not rows:
        raise NotFound("The service holds nothing with these UIDs.")
    return rows


def in_parts(type_: str, parts: Iterable[multipart.Part]) -> Response:
    """An answer in parts, which are made while it is sent."""
    content_type, body = multipart.related(type_, parts)
    return Response(_until_deleted(body), content_type=content_type)


def _as_xml(content: bytes) -> tuple[MediaType, list[bytes]]:
    return MediaType(DICOM_XML), [apart.as_xml(content)]


def _encodings(is_one: bool) -> list[tuple[MediaType, str]]:
    """The media types of instances that the client accepts, each with its transfer syntax. Raises NotAcceptable."""
    found = [
        (wanted, wanted.parameters.get("transfer-syntax", ExplicitVRLittleEndian))
        for wanted in accepted(accept())
        # A single part is for a single instance, however many a series has (PS3.18 10.4.4).
        if (wanted.name in (MULTIPART, "*/*") and wanted.root.matches(DICOM)) or (is_one and wanted.name == DICOM)
    ]
    if not found:
        raise NotAcceptable(NO_INSTANCES)
    return found


def _first_possible(encodings: Iterable[tuple[MediaType, str]], stored: Iterable[UID]) -> tuple[MediaType, str]:
    """The first encoding that instances with these transfer syntaxes can be sent in. Raises NotAcceptable."""
    only = set(map(str, stored))
    for wanted, syntax in encodings:
        if syntax in (*SENT, AS_STORED) or {syntax} == only:
            return wanted, syntax
    raise NotAcceptable(NO_INSTANCES)


def _until_deleted(body: Iterator[bytes]) -> Iterator[bytes]:
    """A multipart body. If its study is deleted meanwhile, it lacks the last boundary and can't pass as whole."""
    try:
        yield from body
    except NotFound as error:  # also FileLost
        LOG.warning("an answer ended early: %s", type(error).__name__)


def _files(
    instances: Instances, rows: Sequence[Instance], stored: Iterable[UID], wanted: str
) -> Generator[multipart.Part]:
    """Instances as parts, whose media types name their encoding.

    Args:
        instances: The instances.
        rows: Which of them.
        stored: The transfer syntax of each.
        wanted: The transfer syntax to send; `AS_STORED` for those that they have.

    Raises:
        NotAcceptable: There is only one instance, and it can't be sent in the wanted transfer syntax.
    """
    for row, syntax in zip(rows, stored, strict=True):
        recoded = _recoded(instances, row, syntax, UID(wanted), is_only=len(rows) == 1)
        if recoded is not None:
            yield MediaType(DICOM, {"transfer-syntax": recoded[0]}), recoded[1]
            continue
        with instances.open(row) as stream:
            yield MediaType(DICOM, {"transfer-syntax": syntax}), iter(partial(stream.read, PIECE), b"")


def _recoded(
    instances: Instances, row: Instance, stored: UID, wanted: UID, is_only: bool
) -> tuple[UID, Iterator[bytes]] | None:
    """An instance in the wanted transfer syntax, otherwise decoded. None: it is sent as it is stored."""
    for syntax in dict.fromkeys((wanted, ExplicitVRLittleEndian)):
        if syntax in (AS_STORED, stored):
            return None
        if (found := apart.recoded(instances.open(row), syntax)) is not None:
            return found
        if is_only and syntax != ExplicitVRLittleEndian:
            raise NotAcceptable(f"This instance can't be sent in the transfer syntax {syntax.name}.")
    return None
