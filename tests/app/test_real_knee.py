"""A real scanner's series through the same door: GE MR750, 24 positions x 8 echoes, big endian, no laterality."""

import io

import cv2
import numpy as np
import pytest

from tests.app.studies import zipped_as
from tests.conftest import COMPLETENESS

pytestmark = [pytest.mark.slow, pytest.mark.real_knee]


@pytest.fixture(scope="module")
def answer(answered, real_knee):
    response = answered[0].post("/v1/predictions", data=zipped_as(real_knee), content_type="application/zip")
    assert response.status_code == 201, response.text
    return response.json


def test_one_echo_is_predicted_on_and_the_others_are_listed(answer):
    study = answer["study"]
    assert study["volume"] == {
        "slices": 24,
        "rows": 256,
        "columns": 256,
        "spacing_mm": pytest.approx([4, 0.625, 0.625]),
    }
    assert study["laterality"] == "unknown"
    assert len(study["passed_over"]) == 7
    assert all("echo" in other["reason"] for other in study["passed_over"])
    assert len({slice_["sop_uid"] for slice_ in answer["explanation"]["slices"]}) == 24


def test_the_answer_warns_of_what_it_is_not_made_for(answer):
    assert {"synthetic-training", "not-fat-suppressed"} <= {warning["code"] for warning in answer["warnings"]}


def test_contributions_add_up_on_real_pixels_too(answered, answer):
    explanation = answer["explanation"]
    logit = answer["result"]["logits"][explanation["class"]]
    contributions = [slice_["contribution"] for slice_ in explanation["slices"]]
    assert explanation["bias"] + sum(contributions) == pytest.approx(logit, rel=COMPLETENESS)
    archive = answered[0].get(f"/v1/predictions/{answer['id']}/map.npz").data
    with np.load(io.BytesIO(archive)) as arrays:
        assert arrays["map"].shape == (24, 256, 256)
        assert arrays["map"].sum(dtype=np.float64) + explanation["bias"] == pytest.approx(logit, rel=COMPLETENESS)


def test_neighbouring_slices_look_alike(answered, answer):
    """Slices in order along the normal: a neighbour resembles a slice more than one six places away does."""
    places = [slice_["image"] for slice_ in answer["explanation"]["slices"]]
    pixels = [np.frombuffer(answered[0].get(place).data, np.uint8) for place in places]
    images = np.stack([cv2.imdecode(picture, cv2.IMREAD_UNCHANGED) for picture in pixels]).reshape(24, -1)
    alike = np.corrcoef(images)
    assert (np.diagonal(alike, 1)[:18] > np.diagonal(alike, 6)).all()
