"""A classifier's network that also learns where the ligament is: the second loss acts on the trunk's features.

The layer that says where it is serves training only; a bundle doesn't hold it.
"""

import keras
from keras import ops

from models.routes.finetuned import FineTuned
from models.routes.network import ExamNetwork
from training.data.ligaments import CLASSES, LIGAMENT, Grid
from training.fitting.fit import Objective
from training.fitting.losses import Loss


class GuidedNetwork(keras.Model):  # type: ignore[misc]
    """Exams `[B, S, H, W]` -> `classes`, the network's logits `[B, K]`, and `ligament`, logits `[B, S, h, w]`.

    It shares its weights with the classifier's network.
    """

    def __init__(self, network: ExamNetwork) -> None:
        super().__init__(name="guided")
        self.network = network
        self.cells = keras.layers.Dense(1, name=LIGAMENT, dtype="float32")
        self.build((None, None, *network.trunk.input_shape[1:]))

    def build(self, exams_shape: tuple[int | None, ...]) -> None:
        self.cells.build(self.network.trunk.output_shape)
        self.built = True  # the network is built

    def call(self, exams: keras.KerasTensor, training: bool = False) -> dict[str, keras.KerasTensor]:
        grid = self.network.grid(self.network.trunk, exams)
        cells = self.cells(ops.cast(grid, "float32"))[..., 0]
        by_exam = ops.reshape(cells, (-1, ops.shape(exams)[1], *cells.shape[1:]))
        return {CLASSES: self.network.read(grid, exams, training), LIGAMENT: by_exam}


def grid_of(classifier: FineTuned) -> Grid:
    """The grid of features of a classifier's trunk."""
    _, rows, columns, _ = classifier.network.trunk.output_shape
    return Grid(rows, columns, classifier.grid_span())


def guided_objective(loss: Loss, weight: float) -> Objective:
    """The objective of a `GuidedNetwork`.

    Args:
        loss: that of the classes.
        weight: of the loss of the ligament.
    """
    return Objective(
        {CLASSES: loss, LIGAMENT: ligament_loss}, {CLASSES: ["categorical_accuracy"]}, {CLASSES: 1.0, LIGAMENT: weight}
    )


def ligament_loss(shares: keras.KerasTensor, logits: keras.KerasTensor) -> keras.KerasTensor:
    """Cross-entropy of how much of each cell the ligament fills; ligament and surroundings count the same.

    The ligament fills few cells, so a plain mean would be small for a trunk that never finds it.

    Args:
        shares: `[B, S, h, w]` in 0..1; below 0 where it isn't known.
        logits: `[B, S, h, w]`.

    Returns:
        `[B]`, float32; 0 where the ligament isn't known.
    """
    logits, axes = ops.cast(logits, "float32"), (1, 2, 3)
    known = ops.cast(shares >= 0, "float32")
    filled, empty = ops.maximum(shares, 0.0) * known, (1 - ops.maximum(shares, 0.0)) * known
    missed = ops.sum(filled * ops.softplus(-logits), axis=axes) / ops.maximum(ops.sum(filled, axis=axes), 1e-6)
    wrong = ops.sum(empty * ops.softplus(logits), axis=axes) / ops.maximum(ops.sum(empty, axis=axes), 1e-6)
    return (missed + wrong) / 2
