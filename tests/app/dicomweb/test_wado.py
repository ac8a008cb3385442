"""What was stored comes back: files, metadata, frames and pictures, in the encoding that is asked for."""

import io
import json

import cv2
import numpy as np
import pydicom
import pytest
from pydicom import uid
from pydicom.multival import MultiValue

from app.dicomweb.media_types import DICOM
from tests.app.dicomweb.messages import OCTETS, get, related
from tests.app.studies import COLUMNS, ROWS, SLICES, instances, voxels

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
        (uid.JPEG2000Lossless, f"{related('image/jls')}, {related('image/jp2')};q=0.5", "image/jp2"),
        (uid.JPEG2000Lossless, f"{related('image/jls')}, {related(OCTETS)};q=0.5", OCTETS),
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
        (f"studies/{STUDY}", related(DICOM, uid.JPEGLSLossless), 406),
        (f"studies/{STUDY}/metadata", "application/dicom+xml", 406),
        (f"studies/{STUDY}/thumbnail", "*/*", 404),
        (f"{place(SYNTAXES[0])[11:]}/frames/0", "*/*", 404),
        (f"{place(SYNTAXES[0])[11:]}/frames/1,2", "*/*", 404),
        (f"{place(SYNTAXES[4])[11:]}/frames/2", related("*/*", "*"), 404),
        (f"{place(SYNTAXES[0])[11:]}/frames/2/rendered", "*/*", 406),
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


def test_reading_metadata_makes_no_other_thread_strict(holding, monkeypatch):
    client = holding(instances(voxels()[:1], "2.25.79", "2.25.7990"))
    modes = []
    convert = pydicom.DataElement.to_json_dict

    def watched(element, *arguments):
        modes.append(pydicom.config.settings.reading_validation_mode)
        return convert(element, *arguments)

    monkeypatch.setattr(pydicom.DataElement, "to_json_dict", watched)
    client.get("/dicom-web/studies/2.25.79/series/2.25.7990/metadata")
    assert set(modes) == {pydicom.config.IGNORE}
