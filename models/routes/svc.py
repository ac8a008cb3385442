"""The third route: features of a frozen trunk, mean over space, mean or max over slices, and a support vector machine.

The published project used VGG16 features with a scikit-learn SVC; maps, logits and storage are Cruciate's.
"""

from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import keras
import numpy as np
import numpy.typing as npt
from pydantic import TypeAdapter

from data_prep.labels import LabelScheme
from data_prep.network_input.recipe import Recipe
from data_prep.volume import FloatArray
from models.explain.cam import Cam, credit_to_winners
from models.explain.gradcam import GradCam
from models.explain.method import Doubles, Explanation, Method, Readout
from models.routes.chunks import forward
from models.routes.classifier import Kernel, Parts, SlicePooling, Span
from models.routes.machines import MACHINES, Machine, Rbf, load_machine, save_machine, to_logits
from models.trunks import Trunk, build_trunk, grid_span, load_imagenet

MACHINE, TRUNK = "svc.npz", "trunk.weights.h5"


class SVC:
    """The route. `machine` is empty until it is fitted (training/fitting/svc.py) or loaded; `network` is never trained.

    Args:
        trunk: The trunk.
        pooling: Pooling over slices.
        kernel: "linear", with exact maps, or "rbf".
        scheme: The classes.
        recipe: How network input is made.
    """

    tables: ClassVar[frozenset[str]] = frozenset({"svc"})
    learns: ClassVar[Literal["network", "machine"]] = "machine"

    def __init__(
        self, trunk: Trunk, pooling: SlicePooling, kernel: Kernel, scheme: LabelScheme, recipe: Recipe
    ) -> None:
        self.scheme, self.pooling = scheme, pooling
        self.trunk, self._kernel = trunk, kernel
        self.network: keras.Model = build_trunk(trunk, recipe.shape, recipe.channels)
        decisions = 1 if len(scheme) == 2 else len(scheme)
        self.machine: Machine = MACHINES[kernel].untrained(self.network.output_shape[-1], decisions)

    @classmethod
    def untrained(cls, parts: Parts, scheme: LabelScheme, recipe: Recipe) -> Self:
        return cls(parts.trunk, parts.pooling, parts.kernel, scheme, recipe)

    @classmethod
    def from_architecture(cls, architecture: dict[str, Any], scheme: LabelScheme, recipe: Recipe) -> Self:
        trunk = TypeAdapter(Trunk).validate_python(architecture["trunk"])
        return cls(trunk, architecture["pooling"], architecture["kernel"], scheme, recipe)

    def architecture(self) -> dict[str, Any]:
        return {"trunk": asdict(self.trunk), "pooling": self.pooling, "kernel": self._kernel}

    def load_pretrained(self) -> None:
        """Load the trunk's weights."""
        if self.trunk.weights == "imagenet":
            load_imagenet(self.network, self.trunk)

    def grid_span(self) -> tuple[Span, Span]:
        return grid_span(self.network)

    def features(self, slices: FloatArray) -> FloatArray:
        return forward(self.network, slices)

    def logits(self, features: FloatArray) -> FloatArray:
        pooled = pool_slices(_averaged(features), self.pooling)
        return to_logits(self.machine.decisions(pooled)).astype(np.float32)

    @property
    def method(self) -> Method:
        """CAM for a linear machine, Grad-CAM for an RBF kernel."""
        return GradCam() if isinstance(self.machine, Rbf) else Cam()

    def explain(self, slices: FloatArray, features: FloatArray, method: Method | None = None) -> Explanation:
        return (method or self.method).explain(self, slices, features)

    def readout(self, features: FloatArray) -> Readout:
        """The linear head. Shares explain the difference from the average exam, whose logits are the bias.

        Each cell is compared with the average exam's features, so that an average cell has no share.

        Raises:
            ValueError: For an RBF kernel.
        """
        machine = self.machine
        if isinstance(machine, Rbf):
            raise ValueError("a machine with an RBF kernel isn't linear, so no exact map exists")
        kernel, bias = to_logits(machine.kernel).astype(np.float32), to_logits(machine.intercept).astype(np.float32)
        return Readout(machine.mean.astype(np.float32), self._credit(_averaged(features)), kernel, bias)

    def slopes(self, features: FloatArray) -> FloatArray:
        slices = _averaged(features)
        exam = pool_slices(slices, self.pooling)
        machine = self.machine
        gradient = machine.gradient(exam) if isinstance(machine, Rbf) else machine.kernel
        return (self._credit(slices) * to_logits(gradient).T[:, None]).astype(np.float32)

    def _credit(self, slices: Doubles) -> Doubles:
        """The share of each slice in each channel's pooled value: `[S, C]` -> `[S, C]`."""
        return credit_to_winners(slices) if self.pooling == "max" else np.full(slices.shape, 1 / len(slices))

    def save(self, folder: Path) -> None:
        """Write the machine's arrays and the trunk's weights up to the cut, so that no other file is needed."""
        save_machine(self.machine, folder / MACHINE)
        self.network.save_weights(folder / TRUNK)

    def load(self, folder: Path) -> None:
        self.machine = load_machine(self.machine, folder / MACHINE)
        self.network.load_weights(folder / TRUNK)


def pool_slices(slices: npt.NDArray[np.floating], pooling: SlicePooling) -> Doubles:
    """Pool features over slices: `[S, C]` -> float64 `[C]`."""
    pooled: Doubles = slices.max(axis=0) if pooling == "max" else slices.mean(axis=0, dtype=np.float64)
    return pooled.astype(np.float64)


def _averaged(features: FloatArray) -> Doubles:
    """Mean over space, `[S, h, w, C]` -> `[S, C]`, in double precision."""
    averaged: Doubles = features.mean(axis=(1, 2), dtype=np.float64)
    return averaged
