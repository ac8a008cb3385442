import keras
import numpy as np
import pytest
from keras import ops

from models.routes.pooling import POOLINGS, GatedAttention, Mean, own_slices

random = np.random.default_rng(0)
SLICES = random.normal(size=(2, 5, 7)).astype(np.float32)
ALL = np.ones((2, 5), np.float32)


def layer(name: str) -> keras.Layer:
    keras.utils.set_random_seed(1)
    pooling = POOLINGS[name]()
    pooling.build((None, None, 7))
    return pooling


def test_repeats_count_only_at_the_end_and_only_of_the_slice_before():
    exams = np.array([[1, 2, 2, 3, 3], [4, 4, 4, 4, 4], [1, 2, 3, 2, 3], [5, 6, 6, 6, 6]], np.float32)
    own = np.array(own_slices(exams[..., None, None] * np.ones((3, 2))))
    assert own.tolist() == [[1, 1, 1, 1, 0], [1, 0, 0, 0, 0], [1, 1, 1, 1, 1], [1, 1, 0, 0, 0]]


def test_slices_that_differ_in_one_pixel_are_both_the_exams_own():
    exams = np.zeros((1, 2, 3, 3), np.float32)
    exams[0, 1, 2, 1] = 1e-6
    assert np.array(own_slices(exams)).tolist() == [[1, 1]]


def test_a_single_slice_is_an_exam():
    assert np.array(own_slices(np.ones((2, 1, 3, 3), np.float32))).tolist() == [[1], [1]]


def test_maximum_and_mean_are_numpys():
    assert np.array(layer("max")(SLICES, ALL)) == pytest.approx(SLICES.max(axis=1))
    assert np.array(layer("mean")(SLICES, ALL)) == pytest.approx(SLICES.mean(axis=1), abs=1e-6)


def test_a_mean_leaves_out_what_is_not_the_exams_own():
    own = np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]], np.float32)
    expected = [SLICES[0, :3].mean(axis=0), SLICES[1].mean(axis=0)]
    assert np.array(layer("mean")(SLICES, own)) == pytest.approx(np.array(expected), abs=1e-6)


def test_attention_is_the_papers_equation():
    """Equation 9 of Ilse 2018 in NumPy, with the layer's own weights."""
    attention = layer("attention")
    content, gate, score = (np.array(weight, np.float64) for weight in attention.weights)
    scores = (np.tanh(SLICES @ content) / (1 + np.exp(-SLICES @ gate))) @ score
    weights = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    assert np.ptp(weights) > 0.01
    assert np.array(attention.weights_of(SLICES, ALL)) == pytest.approx(weights, rel=1e-4)
    assert np.array(attention(SLICES, ALL)) == pytest.approx((weights * SLICES).sum(axis=1), abs=1e-5)


def test_attention_that_finds_all_slices_alike_is_the_mean():
    attention = layer("attention")
    attention.score.kernel.assign(ops.zeros_like(attention.score.kernel))
    assert isinstance(attention, GatedAttention)
    assert np.array(attention(SLICES, ALL)) == pytest.approx(np.array(Mean()(SLICES, ALL)), abs=1e-6)


@pytest.mark.parametrize("name", POOLINGS)
def test_credit_says_what_each_slice_gave(name):
    """Also in an exam whose last slices repeat: what they gave is theirs only once."""
    exam = np.concatenate([SLICES[:1], SLICES[:1, -1:], SLICES[:1, -1:]], axis=1)
    pooling = layer(name)
    credit = pooling.credit(exam[0].astype(np.float64))
    assert credit.sum(axis=0) == pytest.approx(np.ones(7), abs=1e-6)
    assert not credit[5:].any()
    pooled = np.array(pooling(exam, own_slices(exam)))[0]
    assert (credit * exam[0]).sum(axis=0) == pytest.approx(pooled, abs=1e-6)
