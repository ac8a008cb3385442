"""The series of a study, and the images of those that no model has looked at."""

import io

import numpy as np
import pytest
from pydicom import dcmread

from app.service.parts import EXTENSION
from tests.app.studies import COLUMNS, ROWS, SLICES, instances, study_zip, voxels, zipped

pytestmark = pytest.mark.slow

STUDY = "2.25.1"
CORONAL, AXIAL = [1, 0, 0, 0, 0, -1], [1, 0, 0, 0, 1, 0]


def of(series: str, seed: int, count: int = SLICES, **headers) -> list[bytes]:
    return instances(voxels(seed)[:count], study=STUDY, series=series, **headers)


def along(step, files: list[bytes]) -> list[bytes]:
    """The same images, one step after the other."""
    return [
        changed(content, ImagePositionPatient=[float(number * one) for one in step])
        for number, content in enumerate(files)
    ]


def changed(content: bytes, **headers) -> bytes:
    image = dcmread(io.BytesIO(content))
    for keyword, value in headers.items():
        if value is None:
            delattr(image, keyword)
        else:
            setattr(image, keyword, value)
    image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
    written = io.BytesIO()
    image.save_as(written, enforce_file_format=True)
    return written.getvalue()


CHOSEN, PLAIN, ACROSS, SCOUT, SINGLE, PICTURE, COLOURS = (f"2.25.1.{number}" for number in range(1, 8))


def study() -> list[bytes]:
    colours = {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0}
    colours |= {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, "Columns": COLUMNS * 2 // 3 // 2 * 2}
    scout = [
        changed(content, SOPInstanceUID=f"{SCOUT}.{place}{number}")
        for place, (plane, step) in enumerate([(CORONAL, (0, 4, 0)), (AXIAL, (0, 0, 4))])
        for number, content in enumerate(
            along(
                step,
                of(SCOUT, 4, 3 - place, ImageOrientationPatient=plane, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]),
            )
        )
    ]
    pixels = np.zeros((ROWS, colours["Columns"], 3), np.uint8).tobytes()
    return [
        *of(CHOSEN, 1, SeriesNumber=3),
        *of(PLAIN, 2, ScanOptions="", SeriesDescription="PD SAG", SeriesNumber=2),
        *along(
            (0, 3, 0), of(ACROSS, 3, 5, ImageOrientationPatient=CORONAL, SeriesNumber=10, SeriesDescription="PD FS COR")
        ),
        *scout,
        *of(SINGLE, 5, 1),
        *(changed(one, PixelSpacing=None, ImageOrientationPatient=None, Modality="OT") for one in of(PICTURE, 6, 2)),
        *(changed(one, PixelData=pixels, **colours) for one in of(COLOURS, 7, 1)),
    ]


@pytest.fixture(scope="module")
def held(bundles, tmp_path_factory):
    from app.factory import create_app
    from app.service.settings import Settings
    from tests.app.conftest import LOADING_S

    app = create_app(Settings(bundles=bundles, data=tmp_path_factory.mktemp("var"), quiet_s=3600, results=("sr",)))
    service, client = app.extensions[EXTENSION], app.test_client()
    service.engine.loaded.result(LOADING_S)
    receipts = service.instances.receive([("part", content) for content in study()])
    assert {receipt.reason for receipt in receipts} == {None}
    answer = client.post("/v1/predictions", json={"study_uid": STUDY})
    assert (answer.status_code, answer.json["study"]["series_uid"]) == (201, CHOSEN), answer.text
    yield client, f"/v1/predictions/{answer.json['id']}/series"
    service.stop()


def image(client, place: str, series: str, **query) -> tuple[dict, np.ndarray]:
    """The description of a part, and its voxels again."""
    described = client.get(f"{place}/{series}/volume", query_string=query)
    assert described.status_code == 200, described.text
    array = client.get(f"{place}/{series}/volume.npy", query_string=query)
    levels = np.load(io.BytesIO(array.data))
    assert levels.shape == tuple(described.json["shape"])
    return described.json, described.json["slope"] * levels + described.json["intercept"]


