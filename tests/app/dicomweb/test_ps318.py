# ruff: noqa: E501  (a row of a table is one line)
"""WADO-RS and STOW-RS beside PS3.18: request by request, what the standard's paragraph asks for and what is answered.

The paragraphs are told in our words; the numbers are those of PS3.18 2024. QIDO-RS has a table of its own.
"""

import gzip
import io
import json
from collections.abc import Callable
from typing import Any, NamedTuple
from xml.etree import ElementTree

import cv2
import numpy as np
import pydicom
import pytest
from pydicom import uid
from werkzeug.test import TestResponse

from app.dicomweb import multipart
from app.dicomweb.media_types import DICOM, DICOM_JSON, DICOM_XML, MediaType
from tests.app.dicomweb import reports
from tests.app.dicomweb.messages import OCTETS, RELATED, body, related
from tests.app.dicomweb.test_rendered import framed
from tests.app.studies import COLUMNS, ROWS, instances, voxels

pytestmark = pytest.mark.slow

STUDIES = "/dicom-web/studies"
STUDY = f"{STUDIES}/2.25.7"
SERIES, FRAMED, TEXT = (
    f"{STUDY}/series/2.25.61",
    f"{STUDY}/series/2.25.62/instances/2.25.62.1",
    f"{STUDY}/series/2.25.60",
)
INSTANCE, RLE = f"{SERIES}/instances/2.25.61.1", f"{STUDY}/series/2.25.63/instances/2.25.63.1"
REPORT = f"{TEXT}/instances/{reports.INSTANCE}"
PROBLEM = "application/problem+json"
PART = 'multipart/related; type="{}"'
# The bundle: instances, and frames of images.
INSTANCES, IMAGES = 5, 5


class Row(NamedTuple):
    """A request, and what PS3.18 asks for.

    Attributes:
        path: Method, if it isn't GET, and path.
        accept: The header Accept.
        paragraph: The section or table, and what it says.
        status: The status of the answer.
        content_type: Its Content-Type, without boundary and transfer syntax; '' if it has none.
        holds: Whether its content is right.
    """

    path: str
    accept: str
    paragraph: str
    status: int
    content_type: str
    holds: Callable[[TestResponse], Any] = lambda response: True


def parts(response: TestResponse) -> list[tuple[MediaType, bytes]]:
    boundary = MediaType.parse(response.content_type).parameters["boundary"]
    found = []
    for kind, part in multipart.parts(io.BytesIO(response.data), boundary):
        with part:
            part.seek(0)
            found.append((MediaType.parse(kind), part.read()))
    return found


def syntaxes(response: TestResponse) -> set[str]:
    return {kind.parameters["transfer-syntax"] for kind, _ in parts(response)}


def files(count: int) -> Callable[[TestResponse], bool]:
    return lambda response: len([pydicom.dcmread(io.BytesIO(content)) for _, content in parts(response)]) == count


def in_syntax(syntax: str) -> Callable[[TestResponse], bool]:
    """Parts in this transfer syntax, and in Explicit VR Little Endian where there are no pixels."""

    def holds(response: TestResponse) -> bool:
        read = [pydicom.dcmread(io.BytesIO(content)) for _, content in parts(response)]
        assert syntaxes(response) == {one.file_meta.TransferSyntaxUID for one in read}
        return {one.file_meta.TransferSyntaxUID for one in read if "PixelData" in one} == {syntax}

    return holds


def frames(*planes: int) -> Callable[[TestResponse], bool]:
    def holds(response: TestResponse) -> bool:
        return [content for _, content in parts(response)] == [voxels()[plane].tobytes() for plane in planes]

    return holds


def is_alone(plane: int) -> Callable[[TestResponse], bool]:
    return lambda response: response.data == voxels()[plane].tobytes()


def xml(response: TestResponse) -> bool:
    documents = [response.data] if response.mimetype == DICOM_XML else [content for _, content in parts(response)]
    return all(ElementTree.fromstring(one).tag == "NativeDicomModel" for one in documents)


