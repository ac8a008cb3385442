"""Derivatives, the one thing that each of Keras' backends says in its own words."""

from collections.abc import Callable

import keras
import numpy as np

from data_prep.volume import FloatArray


def slopes(function: Callable[[keras.KerasTensor], keras.KerasTensor], point: FloatArray) -> FloatArray:
    """The derivative of each of the values `[K]` of a function at a point `[...]`: `[K, ...]`."""
    if keras.backend.backend() == "jax":
        import jax  # type: ignore[import-not-found, unused-ignore]

        return np.asarray(jax.jacrev(function)(point))
    import tensorflow

    with tensorflow.GradientTape(persistent=True) as tape:
        variable = tensorflow.constant(point)
        tape.watch(variable)
        values = tensorflow.unstack(function(variable))
    return np.stack([tape.gradient(value, variable).numpy() for value in values])
