"""The fine-tuned route: any trunk with any head. MRNet is a special case."""

from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import keras
import numpy as np
from keras import ops
from pydantic import TypeAdapter

from data_prep.labels import LabelScheme
from data_prep.network_input.recipe import Recipe
from data_prep.volume import FloatArray
from models.explain.cam import Cam
from models.explain.gradcam import GradCam
from models.explain.gradient import slopes
from models.explain.method import Doubles, Explanation, Method, Readout
from models.routes.chunks import forward
from models.routes.classifier import Parts, Span
from models.routes.network import ExamNetwork, Head
from models.routes.pooling import own_slices
from models.trunks import Trunk, build_trunk, grid_span, load_imagenet

WEIGHTS = "model.weights.h5"


class FineTuned:
    """One network for one exam: exact maps from a linear head, Grad-CAM from fully connected layers.

    The mean over all classes is subtracted from logits and maps. It doesn't change a softmax, but a map would show it
    as evidence for every class.
    """

    tables: ClassVar[frozenset[str]] = frozenset({"head"})
    learns: ClassVar[Literal["network", "machine"]] = "network"

    def __init__(self, trunk: Trunk, head: Head, scheme: LabelScheme, recipe: Recipe) -> None:
        self.trunk, self.head, self.scheme, self.recipe = trunk, head, scheme, recipe
        self.network = self._new_network()

    @classmethod
    def untrained(cls, parts: Parts, scheme: LabelScheme, recipe: Recipe) -> Self:
        return cls(parts.trunk, parts.head or Head(), scheme, recipe)

    @classmethod
    def from_architecture(cls, architecture: dict[str, Any], scheme: LabelScheme, recipe: Recipe) -> Self:
        trunk = TypeAdapter(Trunk).validate_python(architecture["trunk"])
        head = TypeAdapter(Head).validate_python(architecture["head"])
        return cls(trunk, head, scheme, recipe)

    def architecture(self) -> dict[str, Any]:
        return {"trunk": asdict(self.trunk), "head": asdict(self.head)}

    def load_pretrained(self) -> None:
        """Load the weights that the trunk starts from.

        Features of ImageNet weights may be large. A linear head therefore starts from zero, where its loss is that of
        equal probabilities.
        """
        if self.trunk.weights == "imagenet":
            load_imagenet(self.network.trunk, self.trunk)
            if not self.head.hidden:
                self.network.head.set_weights([np.zeros_like(weight) for weight in self.network.head.get_weights()])

    def train_from(self, layer: str) -> None:
        """Choose what is trained; see `ExamNetwork.train_from`."""
        self.network.train_from(layer)

    def grid_span(self) -> tuple[Span, Span]:
        return grid_span(self.network.trunk)

    def features(self, slices: FloatArray) -> FloatArray:
        # Features of equal slices may differ in the last bit within a batch, so slices that repeat at the end are left
        # out, and their features are repeated.
        own = int(ops.sum(own_slices(slices[None])))
        grid = forward(self.network.trunk, slices[:own])
        return np.pad(grid, ((0, len(slices) - own), (0, 0), (0, 0), (0, 0)), mode="edge")

    def logits(self, features: FloatArray) -> FloatArray:
        pooled = _pooled(features)
        if self.head.hidden:
            return np.asarray(ops.convert_to_numpy(self._scores(pooled.astype(np.float32))))
        kernel, bias = self._linear()
        exam = (self.network.pooling.credit(pooled) * pooled).sum(axis=0)
        return np.asarray(exam @ kernel + bias, np.float32)

    @property
    def method(self) -> Method:
        """CAM if the head is linear, otherwise Grad-CAM."""
        return GradCam() if self.head.hidden else Cam()

    def explain(self, slices: FloatArray, features: FloatArray, method: Method | None = None) -> Explanation:
        return (method or self.method).explain(self, slices, features)

    def readout(self, features: FloatArray) -> Readout:
        if self.head.hidden:
            raise ValueError("a head with fully connected layers isn't linear, so no exact map exists")
        kernel, bias = self._linear()
        return Readout(None, self.network.pooling.credit(_pooled(features)), kernel, bias)

    def slopes(self, features: FloatArray) -> FloatArray:
        return slopes(self._scores, _pooled(features).astype(np.float32))

    def _scores(self, pooled: keras.KerasTensor) -> keras.KerasTensor:
        """Logits `[K]` of one exam `[S, C]`, from the network's own layers, so that they can be differentiated."""
        logits = self.network.score(pooled[None], own_slices(pooled[None]))[0]
        return logits - ops.mean(logits)

    def _linear(self) -> tuple[FloatArray, FloatArray]:
        """The last layer's kernel `[C, K]` and bias `[K]`."""
        kernel, bias = (ops.convert_to_numpy(weight) for weight in self.network.head.weights)
        return kernel - kernel.mean(axis=-1, keepdims=True), bias - bias.mean()

    def save(self, folder: Path) -> None:
        # A trained network would also save its optimiser.
        bare = self._new_network()
        bare.set_weights(self.network.get_weights())
        bare.save_weights(folder / WEIGHTS)

    def load(self, folder: Path) -> None:
        self.network.load_weights(folder / WEIGHTS)

    def _new_network(self) -> ExamNetwork:
        trunk = build_trunk(self.trunk, self.recipe.shape, self.recipe.channels)
        return ExamNetwork(trunk, self.head, len(self.scheme))


def _pooled(features: FloatArray) -> Doubles:
    """Mean over space, `[S, C]`, in double precision: a logit near zero is a small difference of large shares."""
    pooled: Doubles = features.mean(axis=(1, 2), dtype=np.float64)
    return pooled