def sized(rows: int, columns: int, count: int = 1) -> Callable[[TestResponse], bool]:
    def holds(response: TestResponse) -> bool:
        contents = [content for _, content in parts(response)] if "related" in response.mimetype else [response.data]
        shapes = [cv2.imdecode(np.frombuffer(one, np.uint8), cv2.IMREAD_UNCHANGED).shape for one in contents]
        return shapes == [(rows, columns)] * count

    return holds


def saying(*words: str) -> Callable[[TestResponse], bool]:
    return lambda response: all(word in response.text for word in words)


def methods(*names: str) -> Callable[[TestResponse], bool]:
    return lambda response: set(response.allow) == {*names, "OPTIONS"}


def counted(count: int) -> Callable[[TestResponse], bool]:
    return lambda response: len(response.json) == count and "NaN" not in response.text


def whole(picture: str) -> Callable[[TestResponse], bool]:
    return lambda response: sized(ROWS, COLUMNS)(response) and response.data[:4].endswith(picture.encode())


J2K, JLS, IMPLICIT = uid.JPEG2000Lossless, uid.JPEGLSLossless, uid.ImplicitVRLittleEndian
JPEGS = PART.format("image/jpeg")
RETRIEVE = [
    # 10.4.4: media types of instances
    Row(STUDY, "*/*", "Table 10.4.4-1: application/dicom in parts is the default", 200, PART.format(DICOM), files(INSTANCES)),
    Row(STUDY, "", "8.7.8: no Accept is the same as */*", 200, PART.format(DICOM), files(INSTANCES)),
    Row(SERIES, related(DICOM), "10.4.1.1.1: all instances of a series", 200, PART.format(DICOM), files(2)),
    Row(INSTANCE, related(DICOM), "10.4.1.1.1: one instance", 200, PART.format(DICOM), files(1)),
    Row(INSTANCE, DICOM, "10.4.4: application/dicom without parts is for an instance", 200, DICOM),
    Row(TEXT, DICOM, "10.4.4 note 3: not for a series, even if it has one instance", 406, PROBLEM, saying("single instance")),
    Row(STUDY, DICOM, "10.4.4 note 3: not for a study", 406, PROBLEM),
    Row(STUDY, "application/zip", "8.7.8.1: 406 if no media type is left", 406, PROBLEM, saying("multipart/related")),
    Row(f"{STUDIES}/1.2.3", "*/*", "10.4.3.1: 404 if nothing is held", 404, PROBLEM),
    Row(f"{STUDY}/series/1.2.3", "*/*", "10.4.3.1: 404 if nothing is held", 404, PROBLEM),
    Row(f"{SERIES}/instances/1.2.3", "*/*", "10.4.3.1: 404 if nothing is held", 404, PROBLEM),
    # 8.7.3.5.2: transfer syntaxes
    Row(RLE, related(DICOM), "8.7.3.5.2: Explicit VR Little Endian is the default", 200, PART.format(DICOM), in_syntax(uid.ExplicitVRLittleEndian)),
    Row(RLE, related(DICOM, "*"), "8.7.3.5.2: * is any, here the stored one", 200, PART.format(DICOM), in_syntax(uid.RLELossless)),
    Row(RLE, related(DICOM, uid.RLELossless), "8.7.3.5.2: the stored one by its UID", 200, PART.format(DICOM), in_syntax(uid.RLELossless)),
    Row(STUDY, related(DICOM, J2K), "8.7.3.5.2: JPEG 2000 Lossless", 200, PART.format(DICOM), in_syntax(J2K)),
    Row(STUDY, related(DICOM, JLS), "8.7.3.5.2: JPEG-LS Lossless", 200, PART.format(DICOM), in_syntax(JLS)),
    Row(STUDY, related(DICOM, IMPLICIT), "8.7.3.5.2: Implicit VR Little Endian", 200, PART.format(DICOM), in_syntax(IMPLICIT)),
    Row(INSTANCE, f"{DICOM}; transfer-syntax={J2K}", "8.7.3.5.2: the same without parts", 200, DICOM),
    Row(STUDY, related(DICOM, uid.JPEGBaseline8Bit), "8.7.8.2: 406 for one that can't be made", 406, PROBLEM, saying(J2K)),
    Row(STUDY, f"{related(DICOM, uid.JPEG2000)}, {related(DICOM, JLS)};q=0.1", "8.7.8: the next one that is acceptable", 200, PART.format(DICOM), in_syntax(JLS)),
    # metadata
    Row(f"{STUDY}/metadata", "*/*", "Table 10.4.4-1: DICOM JSON is the default", 200, DICOM_JSON, counted(INSTANCES)),
    Row(f"{SERIES}/metadata", DICOM_JSON, "10.4.1.1.2: of a series", 200, DICOM_JSON, counted(2)),
    Row(f"{INSTANCE}/metadata", "application/json", "8.7.3.2: application/json, too", 200, DICOM_JSON, counted(1)),
    Row(f"{STUDY}/metadata", related(DICOM_XML), "Table 10.4.4-1: XML in parts is required", 200, PART.format(DICOM_XML), xml),
    Row(f"{INSTANCE}/metadata", DICOM_XML, "10.4.4 note 3: a single part for a single item", 200, DICOM_XML, xml),
    Row(f"{STUDY}/metadata", DICOM_XML, "10.4.4 note 3: not for a study", 406, PROBLEM, saying("multipart/related")),
    Row(f"{INSTANCE}/metadata", related(DICOM), "8.7.8.1: 406 if no media type is left", 406, PROBLEM),
    # frames
    Row(f"{FRAMED}/frames/1", "*/*", "Table 10.4.4-1: octets in parts", 200, PART.format(OCTETS), frames(3)),
    Row(f"{FRAMED}/frames/2,1", related(OCTETS), "10.4.1.1.6: a list, in its order", 200, PART.format(OCTETS), frames(4, 3)),
    Row(f"{FRAMED}/frames/2", OCTETS, "10.4.4 note 3: one frame without parts", 200, OCTETS, is_alone(4)),
    Row(f"{FRAMED}/frames/1,2", OCTETS, "10.4.4 note 3: several only in parts", 406, PROBLEM),
    Row(f"{FRAMED}/frames/1", related("image/jp2"), "Table 8.7.3-5: JPEG 2000, lossless if no syntax is named", 200, PART.format("image/jp2"), lambda response: syntaxes(response) == {J2K}),
    Row(f"{FRAMED}/frames/1", related("image/jls", JLS), "Table 8.7.3-5: JPEG-LS", 200, PART.format("image/jls"), lambda response: syntaxes(response) == {JLS}),
    Row(f"{RLE}/frames/1", related(OCTETS, "*"), "8.7.3.3.2: as it is stored", 200, PART.format("image/dicom-rle"), lambda response: syntaxes(response) == {uid.RLELossless}),
    Row(f"{FRAMED}/frames/1", related("image/jp2", uid.JPEG2000), "8.7.8.2: nothing is made worse for a client", 406, PROBLEM),
    Row(f"{FRAMED}/frames/3", "*/*", "10.4.3.1: 404 for a frame that isn't there", 404, PROBLEM, saying("has 2")),
    Row(f"{FRAMED}/frames/0", "*/*", "10.4.1.1.6: frames count from 1", 404, PROBLEM),
    Row(f"{FRAMED}/frames/one", "*/*", "8.5: 400 for a malformed list", 400, PROBLEM),
    Row(f"{REPORT}/frames/1", "*/*", "10.4.3.1: a report has no frames", 404, PROBLEM),
    # rendered
    Row(f"{STUDY}/rendered", "*/*", "10.4.1.1.3: every instance, in parts", 200, PART.format("text/html"), lambda response: len(parts(response)) == IMAGES + 1),
    Row(f"{SERIES}/rendered", related("image/jpeg"), "10.4.1.1.3: a series, in parts", 200, JPEGS, sized(ROWS, COLUMNS, 2)),
    Row(f"{SERIES}/rendered", "image/jpeg", "10.4.4 note 3: not without parts", 406, PROBLEM, saying("thumbnail")),
    Row(f"{INSTANCE}/rendered", "*/*", "Table 8.7.4-1: JPEG is the default of an image", 200, "image/jpeg", sized(ROWS, COLUMNS)),
    Row(f"{INSTANCE}/rendered", "image/png", "Table 8.7.4-1: PNG is required", 200, "image/png", whole("PNG")),
    Row(f"{INSTANCE}/rendered", "image/gif", "Table 8.7.4-1: GIF is asked for and not made here", 406, PROBLEM),
    Row(f"{FRAMED}/rendered", related("image/jpeg"), "10.4.1.1.3: all frames, in parts", 200, JPEGS, sized(ROWS, COLUMNS, 2)),
    Row(f"{FRAMED}/rendered", "image/jpeg", "8.7.4: a picture holds one frame, the first", 200, "image/jpeg", sized(ROWS, COLUMNS)),
    Row(f"{FRAMED}/frames/2/rendered", "image/png", "10.4.1.1.3: one frame", 200, "image/png", whole("PNG")),
    Row(f"{FRAMED}/frames/1,2/rendered", related("image/jpeg"), "10.4.1.1.3: a list of frames", 200, JPEGS, sized(ROWS, COLUMNS, 2)),
    Row(f"{FRAMED}/frames/3/rendered", "*/*", "10.4.3.1: 404 for a frame that isn't there", 404, PROBLEM),
    Row(f"{REPORT}/rendered", "*/*", "Table 8.7.4-1: HTML is the default of a text", 200, "text/html", saying("<li>", "A knee.")),
    Row(f"{REPORT}/rendered", "text/plain", "Table 8.7.4-1: plain text is required", 200, "text/plain", saying("Comment: A knee.")),
    Row(f"{REPORT}/rendered", "image/jpeg", "Table 8.7.4-1: a text is no image", 406, PROBLEM),
    Row(f"{REPORT}/frames/1/rendered", "*/*", "10.4.3.1: a report has no frames", 404, PROBLEM),
    Row(f"{FRAMED}/frames/1,3/rendered", related("image/jpeg"), "10.4.3.1: 404 if one of the frames isn't there", 404, PROBLEM),
    # 8.3.5.1: query of rendered resources
    Row(f"{INSTANCE}/rendered?viewport=160,192", "image/png", "8.3.5.1.3: as large as the viewport", 200, "image/png", sized(2 * ROWS, 2 * COLUMNS)),
    Row(f"{INSTANCE}/rendered?viewport=40,4000", "image/png", "8.3.5.1.3: the ratio of the sides stays", 200, "image/png", sized(48, 40)),
    Row(f"{INSTANCE}/rendered?viewport=10,10,,,20,20", "image/png", "8.3.5.1.3: a region, with values left out", 200, "image/png", sized(10, 10)),
    Row(f"{INSTANCE}/rendered?viewport=10", "image/png", "8.3.5.1.3: 400 for an ill-defined viewport", 400, PROBLEM, saying("viewport must be")),
    Row(f"{INSTANCE}/rendered?viewport=9,9,9999,0", "image/png", "8.3.5.1.3: 400 for a region beside the image", 400, PROBLEM, saying("outside")),
    Row(f"{INSTANCE}/rendered?window=500,1000,linear", "image/png", "8.3.5.1.4: centre, width, function", 200, "image/png", whole("PNG")),
    Row(f"{INSTANCE}/rendered?window=500,1000", "image/png", "8.3.5.1.4: 400 if one is missing", 400, PROBLEM, saying("window must be")),
    Row(f"{INSTANCE}/rendered?window=500,1000,cubic", "image/png", "8.3.5.1.4: 400 for another function", 400, PROBLEM),
    Row(f"{SERIES}/rendered?window=500,1000,sigmoid&quality=40", related("image/jpeg"), "8.3.5.1: for every image of a series", 200, JPEGS, sized(ROWS, COLUMNS, 2)),
    Row(f"{INSTANCE}/rendered?quality=1", "image/jpeg", "8.3.5.1.2: from 1 to 100", 200, "image/jpeg", lambda response: len(response.data) < 1500),
    Row(f"{INSTANCE}/rendered?quality=0", "image/jpeg", "8.3.5.1.2: 400 for anything else", 400, PROBLEM, saying("quality must be")),
    Row(f"{INSTANCE}/rendered?annotation=patient", "image/jpeg", "8.3: what isn't supported is ignored", 200, "image/jpeg", lambda response: "annotation" in response.headers["Warning"]),
    Row(f"{INSTANCE}/rendered?accept=image/png", "*/*", "8.3.3.1: types in the query", 200, "image/png", whole("PNG")),
    # thumbnails
    Row(f"{STUDY}/thumbnail", "*/*", "Table 10.4.4-1: JPEG is the default", 200, "image/jpeg", sized(128, 107)),
    Row(f"{SERIES}/thumbnail", "image/jpeg", "10.4.1.1.4: of a series", 200, "image/jpeg", sized(128, 107)),
    Row(f"{FRAMED}/thumbnail", "image/png", "10.4.1.1.4: of an instance", 200, "image/png", sized(128, 107)),
    Row(f"{FRAMED}/frames/2/thumbnail?viewport=40,40", "*/*", "8.3.5.2: of a frame, in a viewport", 200, "image/jpeg", sized(40, 33)),
    Row(f"{STUDY}/thumbnail?viewport=40,40,0,0", "*/*", "8.3.5.2: it has no region", 400, PROBLEM),
    Row(f"{STUDY}/thumbnail", related("image/jpeg"), "10.4.4: one picture has no parts", 406, PROBLEM),
    Row(f"{REPORT}/thumbnail", "*/*", "10.4.3.1: a report has no picture", 404, PROBLEM),
    # what can be asked
    *(
        Row(f"OPTIONS {path}", "*/*", "8.9 and RFC 9110 9.3.7: the methods of a resource", 200, "text/html", methods("GET", "HEAD"))
        for path in (
            *(SERIES, INSTANCE, f"{STUDY}/metadata", f"{SERIES}/metadata", f"{INSTANCE}/metadata", f"{INSTANCE}/frames/1"),
            *(f"{STUDY}/rendered", f"{SERIES}/thumbnail", f"{INSTANCE}/rendered", f"{INSTANCE}/frames/1/thumbnail"),
        )
    ),
    Row(f"OPTIONS {STUDY}", "*/*", "8.9 and RFC 9110 9.3.7: also DELETE and POST", 200, "text/html", methods("GET", "HEAD", "POST", "DELETE")),
    Row(f"OPTIONS {STUDIES}", "*/*", "8.9 and RFC 9110 9.3.7: also POST", 200, "text/html", methods("GET", "HEAD", "POST")),
    Row(f"PUT {INSTANCE}", "*/*", "8.5: 405 for another method", 405, PROBLEM),
]  # fmt: skip


