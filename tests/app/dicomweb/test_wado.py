"""What was stored comes back: files, metadata, frames and pictures, in the encoding that is asked for."""

import io
import json

import cv2
import numpy as np
import pydicom
import pytest
from pydicom import uid
from pydicom.multival import MultiValue
from werkzeug.exceptions import BadRequest

from app.apart.pool import Pool
from app.dicomweb import apart, complete, frames
from app.dicomweb.media_types import DICOM, MediaType, accepted
from app.dicomweb.representations.native_xml import native_xml
from app.store.files.instance_file import read_header
from app.store.instances import Instances
from tests.app.attacks import private_elements, with_elements
from tests.app.dicomweb import reports
from tests.app.dicomweb.messages import OCTETS, get, related
from tests.app.studies import COLUMNS, ROWS, SLICES, instances, voxels
from tests.data_prep.dicom_factory import encode_codestreams

STUDY = "2.25.7"
# Encodings of the same study, each a series of its own.
SYNTAXES = (
    uid.ExplicitVRLittleEndian,
    uid.ImplicitVRLittleEndian,
    uid.ExplicitVRBigEndian,
    uid.DeflatedExplicitVRLittleEndian,
    uid.RLELossless,
    uid.JPEG2000Lossless,
)
NATIVE = SYNTAXES[:4]


def series_of(syntax: str) -> str:
    return f"2.25.8{SYNTAXES.index(syntax)}"


def place(syntax: str, number: int = 1) -> str:
    series = series_of(syntax)
    return f"/dicom-web/studies/{STUDY}/series/{series}/instances/{series}.{number}"


def encoded(file: bytes, syntax: uid.UID) -> bytes:
    dataset = pydicom.dcmread(io.BytesIO(file))
    if syntax.is_compressed and syntax != uid.DeflatedExplicitVRLittleEndian:
        dataset.compress(syntax, generate_instance_uid=False)
    elif syntax == uid.ExplicitVRBigEndian:
        dataset.PixelData = np.frombuffer(dataset.PixelData, "<u2").astype(">u2").tobytes()
    dataset.file_meta.TransferSyntaxUID = syntax
    content = io.BytesIO()
    implicit, little = syntax == uid.ImplicitVRLittleEndian, syntax != uid.ExplicitVRBigEndian
    raw = {} if syntax.is_compressed else {"implicit_vr": implicit, "little_endian": little}
    pydicom.dcmwrite(content, dataset, **raw)
    return content.getvalue()


@pytest.fixture(scope="module")
def client(holding):
    files = [
        encoded(file, syntax)
        for syntax in SYNTAXES
        for file in instances(voxels()[:2], STUDY, series_of(syntax), WindowCenter=500, WindowWidth=1000)
    ]
    return holding(files + instances(voxels(), STUDY, "2.25.90"))


@pytest.mark.slow
@pytest.mark.parametrize("accept", [related(DICOM), related(DICOM, "1.2.840.10008.1.2.1"), "*/*", ""])
@pytest.mark.parametrize("syntax", SYNTAXES)
def test_instances_are_decoded_to_explicit_little_endian(client, syntax, accept):
    ((media_type, content),) = get(client, place(syntax), accept)
    assert media_type.parameters["transfer-syntax"] == uid.ExplicitVRLittleEndian
    dataset = pydicom.dcmread(io.BytesIO(content))
    assert dataset.file_meta.TransferSyntaxUID == uid.ExplicitVRLittleEndian
    assert dataset.SOPInstanceUID == dataset.file_meta.MediaStorageSOPInstanceUID == f"{series_of(syntax)}.1"
    assert (dataset.pixel_array == voxels()[0]).all()


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_instances_as_stored_are_the_same_bytes(client, syntax):
    ((media_type, content),) = get(client, place(syntax), related(DICOM, "*"))
    assert media_type.parameters["transfer-syntax"] == syntax
    original = instances(voxels()[:1], STUDY, series_of(syntax), WindowCenter=500, WindowWidth=1000)[0]
    assert content == encoded(original, syntax)


