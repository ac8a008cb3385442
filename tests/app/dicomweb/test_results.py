"""The service's own objects by WADO-RS: a report, a map of integers or floats, and a picture in colour."""

import io

import cv2
import numpy as np
import pydicom
import pytest

from app import results
from app.service.parts import EXTENSION
from tests.app.dicomweb.messages import OCTETS, get, related
from tests.app.results.made import SCALE, map_of, result_of, two_echoes

RESULT = result_of(*two_echoes(), scale=SCALE)


def made(kind: results.Kind, values: results.MapValues = "uint16") -> bytes:
    return results.build(kind, RESULT, lambda: map_of(RESULT), values, only=3)[0]


OBJECTS = {kind: made(kind) for kind in results.KINDS} | {"floats": made("map", "float32")}
DATASETS = {kind: pydicom.dcmread(io.BytesIO(file)) for kind, file in OBJECTS.items()}


@pytest.fixture(scope="module")
def client(holding):
    client = holding([])
    client.application.extensions[EXTENSION].instances.keep(OBJECTS.values())
    return client


def place(kind: str) -> str:
    dataset = DATASETS[kind]
    series = f"/dicom-web/studies/{dataset.StudyInstanceUID}/series/{dataset.SeriesInstanceUID}"
    return f"{series}/instances/{dataset.SOPInstanceUID}"


@pytest.mark.parametrize("kind", OBJECTS)
def test_a_result_is_found_and_given_as_it_was_made(client, kind):
    dataset = DATASETS[kind]
    (found,) = client.get(f"/dicom-web/instances?SOPInstanceUID={dataset.SOPInstanceUID}").json
    assert found["00080060"]["Value"] == [dataset.Modality]
    assert [content for _, content in get(client, place(kind), related("application/dicom"))] == [OBJECTS[kind]]
    (header,) = client.get(f"{place(kind)}/metadata").json
    assert header["0020000E"]["Value"] == [dataset.SeriesInstanceUID]
    assert {"7FE00008", "7FE00010"}.isdisjoint(header)


@pytest.mark.parametrize(
    ("kind", "dtype", "keyword"), [("map", "<u2", "PixelData"), ("floats", "<f4", "FloatPixelData")]
)
def test_frames_of_a_map(client, kind, dtype, keyword):
    dataset = DATASETS[kind]
    stored = np.frombuffer(dataset[keyword].value, dtype).reshape(-1, dataset.Rows, dataset.Columns)
    frames = get(client, f"{place(kind)}/frames/2,{len(stored)}", related(OCTETS))
    for number, (_, frame) in zip((1, -1), frames, strict=True):
        assert (np.frombuffer(frame, dtype).reshape(stored.shape[1:]) == stored[number]).all()


@pytest.mark.parametrize("kind", ["key-image", "overlay"])
def test_a_picture_keeps_its_colours(client, kind):
    picture = client.get(f"{place(kind)}/rendered", headers={"Accept": "image/png"})
    assert picture.mimetype == "image/png"
    shown = cv2.imdecode(np.frombuffer(picture.data, np.uint8), cv2.IMREAD_COLOR)
    assert (shown[..., ::-1] == DATASETS[kind].pixel_array).all()


@pytest.mark.parametrize(("kind", "status"), [("floats", 406), ("seg", 406), ("map", 200)])
def test_what_is_no_picture_is_not_drawn(client, kind, status):
    assert client.get(f"{place(kind)}/rendered").status_code == status
    assert client.get(f"{place('sr')}/frames/1").status_code == 404
    assert client.get(f"{place('sr')}/thumbnail").status_code == 404


def test_the_report_is_a_page_and_a_text(client):
    for accept, kind in (("*/*", "text/html"), ("text/plain", "text/plain")):
        shown = client.get(f"{place('sr')}/rendered", headers={"Accept": accept})
        assert (shown.status_code, shown.content_type) == (200, f"{kind}; charset=utf-8")
        for told in ("Quibble Zebedee", "Research use only, not for diagnosis", "Secondary Capture Image 2.25."):
            assert told in shown.text
        for name in RESULT.answer["result"]["classes"]:
            assert name in shown.text
    assert "default-src 'none'" in client.get(f"{place('sr')}/rendered").headers["Content-Security-Policy"]
    assert client.get(f"{place('sr')}/rendered", headers={"Accept": "image/jpeg"}).status_code == 406


def test_a_study_is_rendered_without_what_cannot_be_shown(client):
    """Key image, overlay, slice, frames of the map, and report; floats and masks are not, and the answer says so."""
    study = f"/dicom-web/studies/{DATASETS['sr'].StudyInstanceUID}/rendered"
    shown = get(client, study, "*/*")
    frames = int(DATASETS["map"].NumberOfFrames)
    assert sorted(kind.name for kind, _ in shown) == ["image/jpeg"] * (frames + 3) + ["text/html"]
    warning = client.get(study).headers["Warning"]
    assert warning == '299 cruciate "3 of 8 instances are not shown."'