@pytest.fixture(scope="module")
def client(holding):
    window = {"WindowCenter": 500, "WindowWidth": 1000}
    rle = pydicom.dcmread(io.BytesIO(instances(voxels()[:1], "2.25.7", "2.25.63", **window)[0]))
    rle.compress(uid.RLELossless, generate_instance_uid=False)
    stream = io.BytesIO()
    rle.save_as(stream)
    comment = reports.item("TEXT", "Comment", TextValue="A knee.")
    return holding(
        [
            *instances(voxels()[:2], "2.25.7", "2.25.61", SliceThickness="3", **window),
            framed(voxels()[3:5], "2.25.7", "2.25.62"),
            stream.getvalue(),
            reports.file(reports.report([comment])),
        ]
    )


def without_parameters(content_type: str | None) -> str:
    if not content_type:
        return ""
    media_type = MediaType.parse(content_type)
    kept = {name: value for name, value in media_type.parameters.items() if name == "type"}
    return str(MediaType(media_type.name, kept))


@pytest.mark.parametrize("row", RETRIEVE, ids=lambda row: f"{row.path} {row.accept}".replace(STUDY, "."))
def test_retrieve(client, row):
    method, path = row.path.split() if " " in row.path else ("GET", row.path)
    response = client.open(path, method=method, headers={"Accept": row.accept})
    told = response.status_code, without_parameters(response.content_type)
    assert told == (row.status, row.content_type), (row.paragraph, response.text[:300])
    assert row.holds(response), row.paragraph


