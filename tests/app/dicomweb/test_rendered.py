"""Rendered resources and thumbnails at every level, for a study with slices, a multi-frame image and a report."""

import io

import cv2
import numpy as np
import pydicom
import pytest

from app.dicomweb import rendered
from app.dicomweb.media_types import MediaType
from tests.app.dicomweb import reports
from tests.app.dicomweb.messages import get, related
from tests.app.studies import COLUMNS, ROWS, instances, voxels

pytestmark = pytest.mark.slow

STUDY = "/dicom-web/studies/2.25.7"
SLICES, FRAMES, REPORT = f"{STUDY}/series/2.25.61", f"{STUDY}/series/2.25.62", f"{STUDY}/series/{reports.SERIES}"
SLICE, FRAMED = f"{SLICES}/instances/2.25.61.2", f"{FRAMES}/instances/2.25.62.1"
TEXT = f"{REPORT}/instances/{reports.INSTANCE}"
WINDOW = {"WindowCenter": 500, "WindowWidth": 1000}


def framed(planes: np.ndarray, study: str, series: str) -> bytes:
    image = pydicom.dcmread(io.BytesIO(instances(planes[:1], study, series, **WINDOW)[0]))
    image.PixelData, image.NumberOfFrames = planes.tobytes(), len(planes)
    stream = io.BytesIO()
    pydicom.dcmwrite(stream, image)
    return stream.getvalue()


@pytest.fixture(scope="module")
def client(holding):
    slices = instances(voxels()[:3], "2.25.7", "2.25.61", **WINDOW)
    comment = reports.item("TEXT", "Comment", TextValue="A knee.")
    return holding([*slices, framed(voxels()[3:5], "2.25.7", "2.25.62"), reports.file(reports.report([comment]))])


def picture(content: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)


def shown(plane: int, centre: float = 500, width: float = 1000) -> np.ndarray:
    return np.round(255 * ((voxels()[plane] - (centre - 0.5)) / (width - 1) + 0.5).clip(0, 1))


PNG = {"Accept": "image/png"}


@pytest.mark.parametrize(
    ("path", "planes"),
    [
        (f"{SLICES}/rendered", [0, 1, 2]),
        (f"{FRAMED}/rendered", [3, 4]),
        (f"{FRAMED}/frames/2,1/rendered", [4, 3]),
        (f"{FRAMED}/frames/2/rendered", [4]),
        (f"{SLICE}/rendered", [1]),
    ],
)
@pytest.mark.parametrize("query", ["", "?window=300,200,linear"])
def test_every_frame_in_parts(client, path, planes, query):
    parts = get(client, path + query, related("image/png"))
    assert [str(kind) for kind, _ in parts] == ["image/png"] * len(planes)
    for plane, (_, content) in zip(planes, parts, strict=True):
        assert (picture(content) == (shown(plane, 300, 200) if query else shown(plane))).all()


@pytest.mark.parametrize(
    "query", ["", "?window=300,200,linear", "?quality=3", "?viewport=40,400&window=300,200,linear"]
)
def test_a_study_in_parts_has_everything(client, query):
    parts = get(client, f"{STUDY}/rendered{query}", "*/*")
    assert [kind.name for kind, _ in parts] == ["text/html", *["image/jpeg"] * 5]
    assert "A knee." in parts[0][1].decode()
    sides = {picture(content).shape for kind, content in parts if kind.name == "image/jpeg"}
    assert sides == {(48, 40) if "viewport" in query else (ROWS, COLUMNS)}
    images = get(client, f"{STUDY}/rendered", related("image/png"))
    assert len(images) == 5
    warning = client.get(f"{STUDY}/rendered", headers={"Accept": related("image/png")}).headers["Warning"]
    assert warning == '299 cruciate "1 of 5 instances are not shown."'


def test_each_part_says_what_it_shows(client):
    answer = client.get(f"{STUDY}/rendered")
    assert answer.content_length == len(answer.data)
    for place in (f"{TEXT}/rendered", f"{SLICE}/frames/1/rendered", f"{FRAMED}/frames/2/rendered"):
        assert f"Content-Location: {place}\r\n".encode() in answer.data
        assert client.get(place).status_code == 200