@pytest.mark.slow
@pytest.mark.parametrize("syntax", SYNTAXES)
def test_one_instance_comes_without_parts_if_that_is_wanted(client, syntax):
    decoded = client.get(place(syntax), headers={"Accept": "application/dicom"})
    assert decoded.status_code == 200
    assert MediaType.parse(decoded.content_type) == MediaType(DICOM, {"transfer-syntax": uid.ExplicitVRLittleEndian})
    assert (pydicom.dcmread(io.BytesIO(decoded.data)).pixel_array == voxels()[0]).all()
    stored = client.get(place(syntax), headers={"Accept": "application/dicom; transfer-syntax=*"})
    original = instances(voxels()[:1], STUDY, series_of(syntax), WindowCenter=500, WindowWidth=1000)[0]
    assert (stored.content_type, stored.data) == (
        f"application/dicom; transfer-syntax={syntax}",
        encoded(original, syntax),
    )
    series = place(syntax).rpartition("/instances/")[0]
    assert client.get(series, headers={"Accept": "application/dicom"}).status_code == 406


def test_metadata_name_the_character_set_that_they_are_in(holding):
    (file,) = instances(
        voxels()[:1], "2.25.575", "2.25.5759", SpecificCharacterSet="ISO_IR 100", PatientName="Müller^J"
    )
    (told,) = holding([file]).get("/dicom-web/studies/2.25.575/metadata").json
    assert told["00100010"]["Value"] == [{"Alphabetic": "Müller^J"}]
    assert told["00080005"] == {"vr": "CS", "Value": ["ISO_IR 192"]}


CODED = (uid.ImplicitVRLittleEndian, uid.JPEGLSLossless, uid.JPEG2000Lossless)


@pytest.mark.slow
@pytest.mark.parametrize("wanted", CODED)
@pytest.mark.parametrize("syntax", SYNTAXES)
def test_instances_are_sent_in_other_transfer_syntaxes(client, syntax, wanted):
    ((media_type, content),) = get(client, place(syntax), related(DICOM, wanted))
    alone = client.get(place(syntax), headers={"Accept": f"application/dicom; transfer-syntax={wanted}"})
    assert media_type.parameters["transfer-syntax"] == wanted
    assert (alone.content_type, alone.data) == (f"application/dicom; transfer-syntax={wanted}", content)
    dataset = pydicom.dcmread(io.BytesIO(content))
    assert dataset.file_meta.TransferSyntaxUID == wanted
    assert dataset.SOPInstanceUID == f"{series_of(syntax)}.1"
    assert (dataset.pixel_array == voxels()[0]).all()
    header = pydicom.dcmread(io.BytesIO(get(client, place(syntax), related(DICOM))[0][1]))
    del header.PixelData, dataset.PixelData
    assert dataset == header


@pytest.mark.slow
def test_every_frame_is_compressed_and_objects_without_pixels_are_not(holding):
    image = pydicom.dcmread(io.BytesIO(instances(voxels()[:1], "2.25.174", "2.25.1741")[0]))
    image.PixelData, image.NumberOfFrames = voxels()[:3].tobytes(), 3
    stream = io.BytesIO()
    pydicom.dcmwrite(stream, image)
    comment = reports.item("TEXT", "Comment", TextValue="x")
    text = reports.report([comment], StudyInstanceUID="2.25.174", SeriesInstanceUID="2.25.1742")
    client = holding([stream.getvalue(), reports.file(text)])
    for wanted in (uid.JPEGLSLossless, uid.JPEG2000Lossless):
        sent = {
            media_type.parameters["transfer-syntax"]: pydicom.dcmread(io.BytesIO(content))
            for media_type, content in get(client, "/dicom-web/studies/2.25.174", related(DICOM, wanted))
        }
        assert (sent[wanted].pixel_array == voxels()[:3]).all()
        assert sent[uid.ExplicitVRLittleEndian].ContentSequence[0].TextValue == "x"