def test_every_series_is_listed_with_its_reason(held):
    client, place = held
    found = client.get(place).json
    assert (found["study_uid"], found["held"]) == (STUDY, True)
    by_uid = {one["series_uid"]: one for one in found["series"]}
    assert list(by_uid)[:3] == [CHOSEN, PLAIN, ACROSS]  # what was predicted on, then by number: 2 before 10
    assert set(by_uid) == {CHOSEN, PLAIN, ACROSS, SCOUT, SINGLE, PICTURE, COLOURS}
    assert [uid for uid, one in by_uid.items() if one["predicted_on"]] == [CHOSEN]
    assert by_uid[CHOSEN]["reasons"] == []
    assert by_uid[ACROSS] | {"reasons": None} == {
        "series_uid": ACROSS,
        "predicted_on": False,
        "reasons": None,
        "held": True,
        "instances": 5,
        "modality": "MR",
        "number": "10",
        "description": "PD FS COR",
    }
    reasons = {uid: " ".join(one["reasons"]) for uid, one in by_uid.items()}
    assert "not fat-suppressed" in reasons[PLAIN]
    assert reasons[ACROSS] == "plane is coronal"
    assert "locali" in reasons[SCOUT]
    assert reasons[PICTURE] == "modality is OT"


def test_a_series_that_came_later_has_no_reason(held):
    client, place = held
    late = "2.25.1.90"
    receipts = client.application.extensions[EXTENSION].instances.receive([("part", one) for one in of(late, 9, 2)])
    assert {receipt.reason for receipt in receipts} == {None}
    (found,) = [one for one in client.get(place).json["series"] if one["series_uid"] == late]
    assert (found["reasons"], found["instances"]) == ([], 2)


@pytest.mark.parametrize(
    ("series", "seed", "count"), [(PLAIN, 2, SLICES), (ACROSS, 3, 5), (SINGLE, 5, 1), (CHOSEN, 1, SLICES)]
)
def test_the_images_are_the_scanners(held, series, seed, count):
    """Of any plane and number, voxel by voxel. The order follows the normal, which may be that of falling numbers."""
    client, place = held
    described, seen = image(client, place, series)
    source = voxels(seed)[:count]
    forwards = described["positions_mm"][0][0 if series != ACROSS else 1] == 0
    np.testing.assert_array_equal(seen, source if forwards else source[::-1])
    assert described["tolerance"] == 0
    assert described["spacing_mm"][1:] == [0.9, 1.1]
    assert described["spacing_mm"][0] == {PLAIN: 3.5, ACROSS: 3.0, SINGLE: 0.0, CHOSEN: 3.5}[series]
    assert (described["part"], len(described["parts"]), described["not_read"]) == (0, 1, 0)


def test_the_planes_of_a_scout_are_parts(held):
    client, place = held
    first, seen = image(client, place, SCOUT)
    assert [(one["images"], one["plane"]) for one in first["parts"]] == [(3, "coronal"), (2, "axial")]
    second, other = image(client, place, SCOUT, part=1)
    assert (second["part"], second["shape"], seen.shape[0]) == (1, [2, ROWS, COLUMNS], 3)
    assert other.shape[0] == 2
    missing = client.get(f"{place}/{SCOUT}/volume?part=2")
    assert (missing.status_code, missing.json["detail"]) == (404, "This series has parts 0 to 1.")


def test_pictures_without_a_place_are_shown_without_one(held):
    client, place = held
    described, seen = image(client, place, PICTURE)
    assert (described["spacing_mm"], described["directions"], described["positions_mm"]) == (None, None, None)
    np.testing.assert_array_equal(seen, voxels(6)[:2])


def test_what_cant_be_decoded_is_refused_with_the_reason(held):
    client, place = held
    for name in ("volume", "volume.npy"):
        response = client.get(f"{place}/{COLOURS}/{name}")
        assert (response.status_code, response.mimetype) == (422, "application/problem+json")
        assert response.json["detail"]


