"""STOW-RS: stores instances and reports on each (PS3.18 10.5). The prediction starts later, automatically."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import IO, BinaryIO, cast

from apiflask import APIBlueprint
from flask import Response, g, request, url_for
from werkzeug.exceptions import BadRequest, NotAcceptable, RequestEntityTooLarge

from app.contract.json_text import Json, dumps
from app.contract.schemas import DicomObject
from app.dicomweb import multipart
from app.dicomweb.media_types import (
    DICOM,
    DICOM_JSON,
    DICOM_XML,
    JSON,
    MULTIPART,
    OCTETS,
    XML,
    MediaType,
    accepted,
)
from app.dicomweb.representations.dicom_json import element
from app.dicomweb.representations.native_xml import native_xml
from app.http.body import GZIP, Unpacked
from app.http.responses import Document, answers, binary, refers, response
from app.http.uploads import MAX_PARTS
from app.service.parts import service
from app.store.index.keys import tag
from app.store.receiving import Receipt
from data_prep.dicom.part10 import is_uid
from data_prep.errors import InputOverLimit, MalformedBody, UnsupportedInput

blueprint = APIBlueprint("stow", __name__, tag="DICOMweb")

WANTED = f'Content-Type must be {MULTIPART}; type="{DICOM}"; boundary=..., or {DICOM} for one instance.'
# WarningReason: attributes were changed (PS3.18 I.2.2); C-STORE has the same status (PS3.4 B.2.3).
COERCED = 0xB000
INSTANCES = {
    "description": "DICOM instances (PS3.10), one in each part. The service predicts when no more have come for a "
    "while, and stores results in the same study.",
    "required": True,
    "content": {
        str(MediaType(MULTIPART, {"type": DICOM})): {"schema": binary(f"At most {MAX_PARTS} parts.")},
        DICOM: {"schema": binary("One instance.")},
    },
}


def _told(what: str, *headers: str) -> Document:
    """The Store Instances Response, in the media type that `Accept` wants."""
    described = dict.fromkeys((DICOM_JSON, JSON), refers(DicomObject))
    in_a_part = str(MediaType(MULTIPART, {"type": DICOM_XML}))
    described |= dict.fromkeys((DICOM_XML, XML, in_a_part), binary("The same as Native DICOM Model (PS3.19 A.1)."))
    return response(f"{what} The Store Instances Response (PS3.18 I.2) reports on each instance.", described, *headers)


@blueprint.post("/studies")
@blueprint.post("/studies/<study>", endpoint="store_in_study")
@blueprint.doc(
    responses=answers(
        {
            200: _told("All are stored."),
            202: _told("Some are stored, or all without the patient's identity (WarningReason B000).", "Warning"),
            409: _told("None is stored.", "Warning"),
        },
        *(400, 406, 413, 415, 503),
    ),
    extensions={"requestBody": INSTANCES},
)
def store(study: str | None = None) -> Response:
    """Store instances; if the URL names a study, only of this one. 200: all stored, 202: some or changed, 409: none."""
    if study is not None and not is_uid(study):
        raise BadRequest("The study in the URL isn't a UID.")
    answer_type, in_a_part = _answer_type()
    try:
        receipts = service().instances.receive(_instances(), study, g.caller.key or g.caller.user)
    except RequestEntityTooLarge:
        raise InputOverLimit(
            f"A body may have {service().settings.max_body_mb} MB; this one has more. Send the study in portions."
        ) from None
    if not receipts:
        raise MalformedBody("The body has no part.")
    g.stored_studies = Counter[str]()
    for receipt in receipts:
        if receipt.reason is None:
            g.stored_studies[receipt.study_uid] += receipt.preamble
    failed = [receipt for receipt in receipts if receipt.reason is not None]
    outcome = _outcome(receipts)
    body = native_xml(outcome) if answer_type in (DICOM_XML, XML) else dumps(outcome).encode()
    warned = failed or any(receipt.changed for receipt in receipts)
    status = 409 if len(failed) == len(receipts) else 202 if warned else 200
    response = _in_a_part(body, answer_type) if in_a_part else Response(body, content_type=answer_type)
    response.status_code = status
    if failed:
        response.headers["Warning"] = f'299 cruciate "{_for_people(receipts)}"'
    return response


@blueprint.delete("/studies/<study>")
@blueprint.doc(responses=answers({204: {"description": "It is deleted."}}, 404))
def delete(study: str) -> Response:
    """Delete a study: its instances, predictions and results."""
    service().studies.forget(study)
    return Response(status=204)


def _answer_type() -> tuple[str, bool]:
    """The media type of the answer, and whether the client wants it as a part. Raises NotAcceptable."""
    for wanted in accepted(request.headers.get("Accept", "")):
        for name in (DICOM_JSON, JSON, DICOM_XML, XML):
            if wanted.root.matches(name):
                return name, wanted.name == MULTIPART
    raise NotAcceptable(f"The answer is {DICOM_JSON}, {JSON}, {DICOM_XML} or {XML}.")


def _in_a_part(body: bytes, media_type: str) -> Response:
    content_type, content = multipart.related(media_type, [(MediaType(media_type), [body])])
    return Response(content, content_type=content_type)


def _body() -> IO[bytes]:
    """The request's body without its Content-Encoding. Raises UnsupportedInput if that isn't gzip."""
    coding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if coding in GZIP:
        return cast(IO[bytes], Unpacked(request.stream, service().settings.max_body_mb << 20))
    if coding != "identity":
        raise UnsupportedInput("Content-Encoding must be gzip, or must not be sent.")
    return request.stream


def _instances() -> Iterator[tuple[str, BinaryIO]]:
    """The parts of the request's body, while it arrives. Each must be DICOM. A body can also be one instance."""
    content_type = MediaType.parse(request.headers.get("Content-Type", ""))
    if content_type.name == DICOM:
        yield from _one()
        return
    if content_type.name != MULTIPART or not _may_be_dicom(content_type.root):
        raise UnsupportedInput(WANTED)
    if not (boundary := content_type.parameters.get("boundary")):
        raise MalformedBody(WANTED)
    for number, (part_type, part) in enumerate(multipart.parts(_body(), boundary), start=1):
        if part_type and not _may_be_dicom(MediaType.parse(part_type)):
            part.close()
            raise UnsupportedInput(f"Every part must be {DICOM}; part {number} isn't.")
        yield f"part {number}", part