def test_what_cannot_be_compressed_without_loss_is_refused_alone_and_sent_decoded_among_others(holding):
    odd = instances(voxels()[:1] | 0x8000, "2.25.173", "2.25.1731", BitsStored=12, HighBit=11)
    client = holding(odd + instances(voxels()[:1] // 2, "2.25.173", "2.25.1732"))
    alone = "/dicom-web/studies/2.25.173/series/2.25.1731/instances/2.25.1731.1"
    for accept in (related(DICOM, uid.JPEG2000Lossless), f"application/dicom; transfer-syntax={uid.JPEG2000Lossless}"):
        refused = client.get(alone, headers={"Accept": accept})
        assert (refused.status_code, "JPEG 2000" in refused.json["detail"]) == (406, True)
    sent = get(client, "/dicom-web/studies/2.25.173", related(DICOM, uid.JPEG2000Lossless))
    assert sorted(media_type.parameters["transfer-syntax"] for media_type, _ in sent) == [
        uid.ExplicitVRLittleEndian,
        uid.JPEG2000Lossless,
    ]
    assert client.get(f"{alone}/frames/1", headers={"Accept": related("image/jp2")}).status_code == 406


@pytest.mark.slow
@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize(("kind", "wanted"), [("image/jls", uid.JPEGLSLossless), ("image/jp2", uid.JPEG2000Lossless)])
def test_frames_are_compressed_where_that_is_wanted(client, syntax, kind, wanted):
    for accept in (related(kind), related(kind, wanted), kind, f"{related('video/mp4')}, {kind};q=0.1"):
        response = client.get(f"{place(syntax)}/frames/1", headers={"Accept": accept})
        assert response.status_code == 200, response.text
        is_alone = response.mimetype != "multipart/related"
        ((media_type, frame),) = (
            [(MediaType.parse(response.content_type), response.data)]
            if is_alone
            else get(client, f"{place(syntax)}/frames/1", accept)
        )
        assert media_type == MediaType(kind, {"transfer-syntax": wanted})
        image = pydicom.dcmread(io.BytesIO(instances(voxels()[:1])[0]))
        read = pydicom.dcmread(io.BytesIO(encode_codestreams(image, wanted, [frame])))
        assert (read.pixel_array == voxels()[0]).all()


def test_one_frame_comes_without_parts_if_that_is_wanted(client):
    frame = client.get(f"{place(SYNTAXES[0])}/frames/1", headers={"Accept": OCTETS})
    assert (frame.content_type, frame.data) == (
        f"application/octet-stream; transfer-syntax={uid.ExplicitVRLittleEndian}",
        voxels()[0].tobytes(),
    )


def test_metadata_as_xml_are_the_same_as_json(client):
    study = f"/dicom-web/studies/{STUDY}/series/{series_of(SYNTAXES[0])}"
    documents = get(client, f"{study}/metadata", 'multipart/related; type="application/dicom+xml"')
    told = client.get(f"{study}/metadata").json
    assert len(documents) == len(told) == 2
    for (media_type, document), attributes in zip(documents, told, strict=True):
        assert media_type.name == "application/dicom+xml"
        assert document == native_xml(attributes)
    alone = client.get(f"{place(SYNTAXES[0])}/metadata", headers={"Accept": "application/dicom+xml"})
    assert (alone.content_type, alone.data) == ("application/dicom+xml", documents[0][1])


def test_a_client_that_cannot_set_a_header_names_types_in_the_query(client):
    assert (
        client.get(f"{place(SYNTAXES[0])}/metadata?accept=application/dicom%2Bxml").mimetype == "application/dicom+xml"
    )
    assert client.get(f"{place(SYNTAXES[0])}?accept=application/dicom").mimetype == "application/dicom"
    assert client.get(f"{place(SYNTAXES[0])}/frames/1?accept=image/jp2").mimetype == "image/jp2"


def test_a_series_and_a_study_come_whole(client):
    files = [content for _, content in get(client, f"/dicom-web/studies/{STUDY}/series/2.25.90", related(DICOM, "*"))]
    assert sorted(files) == sorted(instances(voxels(), STUDY, "2.25.90"))
    everything = get(client, f"/dicom-web/studies/{STUDY}", related(DICOM, "*"))
    assert len(everything) == SLICES + 2 * len(SYNTAXES)


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("accept", [related(OCTETS), related("*/*"), "*/*", related(OCTETS, "1.2.840.10008.1.2.1")])
def test_frames_are_decoded(client, syntax, accept):
    ((media_type, frame),) = get(client, f"{place(syntax, 2)}/frames/1", accept)
    assert media_type.name == OCTETS
    assert (np.frombuffer(frame, "<u2").reshape(ROWS, COLUMNS) == voxels()[1]).all()


@pytest.mark.parametrize(
    ("syntax", "accept", "kind"),
    [
        (uid.RLELossless, related(OCTETS, "*"), "image/dicom-rle"),
        (uid.RLELossless, related("image/dicom-rle"), "image/dicom-rle"),
        (uid.JPEG2000Lossless, related("*/*", "*"), "image/jp2"),
        (uid.JPEG2000Lossless, related("image/jp2", uid.JPEG2000Lossless), "image/jp2"),
        (uid.JPEG2000Lossless, f"{related('image/jphc')}, {related('image/jp2')};q=0.5", "image/jp2"),
        (uid.JPEG2000Lossless, f"{related('image/jphc')}, {related(OCTETS)};q=0.5", OCTETS),
        (uid.ExplicitVRLittleEndian, related(OCTETS, "*"), OCTETS),
        (uid.ImplicitVRLittleEndian, related(OCTETS, "*"), OCTETS),
    ],
)
def test_frames_come_as_they_are_stored_where_that_is_wanted(client, syntax, accept, kind):
    ((media_type, frame),) = get(client, f"{place(syntax)}/frames/1", accept)
    assert media_type.name == kind
    if kind == "image/jp2":
        assert frame[:4] == b"\xff\x4f\xff\x51"  # start of a JPEG 2000 codestream


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_metadata_are_the_header_without_pixels(client, syntax):
    (header,) = client.get(f"{place(syntax)}/metadata").json
    assert header["00280010"] == {"vr": "US", "Value": [ROWS]}
    assert header["00100010"]["Value"] == [{"Alphabetic": "Quibble^Zebedee"}]
    assert header["00200037"]["Value"] == [0, 1, 0, 0, 0, -1]
    assert "7FE00010" not in header
    everything = client.get(f"/dicom-web/studies/{STUDY}/metadata").json
    assert len(everything) == SLICES + 2 * len(SYNTAXES)


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize(
    ("accept", "kind"), [("image/png", "image/png"), ("image/*", "image/jpeg"), ("", "image/jpeg")]
)
def test_a_rendered_frame_shows_the_window_of_the_header(client, syntax, accept, kind):
    for path in (f"{place(syntax)}/rendered", f"{place(syntax)}/frames/1/rendered"):
        response = client.get(path, headers={"Accept": accept})
        assert (response.status_code, response.mimetype) == (200, kind)
        picture = cv2.imdecode(np.frombuffer(response.data, np.uint8), cv2.IMREAD_UNCHANGED)
        expected = np.round(255 * ((voxels()[0] - 499.5) / 999 + 0.5).clip(0, 1))
        assert np.abs(picture - expected).max() <= (0 if kind == "image/png" else 40)


@pytest.mark.parametrize(
    ("path", "accept", "status"),
    [
        ("studies/1.2.3", "*/*", 404),
        (f"studies/{STUDY}/series/1.2.3", "*/*", 404),
        (f"studies/{STUDY}/series/1.2.3/metadata", "*/*", 404),
        (f"studies/{STUDY}", "application/zip", 406),
        (f"studies/{STUDY}", related(DICOM, uid.JPEGBaseline8Bit), 406),
        (f"studies/{STUDY}/metadata", "application/dicom+xml", 406),
        (f"{place(SYNTAXES[0])[11:]}/frames/0", "*/*", 404),
        (f"{place(SYNTAXES[0])[11:]}/frames/1,2", "*/*", 404),
        (f"{place(SYNTAXES[4])[11:]}/frames/2", related("*/*", "*"), 404),
        (f"{place(SYNTAXES[0])[11:]}/frames/2/rendered", "*/*", 404),
        (f"{place(SYNTAXES[0])[11:]}/frames/0/rendered", "*/*", 404),
        (f"{place(SYNTAXES[0])[11:]}/frames/0/thumbnail", "*/*", 404),
        (f"{place(SYNTAXES[0])[11:]}/frames/first", "*/*", 400),
        (f"{place(SYNTAXES[0])[11:]}/frames/1", related("video/mp4"), 406),
        (f"{place(SYNTAXES[0])[11:]}/rendered", "image/gif", 406),
        (f"{place(SYNTAXES[0])[11:]}/bulkdata/1", "*/*", 404),
    ],
)
def test_what_is_not_there_is_a_problem(client, path, accept, status):
    response = client.get(f"/dicom-web/{path}", headers={"Accept": accept})
    assert (response.status_code, response.mimetype) == (status, "application/problem+json")


@pytest.mark.parametrize("lie", [{"SamplesPerPixel": 60_000}, {"BitsAllocated": 65_528}, {"NumberOfFrames": 1000}])
def test_a_header_that_promises_more_pixels_than_there_are_costs_nothing(holding, lie):
    series = f"2.25.{sum(map(ord, str(lie)))}"
    client = holding(instances(voxels()[:1], "2.25.78", series, **lie))
    path = f"/dicom-web/studies/2.25.78/series/{series}/instances/{series}.1"
    assert client.get(f"{path}/frames/{lie.get('NumberOfFrames', 1)}").status_code == 406
    assert client.get(f"{path}/rendered").status_code == 406
    assert client.get(f"{path}/metadata").status_code == client.get(path).status_code == 200


def test_compressed_pixels_that_are_none_are_given_as_they_are(holding):
    file = encoded(instances(voxels()[:1], "2.25.78", "2.25.781")[0], uid.JPEG2000Lossless)
    damaged = file.replace(b"\xff\x4f\xff\x51", b"\xff\x4f\xff\xff")
    client = holding([damaged])
    path = "/dicom-web/studies/2.25.78/series/2.25.781/instances/2.25.781.1"
    ((media_type, content),) = get(client, path, related(DICOM))
    assert (media_type.parameters["transfer-syntax"], content) == (uid.JPEG2000Lossless, damaged)
    assert client.get(f"{path}/frames/1").status_code == client.get(f"{path}/rendered").status_code == 406


@pytest.mark.slow
def test_metadata_that_are_too_long_are_a_problem(holding, monkeypatch):
    """Of one instance, and of a study; before an answer has begun."""
    few = instances(voxels()[:2], "2.25.75", "2.25.751")
    many = with_elements(instances(voxels()[:1], "2.25.75", "2.25.752")[0], private_elements(250_000), 0x0010)
    client = holding([*few, many])
    study = "/dicom-web/studies/2.25.75"
    for path in (f"{study}/metadata", f"{study}/series/2.25.752/metadata"):
        response = client.get(path)
        assert (response.status_code, response.mimetype) == (413, "application/problem+json")
        assert "more than 4 MB" in response.json["detail"]
    whole = client.get(f"{study}/series/2.25.751/metadata")
    assert len(whole.json) == 2
    assert whole.content_length == len(whole.data)
    monkeypatch.setattr(complete, "MOST_BYTES", len(whole.data) - 2)
    assert "ask for a series" in client.get(f"{study}/series/2.25.751/metadata").json["detail"]
    assert client.get(f"{study}/series/2.25.751/instances/2.25.751.1/metadata").status_code == 200


@pytest.mark.parametrize("syntax", [uid.ExplicitVRLittleEndian, uid.RLELossless])
def test_frames_that_have_too_many_bytes_together_are_refused(monkeypatch, syntax):
    file = pydicom.dcmread(io.BytesIO(instances(voxels()[:1])[0]))
    file.PixelData, file.NumberOfFrames = 3 * file.PixelData, 3
    content = io.BytesIO()
    pydicom.dcmwrite(content, file)
    stream = io.BytesIO(encoded(content.getvalue(), syntax))
    header, wanted = read_header(stream), accepted("*/*" if syntax in NATIVE else related("image/dicom-rle"))
    found = frames.pick(stream, header, [1, 2, 3], wanted).frames
    monkeypatch.setattr(frames, "MOST_BYTES", sum(map(len, found)) - 1)
    with pytest.raises(BadRequest, match="fewer"):
        frames.pick(stream, header, [1, 2, 3], wanted)
    assert frames.pick(stream, header, [1, 3], wanted).frames == [found[0], found[2]]


def test_a_frame_is_named_once(client):
    told = client.get(f"{place(SYNTAXES[0])}/frames/1,1")
    assert (told.status_code, told.json["detail"]) == (400, "Name each frame once.")


def test_an_answer_whose_study_is_deleted_meanwhile_does_not_pass_as_whole(holding):
    client = holding(instances(voxels(), "2.25.73", "2.25.731"))
    path = "/dicom-web/studies/2.25.73"
    answer = client.get(path, headers={"Accept": related(DICOM, "*")}, buffered=False)
    pieces = answer.iter_encoded()
    begun = next(pieces)
    assert client.delete(path).status_code == 204
    rest = b"".join(pieces)
    assert (begun + rest).count(b"Content-Type") < SLICES
    assert not rest.endswith(b"--\r\n")
    answer.close()
    assert client.get(path).status_code == 404


def refuse(word: str) -> float:
    raise ValueError(f"{word} is no JSON")


@pytest.mark.parametrize(
    ("series", "tag", "vr", "values", "told"),
    [
        ("2.25.791", 0x00189089, "FD", [np.nan, np.inf, 1.0], [None, None, 1.0]),
        ("2.25.792", 0x00189089, "FD", [np.nan, np.nan, np.nan], [None, None, None]),
        ("2.25.793", 0x0018605A, "FL", [-np.inf, 2.5], [None, 2.5]),
        ("2.25.794", 0x00180050, "DS", "NaN", [None]),
        ("2.25.795", 0x00280030, "DS", ["0.5", "1e999"], [0.5, None]),
        ("2.25.796", 0x00180081, "DS", "-inf", [None]),
        ("2.25.797", 0x00189087, "FD", [1000.0], [1000.0]),
    ],
)
def test_a_number_that_json_cannot_hold_is_null(holding, series, tag, vr, values, told):
    file = pydicom.dcmread(io.BytesIO(instances(voxels()[:1], "2.25.79", series)[0]))
    item = pydicom.Dataset()
    for dataset in (file, item):
        dataset.add_new(tag, vr, values)
    file.add_new(0x00090010, "LO", "SOMEBODY")
    file.add_new(0x00091001, "SQ", [item])
    content = io.BytesIO()
    pydicom.dcmwrite(content, file)
    path = f"/dicom-web/studies/2.25.79/series/{series}"
    client = holding([content.getvalue()])
    (header,) = json.loads(client.get(f"{path}/metadata").data, parse_constant=refuse)
    assert header[f"{tag:08X}"] == {"vr": vr, "Value": told}
    assert header["00091001"]["Value"] == [{f"{tag:08X}": {"vr": vr, "Value": told}}]
    read = pydicom.Dataset.from_json(header)[tag].value
    assert (read if isinstance(read, list | MultiValue) else [read]) == told
    # The file itself keeps what the scanner wrote.
    ((_, given),) = get(client, path, related(DICOM))
    np.testing.assert_array_equal(pydicom.dcmread(io.BytesIO(given))[tag].value, file[tag].value)


def test_a_whole_number_that_is_none_costs_only_itself(holding):
    file = pydicom.dcmread(io.BytesIO(instances(voxels()[:1], "2.25.79", "2.25.799")[0]))
    content = io.BytesIO()
    file.SeriesNumber = 777_000
    file.RequestAttributesSequence = [pydicom.Dataset()]
    file.RequestAttributesSequence[0].update({"NumberOfFrames": 777_000, "RequestedProcedureID": "R1"})
    pydicom.dcmwrite(content, file)
    client = holding([content.getvalue().replace(b"777000", b"NaN   ")])
    for path in ("studies/2.25.79/series/2.25.799/metadata", "studies/2.25.79/series?SeriesInstanceUID=2.25.799"):
        (header,) = json.loads(client.get(f"/dicom-web/{path}").data, parse_constant=refuse)
        assert "Value" not in header.get("00200011", {})
        assert header["00080060"]["Value"] == ["MR"]
        for item in header.get("00400275", {}).get("Value", ()):
            assert item == {"00401001": {"vr": "SH", "Value": ["R1"]}}


@pytest.mark.slow
def test_an_instance_that_takes_too_long_costs_its_request_only(holding, monkeypatch):
    """With so little time, every instance does."""
    client = holding(instances(voxels()[:1], "2.25.79", "2.25.7990"))
    instance = "/dicom-web/studies/2.25.79/series/2.25.7990/instances/2.25.7990.1"
    hasty = Pool(seconds=1e-6, preload="app.dicomweb.apart", what="Reading the instance", advice="")
    monkeypatch.setattr(apart, "READERS", hasty)
    monkeypatch.setattr(Instances, "metadata", lambda held, row: None)  # none are kept
    for path, status in (("/rendered", 406), ("/frames/1", 406), ("/metadata", 413), ("", 413)):
        response = client.get(instance + path)
        assert (response.status_code, response.mimetype) == (status, "application/problem+json")
        assert client.get("/healthz").status_code == 200
    monkeypatch.undo()
    assert client.get(f"{instance}/rendered").status_code == 200


def test_what_was_stored_is_given_though_pydicom_cannot_read_its_meta_information(holding):
    """The length of the group has two bytes instead of four."""
    (file,) = instances(voxels()[:1], "2.25.76", "2.25.7690")
    assert file[136:140] == b"UL\x04\0"
    client = holding([file[:138] + b"\x02\0" + file[140:142] + file[144:]])
    place = "/dicom-web/studies/2.25.76/series/2.25.7690/instances/2.25.7690.1"
    (told,) = client.get(f"{place}/metadata").json
    assert told["00280010"]["Value"] == [96]
    assert "7FE00010" not in told
    for path in ("", "/rendered", "/frames/1", "/frames/1/rendered"):
        assert client.get(place + path).status_code == 200, path
