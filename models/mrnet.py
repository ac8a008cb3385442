"""MRNet: AlexNet features, mean over space, max over slices, one linear layer.

Bien 2018, doi:10.1371/journal.pmed.1002699.
"""

from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

import keras
import numpy as np
import numpy.typing as npt
from keras import ops
from pydantic import TypeAdapter

from data_prep.labels import LabelScheme
from data_prep.preprocess import Recipe
from data_prep.volume import FloatArray
from models.cam import credit_to_winners, linear_maps
from models.classifier import Explanation
from models.trunks import Trunk, build_trunk, grid_span, load_imagenet

WEIGHTS = "model.weights.h5"


class MRNetNetwork(keras.Model):  # type: ignore[misc]
    """What is trained: exams `[B, S, H, W]` -> logits `[B, K]`.

    Exams of unequal length can share a batch when the shorter ones repeat a slice: a maximum doesn't see repeats.
    """

    def __init__(self, trunk: keras.Model, classes: int, dropout: float) -> None:
        super().__init__(name="mrnet")
        self.trunk = trunk
        self.dropout = keras.layers.Dropout(dropout, name="dropout")
        self.head = keras.layers.Dense(classes, name="head")
        self.build((None, None, *trunk.input_shape[1:]))

    def build(self, exams_shape: tuple[int | None, ...]) -> None:
        self.head.build((None, self.trunk.output_shape[-1]))

    def call(self, exams: keras.KerasTensor, training: bool = False) -> keras.KerasTensor:
        _, slices, height, width = ops.shape(exams)
        grid = self.trunk(ops.reshape(exams, (-1, height, width)))
        pooled = ops.mean(grid, axis=(1, 2))
        strongest = ops.max(ops.reshape(pooled, (-1, slices, pooled.shape[-1])), axis=1)
        return self.head(self.dropout(strongest, training=training))


class MRNet:
    """The route: the network above, asked about one exam, with exact maps."""

    def __init__(self, trunk: Trunk, dropout: float, scheme: LabelScheme, recipe: Recipe) -> None:
        self.scheme = scheme
        self._trunk, self._dropout = trunk, dropout
        self.network = MRNetNetwork(build_trunk(trunk, recipe.size, recipe.channels), len(scheme), dropout)

    @classmethod
    def from_architecture(cls, architecture: dict[str, Any], scheme: LabelScheme, recipe: Recipe) -> Self:
        trunk = TypeAdapter(Trunk).validate_python(architecture["trunk"])
        return cls(trunk, architecture["dropout"], scheme, recipe)

    def architecture(self) -> dict[str, Any]:
        return {"trunk": asdict(self._trunk), "dropout": self._dropout}

    def load_pretrained(self) -> None:
        """Give the trunk the weights that it is meant to start from."""
        if self._trunk.weights == "imagenet":
            load_imagenet(self.network.trunk, self._trunk)

    def grid_span(self) -> tuple[tuple[float, float], tuple[float, float]]:
        return grid_span(self.network.trunk)

    def features(self, slices: FloatArray) -> FloatArray:
        features: FloatArray = ops.convert_to_numpy(self.network.trunk(slices, training=False))
        return features

    def logits(self, features: FloatArray) -> FloatArray:
        kernel, bias = self._head()
        logits = _pooled(features).max(axis=0) @ kernel + bias
        return np.asarray(logits, np.float32)

    def explain(self, features: FloatArray) -> Explanation:
        kernel, bias = self._head()
        maps = linear_maps(features, credit_to_winners(_pooled(features)), kernel)
        return Explanation(self.logits(features), maps, bias, exact=True, method="cam")

    def _head(self) -> tuple[FloatArray, FloatArray]:
        """Kernel `[C, K]` and bias `[K]` without what all classes share.

        A softmax doesn't see a common share. A map would show it: as evidence for every class at once.
        """
        kernel, bias = (ops.convert_to_numpy(weight) for weight in self.network.head.weights)
        return kernel - kernel.mean(axis=-1, keepdims=True), bias - bias.mean()

    def save(self, folder: Path) -> None:
        # A network that was trained would save its optimiser, too.
        bare = MRNetNetwork(keras.models.clone_model(self.network.trunk), len(self.scheme), self._dropout)
        bare.set_weights(self.network.get_weights())
        bare.save_weights(folder / WEIGHTS)

    def load(self, folder: Path) -> None:
        self.network.load_weights(folder / WEIGHTS)


def _pooled(features: FloatArray) -> npt.NDArray[np.float64]:
    """Mean over space, `[S, C]`, in double precision: a logit near zero is a small difference of large shares."""
    pooled: npt.NDArray[np.float64] = features.mean(axis=(1, 2), dtype=np.float64)
    return pooled
