import numpy as np
import pytest

from data_prep.errors import UnsuitableStudy
from models.bundle import load_bundle
from models.files.golden import golden_volume
from models.predictor import Predictor
from tests.conftest import make_volume


@pytest.fixture(scope="module")
def predictor(tiny_bundle):
    return Predictor(load_bundle(tiny_bundle))


def test_the_parts_of_a_prediction_agree(predictor):
    prediction = predictor.predict(golden_volume())
    assert prediction.probabilities.sum() == pytest.approx(1)
    expected = np.exp(np.diff(prediction.logits.astype(float))[0] / 1.5)
    assert prediction.probabilities[1] / prediction.probabilities[0] == pytest.approx(expected)
    assert set(prediction.timing_ms) == {"preprocess", "network", "explain"}


def test_the_map_in_source_pixels_adds_up_too(predictor):
    """The promise to a clinician, on the volume's own grid."""
    prediction = predictor.predict(golden_volume())
    source = prediction.footprint.carry_back(prediction.maps)
    assert source.shape == (2, 16, 160, 144)
    assert source.sum(axis=(1, 2, 3), dtype=np.float64) + prediction.bias == pytest.approx(prediction.logits, rel=1e-4)
    assert source.sum(axis=(2, 3)) == pytest.approx(prediction.contributions(), abs=1e-5)


def test_slices_outside_the_extent_contribute_nothing_and_that_is_said(predictor):
    prediction = predictor.predict(golden_volume())
    first, stop = prediction.footprint.slices
    assert (first, stop) == (2, 13)  # 40 mm of 16 slices, 3.5 mm apart
    outside = np.delete(prediction.contributions(), np.arange(first, stop), axis=1)
    assert not outside.any()
    assert "slices-outside-extent" in [notice.code for notice in prediction.notices]


def test_a_synthetic_bundle_says_so_with_every_answer(predictor):
    assert "synthetic-training" in [notice.code for notice in predictor.predict(golden_volume()).notices]


def test_a_blank_volume_is_refused(predictor):
    with pytest.raises(UnsuitableStudy, match="blank"):
        predictor.predict(make_volume(np.zeros((12, 64, 64))))