@pytest.mark.parametrize("path", [f"{SLICE}/rendered", f"{SLICE}/frames/1/rendered"])
def test_one_picture_honours_window_viewport_and_quality(client, path):
    plain = client.get(path, headers=PNG).data
    assert (picture(plain) == shown(1)).all()
    windowed = picture(client.get(f"{path}?window=300,200,linear", headers=PNG).data)
    assert (windowed == shown(1, 300, 200)).all()
    region = picture(client.get(f"{path}?viewport=20,30,10,20,20,30", headers=PNG).data)
    assert (region == shown(1)[20:50, 10:30]).all()
    large = picture(client.get(f"{path}?viewport=160,1000", headers=PNG).data)
    assert large.shape == (2 * ROWS, 2 * COLUMNS)
    sizes = [len(client.get(f"{path}?quality={quality}").data) for quality in (1, 50, 95, 100)]
    assert sizes == sorted(set(sizes))
    assert len(client.get(path).data) == sizes[2]
    assert client.get(f"{path}?quality=1", headers=PNG).data == plain


def test_monochrome1_is_windowed_before_it_is_inverted(holding):
    (file,) = instances(voxels()[:1], "2.25.76", "2.25.761", PhotometricInterpretation="MONOCHROME1", **WINDOW)
    path = "/dicom-web/studies/2.25.76/series/2.25.761/instances/2.25.761.1/rendered"
    client = holding([file])
    for query, expected in (("", shown(0)), ("?window=300,200,linear", shown(0, 300, 200))):
        assert np.abs(picture(client.get(path + query, headers=PNG).data) - (255 - expected)).max() <= 1


def test_of_several_frames_a_client_without_parts_gets_the_first(client):
    answer = client.get(f"{FRAMED}/rendered", headers=PNG)
    assert answer.mimetype == "image/png"
    assert (picture(answer.data) == shown(3)).all()


@pytest.mark.parametrize(
    ("path", "plane"),
    [
        (STUDY, 1),  # the middle of the largest series
        (SLICES, 1),
        (FRAMES, 4),
        (SLICE, 1),
        (FRAMED, 4),
        (f"{FRAMED}/frames/1", 3),
    ],
)
def test_a_thumbnail_at_every_level(client, path, plane):
    small = client.get(f"{path}/thumbnail?viewport=40,48", headers=PNG)
    assert small.mimetype == "image/png"
    expected = cv2.resize(shown(plane).astype(np.uint8), (40, 48), interpolation=cv2.INTER_AREA)
    assert (picture(small.data) == expected).all()
    usual = client.get(f"{path}/thumbnail")
    assert usual.mimetype == "image/jpeg"
    assert max(picture(usual.data).shape) == 128


def test_results_of_the_service_are_no_study_s_thumbnail(client):
    """A study whose results have more images than its largest series."""
    rows = [Row("1", 1, False), *(Row("2", number, True) for number in range(9))]
    assert rendered._middle(rows) is rows[0]
    assert rendered._middle(rows[1:]) is rows[5]


class Row:
    def __init__(self, series: str, number: int, ours: bool) -> None:
        self.series_uid, self.sop_uid, self.ours = series, f"{series}.{number}", ours
        self.attributes = {
            "00280010": {"vr": "US", "Value": [5]},
            "00200013": {"vr": "IS", "Value": [number]} if number else {"vr": "IS"},
        }


def test_a_report_as_a_page_and_as_text(client):
    for accept, kind in (("", "text/html"), ("text/*", "text/html"), ("image/png, text/plain;q=0.5", "text/plain")):
        answer = client.get(f"{TEXT}/rendered", headers={"Accept": accept})
        assert (answer.status_code, answer.content_type) == (200, f"{kind}; charset=utf-8")
        assert "A knee." in answer.text
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    ((media_type, content),) = get(client, f"{REPORT}/rendered", related("text/plain"))
    assert (media_type.name, "Comment: A knee." in content.decode()) == ("text/plain", True)


