"""Derivatives. Each of Keras' backends has its own functions for them."""

from collections.abc import Callable

import keras
import numpy as np

from data_prep.volume import FloatArray


def slopes(function: Callable[[keras.KerasTensor], keras.KerasTensor], point: FloatArray) -> FloatArray:
    """Derivatives of a function at a point.

    Args:
        function: It takes an array `[...]` and returns values `[K]`.
        point: Float32 `[...]`.

    Returns:
        The derivative of each value, `[K, ...]`.
    """
    if keras.backend.backend() == "jax":
        import jax  # type: ignore[import-not-found, unused-ignore]

        return np.asarray(jax.jacrev(function)(point))
    import tensorflow

    with tensorflow.GradientTape(persistent=True) as tape:
        variable = tensorflow.constant(point)
        tape.watch(variable)
        values = tensorflow.unstack(function(variable))
    return np.stack([tape.gradient(value, variable).numpy() for value in values])
