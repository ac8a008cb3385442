"""WADO-RS: instances, their metadata, single frames and pictures of them (PS3.18 10.4)."""

import re
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import BinaryIO

from apiflask import APIBlueprint
from flask import Response, request
from pydicom.uid import ExplicitVRLittleEndian
from werkzeug.exceptions import BadRequest, NotAcceptable, NotFound

from app.contract.json_text import dumps_of_headers
from app.contract.schemas import DicomObjects
from app.dicomweb import frames, instances_out, multipart
from app.dicomweb.media_types import DICOM, DICOM_JSON, JSON, MULTIPART, OCTETS, MediaType, accepted, require
from app.dicomweb.picture import JPEG, PNG, picture
from app.http.responses import Document, answers, binary, refers, response
from app.service.parts import service
from app.store.database import Instance
from app.store.disk.shared_folder import FileLost
from app.store.instance_file import Header, Refusal, read_header
from app.store.instances import Instances
from data_prep.dicom.archive import PIECE

blueprint = APIBlueprint("wado", __name__, tag="DICOMweb")

STUDY = "/studies/<study>"
SERIES = f"{STUDY}/series/<series>"
INSTANCE = f"{SERIES}/instances/<instance>"
# A frame has at most about 30 MB, and all frames of a request are in memory at once.
MOST_FRAMES = 100


def _parts(description: str, *types: str) -> Document:
    """A multipart response, for the OpenAPI document. `types` are the media types that its parts may have."""
    return response(description, {str(MediaType(MULTIPART, {"type": type_})): binary(description) for type_ in types})


@blueprint.get(STUDY, endpoint="study")
@blueprint.get(SERIES, endpoint="series")
@blueprint.get(INSTANCE, endpoint="instance")
@blueprint.doc(
    responses=answers({200: _parts("DICOM files; as stored if `Accept` has `transfer-syntax=*`.", DICOM)}, 404, 406)
)
def retrieve(**uids: str) -> Response:
    """All instances of a study or series, or one instance; as stored or in Explicit VR Little Endian, see `Accept`."""
    rows = _held(**uids)
    for wanted in accepted(request.headers.get("Accept", "")):
        syntax = wanted.parameters.get("transfer-syntax", ExplicitVRLittleEndian)
        if wanted.name in (MULTIPART, "*/*") and wanted.root.matches(DICOM) and syntax in ("*", ExplicitVRLittleEndian):
            for row in rows:  # an answer that has begun can't become a problem
                with _opened(service().instances, row):
                    pass
            return _multipart(DICOM, _files(service().instances, rows, as_stored=syntax == "*"))
    raise NotAcceptable(f'Instances are given as {MULTIPART}; type="{DICOM}", decoded or with transfer-syntax=*.')


@blueprint.get(f"{STUDY}/metadata", endpoint="study_metadata")
@blueprint.get(f"{SERIES}/metadata", endpoint="series_metadata")
@blueprint.get(f"{INSTANCE}/metadata", endpoint="instance_metadata")
@blueprint.doc(responses=answers({200: response("The headers.", {DICOM_JSON: refers(DicomObjects)})}, 404, 406))
def metadata(**uids: str) -> Response:
    """The attributes without pixels, as DICOM JSON. A number that JSON can't hold (NaN, infinity) is null."""
    rows = _held(**uids)
    require(request.headers.get("Accept", ""), DICOM_JSON, JSON)
    found = []
    for row in rows:
        with _opened(service().instances, row) as (stream, _):
            found.append(instances_out.metadata(stream))
    return Response(dumps_of_headers(found), content_type=DICOM_JSON)


@blueprint.get(f"{INSTANCE}/frames/<numbers>")
@blueprint.doc(
    responses=answers(
        {200: _parts("The frames, decoded or as they are stored.", OCTETS, *sorted(set(frames.MEDIA_TYPES.values())))},
        *(400, 404, 406),
    )
)
def frame_list(study: str, series: str, instance: str, numbers: str) -> Response:
    """Frames by their numbers, from 1, separated by commas."""
    (row,) = _held(study, series, instance)
    if not re.fullmatch("[0-9]{1,9}(,[0-9]{1,9})*", numbers) or numbers.count(",") >= MOST_FRAMES:
        raise BadRequest(f"Name at most {MOST_FRAMES} frames by their numbers, separated by commas.")
    wanted = accepted(request.headers.get("Accept", ""))
    with _opened(service().instances, row) as (stream, header):
        found = frames.pick(stream, header, [int(number) for number in numbers.split(",")], wanted)
    return _multipart(found[0][0].name, ((media_type, [content]) for media_type, content in found))


@blueprint.get(f"{INSTANCE}/rendered")
@blueprint.get(f"{INSTANCE}/frames/<int:number>/rendered", endpoint="rendered_frame")
@blueprint.doc(responses=answers({200: response("8 bit.", {JPEG: binary("JPEG."), PNG: binary("PNG.")})}, 404, 406))
def rendered(study: str, series: str, instance: str, number: int = 1) -> Response:
    """One frame as JPEG or PNG."""
    (row,) = _held(study, series, instance)
    media_type = require(request.headers.get("Accept", ""), JPEG, PNG)
    with _opened(service().instances, row) as (stream, header):
        return Response(picture(stream, header, number, media_type), mimetype=media_type)


def _held(study: str, series: str | None = None, instance: str | None = None) -> list[Instance]:
    rows = list(service().instances.find(study, series, instance))
    if not rows:
        raise NotFound("The service holds nothing with these UIDs.")
    return rows


def _multipart(type_: str, parts: Iterable[multipart.Part]) -> Response:
    boundary = uuid.uuid4().hex
    content_type = MediaType(MULTIPART, {"type": type_, "boundary": boundary})
    return Response(multipart.join(parts, boundary), content_type=str(content_type))


@contextmanager
def _opened(instances: Instances, row: Instance) -> Iterator[tuple[BinaryIO, Header]]:
    """The file of an instance and its header. Raises FileLost if it is missing or damaged."""
    with instances.open(row) as stream:
        try:
            header = read_header(stream)
        except Refusal:
            raise FileLost(
                "The file of an instance is damaged on the service's disk. Send the instance again."
            ) from None
        yield stream, header


def _files(instances: Instances, rows: Iterable[Instance], as_stored: bool) -> Iterator[multipart.Part]:
    """Instances as parts. One that can't be decoded is sent as it is stored; its media type names the encoding."""
    for row in rows:
        with _opened(instances, row) as (stream, header):
            syntax, recoded = (header.transfer_syntax, None) if as_stored else instances_out.encoded(stream, header)
            content = iter(partial(stream.read, PIECE), b"") if recoded is None else [recoded]
            stream.seek(0)
            yield MediaType(DICOM, {"transfer-syntax": syntax}), content
