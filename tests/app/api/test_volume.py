import gzip
import io

import numpy as np
import pytest

from tests.app.api.test_pictures import class_map
from tests.app.studies import SLICES, SPACING_MM, study_zip, voxels

IDENTITY = {"Accept-Encoding": "identity"}


def array(client, path: str, **headers) -> np.ndarray:
    response = client.get(path, headers=headers)
    assert response.status_code == 200, response.text
    packed = response.headers.get("Content-Encoding") == "gzip"
    assert packed == (headers != IDENTITY)
    return np.load(io.BytesIO(gzip.decompress(response.data) if packed else response.data), allow_pickle=False)


@pytest.fixture
def base(answered) -> str:
    return f"/v1/predictions/{answered[1]['id']}"


@pytest.mark.parametrize("headers", [{}, {"Accept-Encoding": "br, gzip;q=0.5"}, IDENTITY])
def test_the_voxels_come_as_the_scanner_stored_them(answered, base, headers):
    client, _ = answered
    described = client.get(f"{base}/volume").json
    headers = headers or {"Accept-Encoding": "gzip"}
    levels = array(client, f"{base}/volume.npy", **headers)
    assert levels.dtype == np.uint16
    assert (described["slope"], described["tolerance"]) == (1, 0)
    assert (levels + described["intercept"] == voxels()).all()
    assert (array(client, f"{base}/slices/3/image.npy", **headers) == levels[3]).all()


def test_the_description_has_geometry_and_windows(answered, base):
    described = answered[0].get(f"{base}/volume").json
    assert described["shape"] == list(voxels().shape)
    assert described["spacing_mm"] == pytest.approx(SPACING_MM)
    assert described["directions"] == [[0, 1, 0], [0, 0, -1]]
    assert described["positions_mm"][2] == pytest.approx([-2 * SPACING_MM[0], 0, 0])
    assert described["window"] is None
    low, high = np.percentile(voxels()[:, ::4, ::4], (1, 99.5))
    assert described["percentiles"]["1"] == pytest.approx(low)
    assert described["percentiles"]["99.5"] == pytest.approx(high)


def test_the_headers_window_is_kept(client):
    sent = study_zip(seed=5, WindowCenter=[400, 90], WindowWidth=[900, 20])
    answer = client.post("/v1/predictions", data=sent, content_type="application/zip").json
    described = client.get(f"/v1/predictions/{answer['id']}/volume").json
    assert described["window"] == {"centre": 400, "width": 900}


def test_the_grid_is_the_map_before_it_is_spread(answered, base):
    """Each slice has the same sum, and lies at the place that is said."""
    client, answer = answered
    described, cells = client.get(f"{base}/grid").json, array(client, f"{base}/grid.npy", **{"Accept-Encoding": "gzip"})
    assert cells.dtype == np.float32
    assert list(cells.shape) == described["shape"]
    assert described["volume"] == list(voxels().shape)
    start, stop = described["slices"]
    for index, name in enumerate(answer["result"]["classes"]):
        spread = class_map(client, answer["id"], **{"class": name})
        assert spread[start:stop].sum(axis=(1, 2)) == pytest.approx(cells[index].sum(axis=(1, 2)), abs=1e-5)
        scale = described["classes"][index]
        assert scale["class"] == name
        assert scale["peak"] == pytest.approx(max(spread.max(), 0), rel=1e-5)
        assert scale["area_mm2"] == pytest.approx(SPACING_MM[1] * SPACING_MM[2])
    strongest = np.unravel_index(np.abs(cells[1]).sum(axis=0).argmax(), cells.shape[2:])
    spread = np.abs(class_map(client, answer["id"])).sum(axis=0)
    row, column = np.unravel_index(spread.argmax(), spread.shape)
    (top, bottom), (left, right) = described["rows"], described["columns"]
    assert int((row + 0.5 - top) / (bottom - top) * cells.shape[2]) == strongest[0]
    assert int((column + 0.5 - left) / (right - left) * cells.shape[3]) == strongest[1]


@pytest.mark.parametrize("path", ["/v1/predictions/none/volume", "/v1/predictions/none/grid.npy"])
def test_an_unknown_prediction_is_a_problem(answered, path):
    assert answered[0].get(path).status_code == 404


def test_a_slice_that_is_not_there_is_a_problem(answered, base):
    response = answered[0].get(f"{base}/slices/{SLICES}/image.npy")
    assert (response.status_code, response.mimetype) == (404, "application/problem+json")
    assert f"slices 0 to {SLICES - 1}" in response.json["detail"]
