"""A tensor that no machine can hold is a MemoryError, whatever the backend calls it; other errors stay as they are."""

import jax
import pytest
import tensorflow as tf

from models.bundle import load_bundle
from models.files.golden import golden_volume
from models.memory import memory_errors
from models.predictor import Predictor

# TensorFlow waits ten seconds for memory before it gives up.
pytestmark = pytest.mark.slow

# 4 exabytes.
SHAPE = (1 << 30, 1 << 30)


def test_too_little_memory_in_tensorflow():
    with pytest.raises(MemoryError), memory_errors():
        tf.zeros(SHAPE)


def test_too_little_memory_in_jax():
    with pytest.raises(MemoryError), memory_errors():
        jax.numpy.ones(SHAPE).block_until_ready()


@pytest.mark.parametrize("error", [ValueError("out of memory"), OSError("out of memory")])
def test_another_error_stays(error):
    with pytest.raises(type(error), match="out of memory"), memory_errors():
        raise error


def test_another_error_of_tensorflow_stays():
    with pytest.raises(tf.errors.InvalidArgumentError), memory_errors():
        tf.reshape(tf.zeros((2, 3)), (4,))


def test_too_little_memory_for_a_network_is_no_studys_failure(tiny_bundle, monkeypatch):
    """The engine tries a MemoryError again (app/jobs/faults.py)."""
    bundle = load_bundle(tiny_bundle)
    monkeypatch.setattr(bundle.classifier, "features", lambda slices: tf.zeros(SHAPE))
    with pytest.raises(MemoryError):
        Predictor(bundle).predict(golden_volume())
