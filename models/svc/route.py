"""The third route: features of a frozen trunk, mean over space, mean or max over slices, and a support vector machine.

The published project fed VGG16 features to a scikit-learn SVC; maps, logits and storage are ours.
"""

from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, Self

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
from models.gradcam import gradcam_maps
from models.svc.machines import MACHINES, Doubles, Machine, Rbf, load_machine, save_machine, to_logits
from models.trunks import Trunk, build_trunk, grid_span, load_imagenet

MACHINE, TRUNK = "svc.npz", "trunk.weights.h5"
Pooling = Literal["mean", "max"]


class SVC:
    """The route. `machine` knows nothing until it is fitted (training/svc.py) or loaded; `network` never learns.

    pooling: over slices. kernel: "linear", with exact maps, or "rbf".
    """

    def __init__(
        self, trunk: Trunk, pooling: Pooling, kernel: Literal["linear", "rbf"], scheme: LabelScheme, recipe: Recipe
    ) -> None:
        self.scheme, self.pooling = scheme, pooling
        self.trunk, self._kernel = trunk, kernel
        self.network: keras.Model = build_trunk(trunk, recipe.size, recipe.channels)
        decisions = 1 if len(scheme) == 2 else len(scheme)
        self.machine: Machine = MACHINES[kernel].untrained(self.network.output_shape[-1], decisions)

    @classmethod
    def from_architecture(cls, architecture: dict[str, Any], scheme: LabelScheme, recipe: Recipe) -> Self:
        trunk = TypeAdapter(Trunk).validate_python(architecture["trunk"])
        return cls(trunk, architecture["pooling"], architecture["kernel"], scheme, recipe)

    def architecture(self) -> dict[str, Any]:
        return {"trunk": asdict(self.trunk), "pooling": self.pooling, "kernel": self._kernel}

    def load_pretrained(self) -> None:
        """Give the trunk the weights that it is meant to have."""
        if self.trunk.weights == "imagenet":
            load_imagenet(self.network, self.trunk)

    def grid_span(self) -> tuple[tuple[float, float], tuple[float, float]]:
        return grid_span(self.network)

    def features(self, slices: FloatArray) -> FloatArray:
        features: FloatArray = ops.convert_to_numpy(self.network(slices, training=False))
        return features

    def logits(self, features: FloatArray) -> FloatArray:
        pooled = pool_slices(features.mean(axis=(1, 2), dtype=np.float64), self.pooling)
        return to_logits(self.machine.decisions(pooled)).astype(np.float32)

    def explain(self, features: FloatArray) -> Explanation:
        """Linear: shares in what sets this exam apart from the average one, whose logits are the bias. RBF: Grad-CAM.

        Each cell is compared with the average exam's features, so that a cell like any other has no share.
        """
        slices = features.mean(axis=(1, 2), dtype=np.float64)
        credit = credit_to_winners(slices) if self.pooling == "max" else np.full(slices.shape, 1 / len(slices))
        logits, machine = self.logits(features), self.machine
        if isinstance(machine, Rbf):
            slope = to_logits(machine.gradient(pool_slices(slices, self.pooling)))
            maps = gradcam_maps(features, (credit * slope.T[:, None]).astype(np.float32))
            return Explanation(logits, maps, np.zeros_like(logits), exact=False, method="grad-cam")
        apart = features - machine.mean.astype(np.float32)
        maps = linear_maps(apart, credit, to_logits(machine.kernel).astype(np.float32))
        return Explanation(logits, maps, to_logits(machine.intercept).astype(np.float32), exact=True, method="cam")

    def save(self, folder: Path) -> None:
        """The machine's arrays and the trunk's weights up to the cut, so that no other file is needed."""
        save_machine(self.machine, folder / MACHINE)
        self.network.save_weights(folder / TRUNK)

    def load(self, folder: Path) -> None:
        self.machine = load_machine(self.machine, folder / MACHINE)
        self.network.load_weights(folder / TRUNK)


def pool_slices(slices: npt.NDArray[np.floating], pooling: Pooling) -> Doubles:
    """Features of an exam's slices `[S, C]` -> of the exam `[C]`."""
    pooled: Doubles = slices.max(axis=0) if pooling == "max" else slices.mean(axis=0, dtype=np.float64)
    return pooled.astype(np.float64)
