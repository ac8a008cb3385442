"""The configuration of a segmenter's training: a preset (TOML, in segmenters/), changed by `--set`, and checked."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from data_prep.masks.structures import STRUCTURES
from data_prep.network_input.recipe import Recipe
from data_prep.ranges import Count, CountFromZero, FromZero, Positive, Seed, Share
from models.segment.networks.architecture import Architecture
from models.segment.recipe import Filter, SegmentRecipe
from training.config.config import Fit, Rate, read_preset
from training.config.mask_augmentation import MaskAugmentation

SEGMENTERS = Path(__file__).parent / "segmenters"


@dataclass(frozen=True)
class MaskFit:
    """How a segmenter is fitted. What isn't explained here is as in `config.Fit`.

    Attributes:
        epochs: the largest number of epochs.
        patience: epochs without a better validation loss after which training stops; the best weights are kept.
        batch: images or crops in a batch.
        optimiser: the name of Keras' optimiser.
        learning_rate: the first learning rate.
        weight_decay: for every optimiser; never on biases.
        momentum: for sgd and rmsprop.
        plateau_patience: epochs without a better validation loss after which the learning rate is multiplied by
            `plateau_factor`; half of `patience`, if not given.
        plateau_factor: between 0 and 1.
        loss: one of mask_losses.MASK_LOSSES.
        restarts: how often to start again, with the next seed, when the training loss of the first epoch exceeds
            `restart_above`.
        restart_above: a value of `loss`. If it isn't given, only a loss that isn't a number is a bad start.
    """

    epochs: Count = 50
    patience: CountFromZero = 10
    batch: Count = 8
    optimiser: Literal["adamw", "adam", "sgd", "rmsprop"] = "adamw"
    learning_rate: Rate = 1e-3
    weight_decay: Share = 0.0
    momentum: Share = 0.0
    plateau_patience: CountFromZero | None = None
    plateau_factor: float = 0.3
    loss: Literal["cross-entropy", "dice", "bce-dice", "boundary", "focal"] = "bce-dice"
    restarts: CountFromZero = 0
    restart_above: FromZero | None = None

    def settings(self, oversample: bool) -> Fit:
        """The same for the trainer, which classifiers use, too. ValueError if the values don't fit together."""
        return Fit(
            epochs=self.epochs,
            patience=self.patience,
            batch_exams=self.batch,
            optimiser=self.optimiser,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            momentum=self.momentum,
            plateau_patience=self.plateau_patience,
            plateau_factor=self.plateau_factor,
            oversample=oversample,
            restarts=self.restarts,
            restart_above=self.restart_above,
        )


@dataclass(frozen=True)
class SegmentConfig:
    """The configuration of a run. Its figures depend only on this, the masks and the library versions.

    Attributes:
        structures: what is learnt: class 1, 2 and so on of the network, out of `STRUCTURES`.
        seed: decides weights, crops, batches and changes.
        architecture: the network. Its channels and classes follow from `filters` and `structures`.
        recipe: how the network input is made.
        filters: one for each channel of the network input; none for one channel with the recipe's own filters.
        assumed_mm: the width in mm that an image of unknown pixel size is taken to show, along its longer side.
        fit: optimiser, loss and epochs.
        augmentation: what is made of the annotated images.

    Raises:
        ValueError: for values that don't fit together.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    structures: tuple[str, ...]
    seed: Seed
    architecture: Architecture
    recipe: Recipe
    filters: tuple[Filter, ...] = ()
    assumed_mm: Positive = 160.0
    fit: MaskFit = field(default_factory=MaskFit)
    augmentation: MaskAugmentation = field(default_factory=MaskAugmentation)

    def __post_init__(self) -> None:
        if not self.structures or len(set(self.structures)) < len(self.structures):
            raise ValueError("structures needs at least one name, and each only once")
        if unknown := [name for name in self.structures if name not in STRUCTURES]:
            raise ValueError(f"unknown structure {', '.join(unknown)}; known are {', '.join(STRUCTURES)}")
        if (self.architecture.channels, self.architecture.classes) != (1, 2):
            raise ValueError("architecture.channels and .classes follow from filters and structures: leave them out")
        self.architecture.check_size(self.recipe.size)
        self._check_crops()
        self.settings  # noqa: B018  (its values are checked)

    def _check_crops(self) -> None:
        crop, size, several = self.augmentation.crop_size, self.recipe.size, self.architecture.volumetric
        if crop:
            if len(crop) != 2 + several:
                sides = "slices, rows and columns" if several else "rows and columns"
                raise ValueError(f"augmentation.crop_size needs {sides} for {self.architecture.network}")
            self.architecture.check_size(crop)
            if crop[-2] > size[0] or crop[-1] > size[1]:
                raise ValueError(f"augmentation.crop_size {list(crop)} is larger than recipe.size {list(size)}")
        elif self.augmentation.orientations and size[0] != size[1]:
            raise ValueError("augmentation.orientations need a square recipe.size")

    @property
    def network(self) -> Architecture:
        """The architecture with its channels and classes."""
        return replace(self.architecture, channels=self.inputs.channels, classes=1 + len(self.structures))

    @property
    def inputs(self) -> SegmentRecipe:
        """How the network input is made, as the bundle keeps it."""
        return SegmentRecipe(self.recipe, self.filters, self.assumed_mm)

    @property
    def settings(self) -> Fit:
        """What the trainer needs to know."""
        return self.fit.settings(self.augmentation.oversample)


def load_segment_config(preset: str, changes: Sequence[str]) -> tuple[SegmentConfig, str]:
    """Read a preset of segmenters/ or a TOML file, and change it: see `load_config`."""
    return read_preset(preset, changes, SEGMENTERS, SegmentConfig)
