import io

import cv2
import numpy as np
import pytest

from tests.app.studies import COLUMNS, ROWS, SLICES, voxels
from tests.conftest import COMPLETENESS


def picture(client, path: str, **query) -> np.ndarray:
    response = client.get(path, query_string=query)
    assert response.status_code == 200, response.text
    return cv2.imdecode(np.frombuffer(response.data, np.uint8), cv2.IMREAD_UNCHANGED)


def class_map(client, id_: str, **query) -> np.ndarray:
    response = client.get(f"/v1/predictions/{id_}/map.npz", query_string=query)
    with np.load(io.BytesIO(response.data)) as archive:
        assert list(archive) == ["map"]
        return archive["map"]


@pytest.fixture
def base(answered) -> str:
    return f"/v1/predictions/{answered[1]['id']}"


def strongest(answer: dict) -> int:
    return max(answer["explanation"]["slices"], key=lambda slice_: slice_["contribution"])["index"]


def test_the_image_is_the_slice_in_the_window_of_the_volume(answered, base):
    client, _ = answered
    low, high = np.percentile(voxels()[:, ::4, ::4], (1, 99.5))
    for index in (0, 7):
        expected = 255 * np.clip((voxels()[index] - low) / (high - low), 0, 1)
        image = picture(client, f"{base}/slices/{index}/image.png")
        assert (image.dtype, image.shape) == (np.uint8, (ROWS, COLUMNS))
        assert np.abs(image - expected).max() <= 1


@pytest.mark.parametrize("name", ["healthy", "unhealthy"])
def test_the_map_sums_with_the_bias_to_the_logit(answered, name):
    client, answer = answered
    volume_map = class_map(client, answer["id"], **{"class": name})
    assert (volume_map.dtype, volume_map.shape) == (np.float32, (SLICES, ROWS, COLUMNS))
    if name == answer["explanation"]["class"]:
        bias = answer["explanation"]["bias"]
        contributions = [slice_["contribution"] for slice_ in answer["explanation"]["slices"]]
        assert volume_map.sum(axis=(1, 2)) == pytest.approx(contributions, abs=1e-5)
    else:
        bias = -1.0  # the head's bias for the first class, see tests/models/conftest.py
    total = bias + volume_map.sum(dtype=np.float64)
    assert total == pytest.approx(answer["result"]["logits"][name], rel=COMPLETENESS)


def test_heatmaps_share_one_scale_and_show_only_what_speaks_for_the_class(answered, base):
    client, answer = answered
    positive = class_map(client, answer["id"]).clip(0)
    alphas = [picture(client, f"{base}/slices/{index}/heatmap.png")[..., 3] for index in range(SLICES)]
    assert np.abs(np.stack(alphas) - 255 * positive / positive.max()).max() <= 1
    assert max(alpha.max() for alpha in alphas) == 255
    silent = [index for index in range(SLICES) if not positive[index].any()]
    assert silent
    assert not any(alphas[index].any() for index in silent)


def test_the_overlay_is_the_image_under_the_heatmap(answered, base):
    client, answer = answered
    place = f"{base}/slices/{strongest(answer)}"
    image, heatmap = picture(client, f"{place}/image.png"), picture(client, f"{place}/heatmap.png")
    upper = slice(0, ROWS - 30)  # the notice stands below
    for opacity in (0, 0.3, 1):
        weight = opacity * heatmap[..., 3:] / 255
        expected = (1 - weight) * image[..., None] + weight * heatmap[..., :3]
        overlay = picture(client, f"{place}/overlay.png", opacity=opacity)
        assert np.abs(overlay - expected)[upper].max() <= 1


def test_the_overlay_says_research_use_only(answered, base):
    client, answer = answered
    place = f"{base}/slices/{strongest(answer)}"
    image, plain = picture(client, f"{place}/image.png"), picture(client, f"{place}/overlay.png", opacity=0)
    burnt = (plain != image[..., None]).any(axis=2)
    assert burnt[-20:].sum() > 200
    assert plain[burnt].max() > 200
    assert plain[burnt].min() < 10


def test_another_class_has_another_heatmap(answered, base):
    client, answer = answered
    place = f"{base}/slices/{strongest(answer)}/heatmap.png"
    default = picture(client, place)
    assert (picture(client, place, **{"class": answer["explanation"]["class"]}) == default).all()
    assert (picture(client, place, **{"class": "healthy"}) != default).any()


@pytest.mark.parametrize(
    ("path", "query", "status", "sentence"),
    [
        (f"/slices/{SLICES}/image.png", {}, 404, f"slices 0 to {SLICES - 1}"),
        ("/slices/-1/image.png", {}, 404, ""),
        ("/slices/1e9/overlay.png", {}, 404, ""),
        ("/slices/0/x-ray.png", {}, 404, ""),
        ("/slices/0/heatmap.png", {"class": "torn"}, 400, "the classes are: healthy, unhealthy"),
        ("/map.npz", {"class": ""}, 400, "the classes are: healthy, unhealthy"),
        ("/slices/0/overlay.png", {"opacity": "1.01"}, 400, "opacity: Input should be"),
        ("/slices/0/overlay.png", {"opacity": "nan"}, 400, "opacity: Input should be"),
        ("/slices/0/overlay.png", {"opacity": "half"}, 400, "opacity: Input should be"),
    ],
)
def test_what_there_is_not_is_a_problem(answered, base, path, query, status, sentence):
    response = answered[0].get(base + path, query_string=query)
    assert (response.status_code, response.mimetype) == (status, "application/problem+json")
    assert sentence in response.json["detail"]