def _one() -> Iterator[tuple[str, BinaryIO]]:
    body = multipart.spooled(_body())
    if not body.seek(0, os.SEEK_END):
        body.close()
        raise MalformedBody("The body is empty.")
    yield "body", body


def _may_be_dicom(one: MediaType) -> bool:
    """Whether a part of this type may be DICOM. Octet streams may be, because the content is checked anyway."""
    return one.matches(DICOM) or one.matches(OCTETS)


def _outcome(receipts: Sequence[Receipt]) -> Json:
    """The Store Instances Response (PS3.18 I.2)."""
    outcome: Json = {}
    stored = [receipt for receipt in receipts if receipt.reason is None]
    studies = {receipt.study_uid for receipt in stored}
    if len(studies) == 1:
        outcome |= element("RetrieveURL", _url(*studies))
    # An instance that can't be read has no UIDs for a reference.
    named = [receipt for receipt in receipts if receipt.reason is not None and receipt.sop_instance_uid]
    nameless = [receipt for receipt in receipts if receipt.reason is not None and not receipt.sop_instance_uid]
    groups = {
        "ReferencedSOPSequence": [_success(one) for one in stored],
        "FailedSOPSequence": [_reference(one) | element("FailureReason", one.reason) for one in named],
        "OtherFailuresSequence": [element("FailureReason", one.reason) for one in nameless],
    }
    return outcome | {tag(keyword): {"vr": "SQ", "Value": items} for keyword, items in groups.items() if items}


def _success(receipt: Receipt) -> Json:
    warning = element("WarningReason", COERCED) if receipt.changed else {}
    return _reference(receipt) | element("RetrieveURL", _instance_url(receipt)) | warning


def _reference(receipt: Receipt) -> Json:
    references = {"ReferencedSOPClassUID": receipt.sop_class_uid, "ReferencedSOPInstanceUID": receipt.sop_instance_uid}
    return {key: value for keyword, uid in references.items() for key, value in element(keyword, uid).items()}


def _instance_url(receipt: Receipt) -> str:
    return f"{_url(receipt.study_uid)}/series/{receipt.series_uid}/instances/{receipt.sop_instance_uid}"


def _url(study: str) -> str:
    return url_for("dicomweb.wado.study", study=study, _external=True)


def _for_people(receipts: Sequence[Receipt]) -> str:
    counts = Counter(receipt.text for receipt in receipts if receipt.reason is not None)
    return " ".join(f"{count} of {len(receipts)} not stored: {text}" for text, count in counts.most_common())
