"""Batches for segmenters: a newly changed image and its labels, cut to the crop, in a new orientation."""

from typing import TypeVar

import numpy as np
import numpy.typing as npt

from data_prep.augment import Augmentation, Draw
from data_prep.volume import FloatArray
from training.config.mask_augmentation import MaskAugmentation
from training.data.annotated_inputs import UNKNOWN, Labels
from training.data.batches import Batches
from training.data.examples import Examples
from training.data.mask_examples import MaskExamples, padded

ORIENTATIONS = 8
Number = TypeVar("Number", bound=np.generic)


class MaskBatches(Batches):
    """Batches of inputs `[B, s, h, w, channels]`, labels `[B, s, h, w]` and weights `[B]`.

    Shorter examples repeat their last slice, whose labels are then unknown.
    """

    def __init__(
        self,
        examples: Examples,
        batch: int,
        augmentation: Augmentation | None,
        seed: int,
        oversample: bool = False,
        epoch: int = 0,
    ) -> None:
        assert isinstance(examples, MaskExamples)
        self.masks = examples
        super().__init__(examples, batch, augmentation, seed, oversample, epoch)
        self.longest = -(-self.longest // examples.multiple) * examples.multiple

    def _start(self) -> None:
        super()._start()
        if isinstance(self.augmentation, MaskAugmentation) and self.augmentation.an_epoch:
            self.order = self.order[: self.augmentation.an_epoch]

    def _pair(self, exam: int, repetition: int) -> tuple[FloatArray, FloatArray]:
        window = self.masks.windows[exam]
        image, labels = self.masks.images[window.image], self.masks.labels[window.image]
        random = np.random.default_rng((self.seed, self.epoch, exam, repetition, 1))
        if isinstance(self.augmentation, MaskAugmentation):
            turn = int(random.integers(ORIENTATIONS))
            if self.augmentation.changes != Augmentation():
                slices, height, width = labels.shape
                image, labels = changed(image, labels, self.augmentation.draw((slices, height, width), random))
            image, labels = image[window.place], labels[window.place]
            if self.augmentation.orientations:
                image, labels = oriented(image, turn), oriented(labels, turn)
        else:
            image, labels = image[window.place], labels[window.place]
        behind = ((0, self.longest - len(image)), (0, 0), (0, 0), (0, 0))
        return np.pad(image, behind, mode="edge"), padded(labels, self.longest)


def changed(image: FloatArray, labels: Labels, draw: Draw) -> tuple[FloatArray, Labels]:
    """An image `[S, H, W, channels]` and its labels `[S, H, W]` after a change.

    What comes into the picture from beyond its edge is unknown, and so are blanked slices.
    """
    channels = [draw.slices(np.ascontiguousarray(image[..., channel])) for channel in range(image.shape[-1])]
    moved = np.full_like(labels, UNKNOWN)
    moved[draw.mask(labels != UNKNOWN)] = 0
    for structure in np.unique(labels[labels > 0]).tolist():
        moved[draw.mask(labels == structure)] = structure
    return np.stack(channels, axis=-1), moved


def oriented(slices: npt.NDArray[Number], turn: int) -> npt.NDArray[Number]:
    """Slices `[S, H, W, ...]` in one of eight orientations: turned by quarters, from 4 on mirrored, too."""
    turned = np.rot90(slices, turn % 4, axes=(1, 2))
    return turned[:, :, ::-1] if turn >= 4 else turned
