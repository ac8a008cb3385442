"""STOW-RS: stores instances and reports on each (PS3.18 10.5). The prediction starts later, automatically."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from apiflask import APIBlueprint
from flask import Response, g, request, url_for
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge

from app.contract.json_text import Json, dumps
from app.contract.schemas import DicomObject
from app.dicomweb import multipart
from app.dicomweb.dicom_json import element, native_xml, tag
from app.dicomweb.media_types import DICOM, DICOM_JSON, DICOM_XML, JSON, MULTIPART, OCTETS, XML, MediaType, require
from app.http.responses import Document, answers, binary, refers, response
from app.http.uploads import MAX_PARTS
from app.service.parts import service
from app.store.instances import Receipt
from data_prep.dicom.part10 import UID_PATTERN
from data_prep.errors import InputOverLimit, MalformedInput, UnsupportedInput

blueprint = APIBlueprint("stow", __name__, tag="DICOMweb")

WANTED = f'Content-Type must be {MULTIPART}; type="{DICOM}"; boundary=...'
INSTANCES = {
    "description": "DICOM instances (PS3.10), one in each part. The service predicts when no more have come for a "
    "while, and stores results in the same study.",
    "required": True,
    "content": {str(MediaType(MULTIPART, {"type": DICOM})): {"schema": binary(f"At most {MAX_PARTS} parts.")}},
}


def _told(what: str, *headers: str) -> Document:
    """The Store Instances Response, in the media type that `Accept` wants."""
    described = dict.fromkeys((DICOM_JSON, JSON), refers(DicomObject))
    described |= dict.fromkeys((DICOM_XML, XML), binary("The same as Native DICOM Model (PS3.19 A.1)."))
    return response(f"{what} The Store Instances Response (PS3.18 I.2) reports on each instance.", described, *headers)


@blueprint.post("/studies")
@blueprint.post("/studies/<study>", endpoint="store_in_study")
@blueprint.doc(
    responses=answers(
        {
            200: _told("All are stored."),
            202: _told("Some are stored.", "Warning"),
            409: _told("None is stored.", "Warning"),
        },
        *(400, 406, 413, 415, 503),
    ),
    extensions={"requestBody": INSTANCES},
)
def store(study: str | None = None) -> Response:
    """Store instances; if the URL names a study, of this study only. 200: all are stored, 202: some, 409: none."""
    if study is not None and not UID_PATTERN.fullmatch(study):
        raise BadRequest("The study in the URL isn't a UID.")
    answer_type = require(request.headers.get("Accept", ""), DICOM_JSON, JSON, DICOM_XML, XML)
    try:
        receipts = service().instances.receive(_instances(), study)
    except RequestEntityTooLarge:
        raise InputOverLimit(
            f"A body may have {service().settings.max_body_mb} MB; this one has more. Send the study in portions."
        ) from None
    if not receipts:
        raise MalformedInput("The body has no part.")
    g.stored_studies = {receipt.study_uid for receipt in receipts if receipt.reason is None}
    failed = [receipt for receipt in receipts if receipt.reason is not None]
    outcome = _outcome(receipts)
    body = native_xml(outcome) if answer_type in (DICOM_XML, XML) else dumps(outcome)
    status = 200 if not failed else 202 if len(failed) < len(receipts) else 409
    response = Response(body, status, content_type=answer_type)
    if failed:
        response.headers["Warning"] = f'299 cruciate "{_for_people(receipts)}"'
    return response


@blueprint.delete("/studies/<study>")
@blueprint.doc(responses=answers({204: {"description": "It is deleted."}}, 404))
def delete(study: str) -> Response:
    """Delete a study: its instances, predictions and results."""
    service().studies.forget(study)
    return Response(status=204)


def _instances() -> Iterator[tuple[str, BinaryIO]]:
    """The parts of the request's body, while it arrives. Each must be DICOM."""
    content_type = MediaType.parse(request.headers.get("Content-Type", ""))
    if content_type.name != MULTIPART or not _may_be_dicom(content_type.root):
        raise UnsupportedInput(WANTED)
    if not (boundary := content_type.parameters.get("boundary")):
        raise MalformedInput(WANTED)
    for number, (part_type, part) in enumerate(multipart.parts(request.stream, boundary), start=1):
        if part_type and not _may_be_dicom(MediaType.parse(part_type)):
            part.close()
            raise UnsupportedInput(f"Every part must be {DICOM}; part {number} isn't.")
        yield f"part {number}", part


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
        "ReferencedSOPSequence": [_reference(one) | element("RetrieveURL", _instance_url(one)) for one in stored],
        "FailedSOPSequence": [_reference(one) | element("FailureReason", one.reason) for one in named],
        "OtherFailuresSequence": [element("FailureReason", one.reason) for one in nameless],
    }
    return outcome | {tag(keyword): {"vr": "SQ", "Value": items} for keyword, items in groups.items() if items}


def _reference(receipt: Receipt) -> Json:
    references = {"ReferencedSOPClassUID": receipt.sop_class_uid, "ReferencedSOPInstanceUID": receipt.sop_instance_uid}
    return {key: value for keyword, uid in references.items() for key, value in element(keyword, uid).items()}


def _instance_url(receipt: Receipt) -> str:
    return f"{_url(receipt.study_uid)}/series/{receipt.series_uid}/instances/{receipt.sop_instance_uid}"


def _url(study: str) -> str:
    return url_for("dicomweb.wado.study", study=study, _external=True)


def _for_people(receipts: Sequence[Receipt]) -> str:
    counts = Counter(receipt.text for receipt in receipts if receipt.reason is not None)
    return "; ".join(f"{count} of {len(receipts)} not stored: {text}" for text, count in counts.most_common())