@pytest.mark.parametrize(
    ("path", "accept", "status"),
    [
        (f"{STUDY}/rendered", "image/jpeg", 406),
        (f"{SLICES}/rendered", "image/png, text/html", 406),
        (f"{SLICES}/rendered", related("text/html"), 406),
        (f"{SLICE}/rendered", "text/html", 406),
        (f"{FRAMED}/frames/1,2/rendered", "image/png", 406),
        (f"{TEXT}/rendered", "image/jpeg", 406),
        (f"{STUDY}/thumbnail", "image/gif", 406),
        (f"{STUDY}/thumbnail", related("image/jpeg"), 406),
        (f"{TEXT}/thumbnail", "*/*", 404),
        (f"{REPORT}/thumbnail", "*/*", 404),
        (f"{TEXT}/frames/1/rendered", "*/*", 404),
        (f"{FRAMED}/frames/1,3/rendered", related("image/png"), 404),
        (f"{FRAMED}/frames/3/rendered", "*/*", 404),
        (f"{FRAMED}/frames/0/rendered", "*/*", 404),
        (f"{FRAMED}/frames/3/thumbnail", "*/*", 404),
        (f"{FRAMED}/frames/1,1/rendered", "*/*", 400),
        (f"{FRAMED}/frames/one/rendered", "*/*", 400),
        ("/dicom-web/studies/1.2.3/rendered", "*/*", 404),
        ("/dicom-web/studies/1.2.3/thumbnail", "*/*", 404),
        (f"{SLICE}/rendered?window=0,0,linear", "*/*", 400),
        (f"{SLICE}/rendered?viewport=0,0", "*/*", 400),
        (f"{SLICE}/rendered?viewport=5,5,{COLUMNS},0", "*/*", 400),
        (f"{SLICES}/rendered?viewport=5,5,{COLUMNS},0", "*/*", 400),
        (f"{SLICE}/rendered?quality=101", "*/*", 400),
        (f"{SLICE}/thumbnail?viewport=5,5,0,0", "*/*", 400),
    ],
)
def test_what_cannot_be_shown_is_a_problem(client, path, accept, status):
    answer = client.get(path, headers={"Accept": accept})
    assert (answer.status_code, answer.mimetype) == (status, "application/problem+json"), answer.text


def test_parameters_without_effect_are_told(client):
    for path in (f"{SLICE}/rendered", f"{SLICES}/rendered", f"{TEXT}/rendered"):
        answer = client.get(f"{path}?annotation=patient&Zebedee=1")
        told = 'Ignored, because they are not supported here: annotation, 1 other."'
        assert (answer.status_code, answer.headers["Warning"]) == (200, f'299 cruciate "{told}')
    answer = client.get(f"{SLICE}/thumbnail?quality=5")
    assert answer.headers["Warning"].endswith(': quality."')


def test_a_page_names_its_type_in_the_query(client):
    assert client.get(f"{SLICE}/rendered?accept=image/png", headers={"Accept": "image/jpeg"}).mimetype == "image/png"
    assert client.get(f"{SLICE}/thumbnail?accept=image/png").mimetype == "image/png"
    several = client.get(f'{SLICES}/rendered?accept=multipart/related;type="image/png"')
    assert MediaType.parse(several.content_type).parameters["type"] == "image/png"


def test_an_answer_has_a_bounded_number_of_pictures(client, monkeypatch):
    monkeypatch.setattr(rendered, "MOST_PICTURES", 4)
    refused = client.get(f"{STUDY}/rendered")
    assert (refused.status_code, "more than 4 pictures" in refused.json["detail"]) == (413, True)
    assert client.get(f"{SLICES}/rendered").status_code == 200


def test_an_answer_has_a_bounded_number_of_pixels(client, monkeypatch):
    for query in ("viewport=4096,4096", "viewport=4096,4096,0,0,1,1"):
        assert client.get(f"{SLICE}/rendered?{query}").status_code == 200
    monkeypatch.setattr(rendered, "MOST_PIXELS", 5 * ROWS * COLUMNS)
    assert client.get(f"{STUDY}/rendered").status_code == 200
    assert client.get(f"{STUDY}/rendered?viewport={COLUMNS},{ROWS}").status_code == 200
    refused = client.get(f"{STUDY}/rendered?viewport={COLUMNS + 1},{ROWS}")
    assert (refused.status_code, "smaller ones" in refused.json["detail"]) == (413, True)


@pytest.mark.parametrize("path", [STUDY, SLICES, SLICE, f"{FRAMED}/frames/1"])
@pytest.mark.parametrize("resource", ["rendered", "thumbnail"])
def test_what_can_be_asked_is_told(client, path, resource):
    answer = client.options(f"{path}/{resource}")
    assert (answer.status_code, answer.data) == (200, b"")
    assert set(answer.allow) == {"GET", "HEAD", "OPTIONS"}
    with client.head(f"{path}/{resource}") as head:
        assert (head.status_code, head.data) == (200, b"")
