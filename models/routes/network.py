"""The network that both network routes train: a trunk on each slice, mean over space, pooling over slices, a head."""

from dataclasses import dataclass
from typing import Literal

import keras
from keras import ops

from data_prep.ranges import Count, Share
from models.routes.pooling import POOLINGS, own_slices
from models.trunks import train_from


@dataclass(frozen=True)
class Head:
    """The layers after the trunk and the mean over space.

    Attributes:
        pooling: How features of slices are combined to features of the exam.
        hidden: Widths of fully connected layers before the logits. Without them, the head is linear and its maps are
            exact.
        activation: Of the fully connected layers.
        dropout: Before each layer.
    """

    pooling: Literal["max", "mean", "attention"] = "max"
    hidden: tuple[Count, ...] = ()
    activation: Literal["relu", "elu", "gelu", "tanh"] = "relu"
    dropout: Share = 0.0


class ExamNetwork(keras.Model):  # type: ignore[misc]
    """The network that is trained: exams `[B, S, H, W]` -> logits `[B, K]`, float32.

    Shorter exams of a batch repeat their last slice; the repeats don't change the logits. Layers after the trunk use
    float32, also with mixed precision.
    """

    def __init__(self, trunk: keras.Model, head: Head, classes: int) -> None:
        super().__init__(name="exam_network")
        self.trunk = trunk
        self.pooling = POOLINGS[head.pooling](name=head.pooling, dtype="float32")
        self.dropout = keras.layers.Dropout(head.dropout, name="dropout", dtype="float32")
        self.hidden = [keras.layers.Dense(width, head.activation, dtype="float32") for width in head.hidden]
        self.head = keras.layers.Dense(classes, name="head", dtype="float32")
        self.build((None, None, *trunk.input_shape[1:]))

    def build(self, exams_shape: tuple[int | None, ...]) -> None:
        width = self.trunk.output_shape[-1]
        self.pooling.build((None, None, width))
        for layer in (*self.hidden, self.head):
            layer.build((None, width))
            width = layer.units

    def train_from(self, layer: str) -> None:
        """Choose what `fit` changes. Compile afterwards.

        Args:
            layer: The trunk's first layer to be trained; "" trains everything, "none" only the layers after the trunk.

        Raises:
            ValueError: For a layer that the trunk doesn't have.
        """
        train_from(self.trunk, layer)

    def call(self, exams: keras.KerasTensor, training: bool = False) -> keras.KerasTensor:
        return self.see(self.trunk, exams, training)

    def see(self, trunk: keras.Model, exams: keras.KerasTensor, training: bool) -> keras.KerasTensor:
        """Logits `[B, K]` of exams `[B, S, ...]`. trunk: the trunk or its upper part, which takes the exams' slices."""
        return self.read(self.grid(trunk, exams), exams, training)

    def grid(self, trunk: keras.Model, exams: keras.KerasTensor) -> keras.KerasTensor:
        """Features `[B S, h, w, C]` of all slices of exams `[B, S, ...]`."""
        _, _, *size = ops.shape(exams)
        return trunk(ops.reshape(exams, (-1, *size)))

    def read(self, grid: keras.KerasTensor, exams: keras.KerasTensor, training: bool) -> keras.KerasTensor:
        """Logits `[B, K]` of the features `[B S, h, w, C]` of exams `[B, S, ...]`."""
        pooled = ops.mean(ops.cast(grid, "float32"), axis=(1, 2))
        by_exam = ops.reshape(pooled, (-1, ops.shape(exams)[1], pooled.shape[-1]))
        return self.score(by_exam, own_slices(exams), training)

    def score(self, pooled: keras.KerasTensor, own: keras.KerasTensor, training: bool = False) -> keras.KerasTensor:
        """Logits `[B, K]` of features averaged over space.

        Args:
            pooled: `[B, S, C]`.
            own: `[B, S]`, the result of `own_slices`.
            training: Whether dropout is used.
        """
        exam = self.dropout(self.pooling(pooled, own), training=training)
        for layer in self.hidden:
            exam = self.dropout(layer(exam), training=training)
        return self.head(exam)


class UpperNetwork(keras.Model):  # type: ignore[misc]
    """The same network, with shared weights, on frozen features: `[B, S, h, w, C]` -> logits `[B, K]`.

    Args:
        network: The whole network.
        above: The trunk's upper part; see `cut_in_two`.
    """

    def __init__(self, network: ExamNetwork, above: keras.Model) -> None:
        super().__init__(name="on_grids")
        self.network, self.above = network, above
        self.build((None, None, *above.input_shape[1:]))

    def build(self, features_shape: tuple[int | None, ...]) -> None:
        self.built = True  # both parts are built

    def call(self, features: keras.KerasTensor, training: bool = False) -> keras.KerasTensor:
        return self.network.see(self.above, features, training)