@pytest.mark.parametrize(
    "path", ["2.25.404/volume", "2.25.404/volume.npy", "nonsense/volume", f"{PLAIN}/volume?part=9"]
)
def test_what_isnt_there_is_a_404(held, path):
    client, place = held
    response = client.get(f"{place}/{path}")
    assert (response.status_code, response.mimetype) == (404, "application/problem+json")


@pytest.mark.parametrize("part", ["-1", "x", "1.5", "100000"])
def test_a_part_that_is_no_number_is_a_problem(held, part):
    client, place = held
    response = client.get(f"{place}/{PLAIN}/volume", query_string={"part": part})
    assert (response.status_code, response.mimetype) == (400, "application/problem+json")


def test_results_of_the_service_are_no_series_of_the_study(held):
    client, place = held
    service = client.application.extensions[EXTENSION]
    before = {one["series_uid"] for one in client.get(place).json["series"]}
    (own,) = of("2.25.1.91", 8, 1)
    service.instances.keep([own])
    assert {one["series_uid"] for one in client.get(place).json["series"]} == before


def test_files_of_a_body_arent_kept(client):
    """The list says so, and the images are refused in a sentence."""
    body = zipped(instances(voxels()) + instances(voxels(1), series="2.25.99", ScanOptions=""))
    answer = client.post("/v1/predictions", data=body, content_type="application/zip").json
    place = f"/v1/predictions/{answer['id']}/series"
    found = client.get(place).json
    assert found["held"] is False
    assert [(one["series_uid"], one["held"], one["instances"]) for one in found["series"]] == [
        ("2.25.8", False, None),
        ("2.25.99", False, None),
    ]
    response = client.get(f"{place}/2.25.99/volume")
    assert (response.status_code, response.json["detail"]) == (404, "The service doesn't hold this series.")


def test_the_series_of_a_refused_study_are_listed(make_app):
    """Nothing in it can be predicted on by the service's own choice: two knees."""
    app = make_app(quiet_s=0.1)
    service, client = app.extensions[EXTENSION], app.test_client()
    files = of(CHOSEN, 1) + of(PLAIN, 2, Laterality="L")
    service.instances.receive([("part", content) for content in files])
    refused = client.post("/v1/predictions", json={"study_uid": STUDY})
    assert refused.status_code == 422
    (answer,) = client.get(f"/v1/predictions?study_uid={STUDY}&status=failed").json["predictions"]
    found = client.get(f"/v1/predictions/{answer['id']}/series").json["series"]
    assert [(one["series_uid"], one["predicted_on"], one["held"]) for one in found] == [
        (CHOSEN, False, True),
        (PLAIN, False, True),
    ]
    chosen = client.post(f"/v1/predictions?series_uid={PLAIN}", json={"study_uid": STUDY})
    assert (chosen.status_code, chosen.json["study"]["laterality"]) == (201, "L")


def test_nothing_is_listed_of_what_isnt_there(client):
    assert client.get(f"/v1/predictions/{'0' * 32}/series").status_code == 404
    assert client.post("/v1/predictions", data=study_zip(), content_type="application/zip").status_code == 201


def test_other_parts_of_the_series_and_files_without_one_have_their_reasons(client):
    """Two echoes in one series, and a file that is cut short before it names its series."""
    later = [
        changed(one, EchoTime=90, EchoNumbers=2, SOPInstanceUID=f"2.25.8.{100 + number}")
        for number, one in enumerate(instances(voxels(1)))
    ]
    body = zipped([*instances(voxels()), *later, instances(voxels(2))[0][:400]])
    answer = client.post("/v1/predictions", data=body, content_type="application/zip").json
    found = client.get(f"/v1/predictions/{answer['id']}/series").json
    (only,) = found["series"]
    assert (only["series_uid"], only["predicted_on"]) == ("2.25.8", True)
    assert "echo 2 of 2" in only["reasons"][0]
    assert "1 file can't be read" in found["files"][0]
