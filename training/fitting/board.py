"""What TensorBoard shows of a phase: curves, mistakes on held-out exams, after every epoch one exam's map or mask."""

from pathlib import Path

import keras
import numpy as np
from matplotlib.figure import Figure

from models.routes.classifier import ExamClassifier
from training.data.examples import Examples
from training.data.mask_batches import MaskBatches
from training.data.mask_examples import MaskExamples
from training.fitting.backend import EventFile
from training.fitting.pictures import Picture, confusion, outlines, overlay, png


class Board(keras.callbacks.Callback):  # type: ignore[misc]
    """Writes after every epoch: the log's figures, a confusion matrix, and the map of one held-out exam.

    The exam is the same in every epoch. This costs one more pass over the held-out exams. Only exams with a single
    class are in the matrix.
    """

    def __init__(self, folder: Path, classifier: ExamClassifier, held_out: Examples) -> None:
        super().__init__()
        self.events = EventFile(folder)
        self.classifier, self.held_out = classifier, held_out
        # The most severely injured exam, by the mildest class that its label allows: the injury is likely visible.
        self.shown = int(held_out.allowed.argmax(axis=1).argmax())

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        pictures = {"mistakes": png(self._mistakes()), "heatmap": png(self._heatmap())}
        self.events.write(epoch, logs or {}, pictures)

    def _mistakes(self) -> Figure:
        single = np.flatnonzero(self.held_out.allowed.sum(axis=1) == 1)
        answers = []
        for exam in single.tolist():
            logits = self.classifier.logits(self.classifier.features(self.held_out.inputs[exam]))
            answers.append(int(logits.argmax()))
        truth = self.held_out.allowed[single].argmax(axis=1)
        return confusion(truth, np.array(answers, int), self.classifier.scheme.classes)

    def _heatmap(self) -> Picture:
        slices = self.held_out.inputs[self.shown]
        maps = self.classifier.explain(slices, self.classifier.features(slices)).maps
        return overlay(
            slices[..., 0] if slices.ndim == 4 else slices,
            maps[self.held_out.allowed[self.shown].argmax()],
            self.classifier.grid_span(),
        )


class MaskBoard(keras.callbacks.Callback):  # type: ignore[misc]
    """Writes after every epoch: the log's figures, and what the network draws on one image that it doesn't learn from.

    The image is the same in every epoch: the one that shows most of all structures.
    """

    def __init__(self, folder: Path, network: keras.Model, held_out: Examples) -> None:
        super().__init__()
        assert isinstance(held_out, MaskExamples)
        self.events, self.network = EventFile(folder), network
        shown = int(np.argmax([(labels > 0).sum() for labels in held_out.targets.labels]))
        self.image, truth, _ = MaskBatches(held_out.take([shown]), 1, None, seed=0)[0]
        assert isinstance(truth, np.ndarray)
        self.truth = truth

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        single = len(self.network.inputs[0].shape) == 4
        logits = self.network(self.image[:, 0] if single else self.image, training=False)
        found = keras.ops.convert_to_numpy(logits).argmax(axis=-1)
        found = found[:, None] if single else found
        self.events.write(epoch, logs or {}, {"mask": png(outlines(self.image[0, ..., 0], self.truth[0], found[0]))})
