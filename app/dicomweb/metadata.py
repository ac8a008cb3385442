"""Metadata of instances, made once and kept beside their files, and the long values that they refer to (PS3.18 10.4.1).

They are made in the background as soon as an instance is stored, or when somebody asks for them before. A store never
waits for them, and an instance that an earlier version stored has them from the first request on.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import BinaryIO

from apiflask import APIBlueprint
from flask import Response, request, url_for
from sqlalchemy import select, update
from werkzeug.exceptions import NotAcceptable, NotFound, ServiceUnavailable, TooManyRequests

from app.contract.json_text import Json, dumps
from app.dicomweb import apart, attributes, multipart
from app.dicomweb.attributes import Made
from app.dicomweb.complete import complete, pieces_of
from app.dicomweb.instances_out import BULK
from app.dicomweb.media_types import ACCEPT, DICOM_JSON, MULTIPART, OCTETS, MediaType, accept, accepted
from app.http.responses import answers, binary, response
from app.service.parts import service
from app.store.database import Database, Instance
from app.store.disk.metadata_file import SUFFIX
from app.store.disk.shared_folder import FileLost
from app.store.instances import Instances
from app.store.receiving import rows_of

blueprint = APIBlueprint("metadata", __name__, tag="DICOMweb")

INSTANCE = "/studies/<study>/series/<series>/instances/<instance>"
PARTS = MediaType(MULTIPART, {"type": OCTETS})
# Instances whose metadata are made in one call of a process. A viewer waits at most as long as one call takes.
AT_ONCE = 16
# As `json.dumps` writes it. No text of a client can look like this: its quotation marks are escaped.
REFERENCE = f'"BulkDataURI": "{BULK}/'.encode()
# A tag, and before it tags and item numbers of the sequences that it is in. No deeper than headers may be.
ATTRIBUTE = re.compile(r"[0-9A-Fa-f]{8}(/[1-9][0-9]{0,5}/[0-9A-Fa-f]{8}){0,32}")


def as_json(rows: Sequence[Instance]) -> Response:
    """The metadata of instances as DICOM JSON; packed for a client that accepts this; 304 if the client has them.

    Raises:
        FileLost, NotFound: A file is damaged, or has been deleted meanwhile.
        InputOverLimit: They are too long, of one instance or together.
    """
    instances, packed = service().instances, request.accept_encodings.quality("gzip") > 0
    for row in rows:
        instances.check(row)
    etag = _etag(rows, packed)
    if request.if_none_match.contains_weak(etag):
        answer = Response(status=304)
        answer.headers.pop("Content-Type", None)
    else:
        answer = complete(_array(rows), DICOM_JSON, packed)
    answer.set_etag(etag)
    answer.vary.update(("Accept", "Accept-Encoding"))
    return answer


def told(rows: Sequence[Instance]) -> Iterator[bytes]:
    """The metadata of each instance as DICOM JSON. Raises as `as_json` does."""
    for row, made in _made(service().instances, rows):
        if not isinstance(made, bytes):
            raise made
        yield _addressed(row, made)


@blueprint.get(f"{INSTANCE}/{BULK}/<path:attribute>")
@blueprint.doc(
    responses=answers(
        {200: response("The value.", {str(PARTS): binary("One part."), OCTETS: binary("The value.")})}, 404, 406
    ),
    extensions={"parameters": [ACCEPT]},
)
def bulkdata(study: str, series: str, instance: str, attribute: str) -> Response:
    """A value that metadata refer to: numbers little endian, text in UTF-8, anything else as it is stored."""
    row = next(service().instances.find(study, series, instance), None)
    if row is None or ATTRIBUTE.fullmatch(attribute) is None:
        raise NotFound("The service holds no value at this address.")
    for wanted in accepted(accept()):
        if not wanted.root.matches(OCTETS):
            continue
        file = attributes.bulkdata(service().instances.open(row), attribute)
        if wanted.name in (MULTIPART, "*/*"):
            content_type, content = multipart.related(OCTETS, [(MediaType(OCTETS), pieces_of(file))])
            answer = Response(content, content_type=content_type)
        else:
            answer = Response(pieces_of(file), content_type=OCTETS)
        answer.call_on_close(file.close)
        return answer
    raise NotAcceptable(f"A value is given as {PARTS}, or as {OCTETS}.")


def of_uids(uids: Sequence[str]) -> dict[str, Json]:
    """The metadata of those of these instances that have any, by SOPInstanceUID."""
    with service().database.read() as session:
        rows = list(rows_of(session, uids).values())
    made = _made(service().instances, rows)
    return {row.sop_uid: json.loads(_addressed(row, one)) for row, one in made if isinstance(one, bytes)}


def make_due(database: Database, instances: Instances) -> bool:
    """Make the metadata of some instances that have been stored and have none yet. Returns whether there are more."""
    with database.read() as session:
        due = select(Instance).where(Instance.metadata_due).order_by(Instance.study_uid).limit(AT_ONCE)
        rows = session.scalars(due).all()
    if not rows:
        return False
    try:
        for _ in _made(instances, rows):
            pass
    except (TooManyRequests, ServiceUnavailable):  # clients go first
        return False
    with database.write() as session:
        done = update(Instance).where(Instance.sop_uid.in_([row.sop_uid for row in rows]))
        session.execute(done.values(metadata_due=False))
    return len(rows) == AT_ONCE


def _array(rows: Sequence[Instance]) -> Iterator[bytes]:
    yield b"["
    for number, content in enumerate(told(rows)):
        yield b", " if number else b""
        yield content
    yield b"]"


def _addressed(row: Instance, made: bytes) -> bytes:
    """Metadata with whole addresses of long values. Clients differ in what they take relative ones to."""
    if REFERENCE not in made:
        return made
    uids = {"study": row.study_uid, "series": row.series_uid, "instance": row.sop_uid}
    place = dumps(url_for("dicomweb.wado.instance", _external=True, **uids))[1:-1]
    return made.replace(REFERENCE, f'"BulkDataURI": "{place}/{BULK}/'.encode())


def _made(instances: Instances, rows: Sequence[Instance]) -> Iterator[tuple[Instance, Made]]:
    """The metadata of each instance: those that are kept, or else made now and kept."""
    for start in range(0, len(rows), AT_ONCE):
        some = rows[start : start + AT_ONCE]
        known = {row.sop_uid: _kept(instances, row) for row in some}
        missing = [row for row in some if known[row.sop_uid] is None]
        known |= _newly_made(instances, missing)
        yield from ((row, known[row.sop_uid] or FileLost(apart.LOST)) for row in some)


def _kept(instances: Instances, row: Instance) -> Made | None:
    try:
        return instances.metadata(row)
    except NotFound as error:  # also FileLost
        return error


def _newly_made(instances: Instances, rows: Iterable[Instance]) -> Mapping[str, Made]:
    with ExitStack() as opened:
        streams: dict[str, BinaryIO] = {}
        found: dict[str, Made] = {}
        by_uid = {row.sop_uid: row for row in rows}
        for uid, row in by_uid.items():
            try:
                streams[uid] = opened.enter_context(instances.open(row))
            except NotFound as error:
                found[uid] = error
        if streams:
            found |= zip(streams, attributes.metadata(list(streams.values())), strict=True)
    instances.keep_metadata((by_uid[uid], made) for uid, made in found.items() if isinstance(made, bytes))
    return found


def _etag(rows: Iterable[Instance], packed: bool) -> str:
    """Changes with the instances, with what is made of them, and with the addresses and the encoding in the answer."""
    digest = hashlib.sha256(f"{SUFFIX} {request.host_url} {packed}".encode())
    for row in rows:
        digest.update(f"\n{row.sop_uid} {row.digest}".encode())
    return digest.hexdigest()[:32]
