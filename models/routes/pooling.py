"""Pooling over an exam's slices: maximum, mean, or gated attention (Ilse 2018, arXiv:1802.04712, equation 9).

Exams of different lengths can be in one batch: the shorter ones repeat their last slice. Such repeats don't change any
pooling. Everything here is float32, for every precision of the trunk.
"""

import keras
import numpy as np
from keras import ops

from models.explain.cam import credit_to_winners
from models.explain.method import Doubles

# Width of the attention's two hidden layers, as in the paper's experiments.
ATTENTION_UNITS = 128


def own_slices(exams: keras.KerasTensor) -> keras.KerasTensor:
    """Find slices that aren't repeats at the end of an exam.

    Args:
        exams: `[B, S, ...]`.

    Returns:
        Float32 `[B, S]`: 1 for an exam's own slices, 0 for slices at its end that repeat the one before them.
    """
    differ = ops.not_equal(exams[:, 1:], exams[:, :-1])
    differ = ops.any(differ, axis=tuple(range(2, len(exams.shape))))
    still_to_come = ops.flip(ops.cumsum(ops.flip(ops.cast(differ, "float32"), axis=1), axis=1), axis=1)
    return ops.pad(ops.cast(still_to_come > 0, "float32"), ((0, 0), (1, 0)), constant_values=1)


class Maximum(keras.layers.Layer):  # type: ignore[misc]
    """The maximum over slices of each channel: `[B, S, C]` -> `[B, C]`."""

    def call(self, slices: keras.KerasTensor, own: keras.KerasTensor) -> keras.KerasTensor:
        return ops.max(slices, axis=1)

    def credit(self, slices: Doubles) -> Doubles:
        """The share of each slice of one exam in each channel's pooled value: `[S, C]` -> `[S, C]`."""
        return credit_to_winners(slices)


class Mean(keras.layers.Layer):  # type: ignore[misc]
    """The mean of an exam's own slices: `[B, S, C]` -> `[B, C]`."""

    def call(self, slices: keras.KerasTensor, own: keras.KerasTensor) -> keras.KerasTensor:
        return ops.sum(self.weights_of(slices, own) * slices, axis=1)

    def weights_of(self, slices: keras.KerasTensor, own: keras.KerasTensor) -> keras.KerasTensor:
        """The softmax of the exam's own slices' scores, `[B, S, 1]`; zero for repeats."""
        scores = self.scores(slices)
        weights = ops.exp(scores - ops.max(scores, axis=1, keepdims=True)) * own[..., None]
        return weights / ops.sum(weights, axis=1, keepdims=True)

    def scores(self, slices: keras.KerasTensor) -> keras.KerasTensor:
        """The scores of the slices, `[B, S, 1]`: all are equal."""
        return ops.zeros_like(slices[..., :1])

    def credit(self, slices: Doubles) -> Doubles:
        """The share of each slice of one exam in each channel's pooled value: `[S, C]` -> `[S, C]`."""
        exam = ops.convert_to_tensor(slices[None], "float32")
        weights = ops.convert_to_numpy(self.weights_of(exam, own_slices(exam)))
        return np.broadcast_to(weights[0].astype(np.float64), slices.shape)


class GatedAttention(Mean):
    """The mean with learnt scores: `w (tanh(V h) * sigmoid(U h))` for a slice's features `h`."""

    def build(self, shape: tuple[int | None, ...]) -> None:
        self.content = keras.layers.Dense(ATTENTION_UNITS, "tanh", use_bias=False, dtype=self.dtype_policy)
        self.gate = keras.layers.Dense(ATTENTION_UNITS, "sigmoid", use_bias=False, dtype=self.dtype_policy)
        self.score = keras.layers.Dense(1, use_bias=False, dtype=self.dtype_policy)
        for layer, width in ((self.content, shape[-1]), (self.gate, shape[-1]), (self.score, ATTENTION_UNITS)):
            layer.build((None, width))

    def scores(self, slices: keras.KerasTensor) -> keras.KerasTensor:
        return self.score(self.content(slices) * self.gate(slices))


POOLINGS: dict[str, type[Maximum | Mean]] = {"max": Maximum, "mean": Mean, "attention": GatedAttention}