FILES = instances(voxels()[:2], "2.25.90", "2.25.91")
OTHER = instances(voxels()[:1], "2.25.92", "2.25.93")
NAN = instances(voxels()[:1], "2.25.90", "2.25.91", RescaleSlope="NaN", RescaleIntercept=0)
MINE = f"{STUDIES}/2.25.90"
ALONE = {"Content-Type": DICOM}
IN_PARTS = {"Content-Type": RELATED}


def xml_of_one(response: TestResponse) -> bool:
    return b"ReferencedSOPSequence" in response.data and xml(response)


def outcome(**counts: int) -> Callable[[TestResponse], bool]:
    """How many items each sequence of the Store Instances Response has."""
    tags = {"stored": "00081199", "failed": "00081198", "others": "0008119A"}

    def holds(response: TestResponse) -> bool:
        found = {name: len(response.json.get(tag, {}).get("Value", ())) for name, tag in tags.items()}
        return {name: count for name, count in found.items() if count} == counts

    return holds


class Stored(NamedTuple):
    """A store request, and what PS3.18 asks for; see `Row`."""

    path: str
    headers: dict[str, str]
    content: bytes
    paragraph: str
    status: int
    content_type: str
    holds: Callable[[TestResponse], Any] = lambda response: True


def with_parts(before: bytes = b"", padding: bytes = b"", after: bytes = b"") -> bytes:
    lines = [b"--xyz" + padding + b"\r\nContent-Type: application/dicom\r\n\r\n" + one + b"\r\n" for one in FILES]
    return before + b"".join(lines) + b"--xyz--" + after


XML_PART = {"Accept": related(DICOM_XML)}
STORE = {
    "in parts": Stored(STUDIES, IN_PARTS, body(FILES), "Table 10.5.2-1: application/dicom in parts", 200, DICOM_JSON, outcome(stored=2)),
    "to a study": Stored(MINE, IN_PARTS, body(FILES), "10.5.1: the study of the instances", 200, DICOM_JSON, outcome(stored=2)),
    "alone": Stored(STUDIES, ALONE, FILES[0], "10.5.1: one instance without parts", 200, DICOM_JSON, outcome(stored=1)),
    "again": Stored(STUDIES, IN_PARTS, body([FILES[0], FILES[0]]), "10.5.2: the same instance again changes nothing", 200, DICOM_JSON, outcome(stored=2)),
    "another study": Stored(MINE, IN_PARTS, body([*FILES, *OTHER]), "10.5.3.1: 202 if some fail", 202, DICOM_JSON, outcome(stored=2, failed=1)),
    "only another study": Stored(MINE, IN_PARTS, body(OTHER), "10.5.3.1: 409 if all fail", 409, DICOM_JSON, outcome(failed=1)),
    "no DICOM": Stored(STUDIES, IN_PARTS, body([b"no DICOM"]), "10.5.3.3: what has no UIDs, in OtherFailures", 409, DICOM_JSON, outcome(others=1)),
    "NaN": Stored(STUDIES, IN_PARTS, body(NAN), "10.5.2: values aren't judged", 200, DICOM_JSON, outcome(stored=1)),
    "as XML": Stored(STUDIES, IN_PARTS | {"Accept": DICOM_XML}, body(FILES), "10.5.4: the answer as XML", 200, DICOM_XML, xml_of_one),
    "as XML in a part": Stored(STUDIES, IN_PARTS | XML_PART, body(FILES), "8.7.3.5.1: XML as a part", 200, PART.format(DICOM_XML), xml_of_one),
    "as a page": Stored(STUDIES, IN_PARTS | {"Accept": "text/html"}, body(FILES), "8.7.8.1: 406 if no media type is left", 406, PROBLEM),
    "packed": Stored(STUDIES, IN_PARTS | {"Content-Encoding": "gzip"}, gzip.compress(body(FILES)), "8.4.2: Content-Encoding", 200, DICOM_JSON, outcome(stored=2)),
    "packed otherwise": Stored(STUDIES, IN_PARTS | {"Content-Encoding": "br"}, body(FILES), "RFC 9110 8.4: 415 for another coding", 415, PROBLEM, saying("gzip")),
    "packed and damaged": Stored(STUDIES, IN_PARTS | {"Content-Encoding": "gzip"}, gzip.compress(body(FILES))[:-9], "8.5: 400 for a malformed body", 400, PROBLEM),
    "preamble": Stored(STUDIES, IN_PARTS, with_parts(before=b"A preamble.\r\n"), "8.6.1.2 and RFC 2046 5.1.1: a preamble", 200, DICOM_JSON, outcome(stored=2)),
    "padding": Stored(STUDIES, IN_PARTS, with_parts(padding=b" \t"), "RFC 2046 5.1.1: blanks after a boundary", 200, DICOM_JSON, outcome(stored=2)),
    "epilogue": Stored(STUDIES, IN_PARTS, with_parts(after=b" \r\nAn epilogue."), "RFC 2046 5.1.1: an epilogue", 200, DICOM_JSON, outcome(stored=2)),
    "no end": Stored(STUDIES, IN_PARTS, body(FILES)[:-9], "8.5: 400 for a malformed body", 400, PROBLEM),
    "no boundary": Stored(STUDIES, {"Content-Type": related(DICOM)}, body(FILES), "8.5: 400 for a malformed body", 400, PROBLEM),
    "a form": Stored(STUDIES, {"Content-Type": "multipart/form-data; boundary=xyz"}, body(FILES), "10.5.3.1: 415 for another type", 415, PROBLEM),
    "metadata": Stored(STUDIES, {"Content-Type": f"{related(DICOM_JSON)}; boundary=xyz"}, body(FILES), "Table 10.5.2-1: JSON and bulk data are optional, and not taken", 415, PROBLEM),
    "nothing": Stored(STUDIES, ALONE, b"", "8.5: 400 without a body", 400, PROBLEM),
    "no UID in the URL": Stored(f"{STUDIES}/mine", IN_PARTS, body(FILES), "8.5: 400 for a malformed URL", 400, PROBLEM),
}  # fmt: skip


@pytest.mark.parametrize("name", STORE)
def test_store(client, name):
    row = STORE[name]
    try:
        response = client.post(row.path, data=row.content, headers=row.headers)
        told = response.status_code, without_parameters(response.content_type)
        assert told == (row.status, row.content_type), (row.paragraph, response.text[:300])
        assert row.holds(response), row.paragraph
        held = client.get(f"{MINE}/metadata")
        assert (held.status_code == 200) == (response.status_code in (200, 202))
        if held.status_code == 200:
            json.loads(held.text, parse_constant=pytest.fail)  # NaN and Infinity aren't JSON
    finally:
        client.delete(MINE)
