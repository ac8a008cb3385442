"""The configuration of a training run: a preset (TOML, in presets/), changed by `--set key=value`, and checked."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import tomlkit
from pydantic import Field, TypeAdapter, ValidationError
from tomlkit.exceptions import TOMLKitError

from data_prep.augment import Augmentation
from data_prep.labels import SCHEMES
from data_prep.network_input.recipe import Recipe
from data_prep.ranges import Count, CountFromZero, FromZero, Positive, Seed, Share
from models.routes.classifier import Parts, TrainableClassifier
from models.routes.network import Head
from models.routes.registry import ROUTES
from models.trunks import Trunk
from training.config.svc_fit import SvcFit

# Nothing is learnt with steps more than ten times as large as the gradient.
Rate = Annotated[Positive, Field(le=10)]
PRESETS = Path(__file__).parent / "presets"
Kind = TypeVar("Kind")


@dataclass(frozen=True)
class Fit:
    """How the network is fitted.

    Attributes:
        epochs: the largest number of epochs.
        patience: epochs without a better validation loss after which training stops; the best weights are kept.
        batch_exams: exams in a batch.
        optimiser: the name of Keras' optimiser.
        learning_rate: the first learning rate.
        weight_decay: decoupled from the gradient, for every optimiser; never on biases.
        momentum: for sgd and rmsprop.
        plateau_patience: epochs without a better validation loss after which the learning rate is multiplied by
            `plateau_factor`; half of `patience`, if not given.
        plateau_factor: between 0 and 1.
        dropout: the share of features that dropout sets to zero.
        trainable_from: the trunk's first layer that learns; "" for all of them, "none" for the head only.
        cache_frozen: compute the output of the layers below `trainable_from` once for each exam, and keep it on disk.
            Augmentation then works with `oversample` only: exams stay unchanged, and the copies of rare exams are
            changed once and kept.
        loss: one of losses.LOSSES.
        class_weights: weight exams inversely to how common their label set is. Probabilities then lean towards the rare
            classes, and a temperature doesn't correct that.
        oversample: repeat exams of rare label sets until each set comes equally often. Probabilities then lean towards
            the rare classes, too.
        ligament_weight: weight of a second loss: the trunk also learns how much of each cell of its grid the ligament
            fills. Exams without a known ligament don't count in it.
        restarts: how often to start again, with the next seed, when the training loss of the first epoch exceeds
            `restart_above`.
        restart_above: a loss; if not given, that of the best constant guess plus `restart.tolerance`.
    """

    epochs: Count = 50
    patience: CountFromZero = 10
    batch_exams: Count = 1
    optimiser: Literal["adamw", "adam", "sgd", "rmsprop"] = "adamw"
    learning_rate: Rate = 1e-5
    weight_decay: Share = 0.01
    momentum: Share = 0.0
    plateau_patience: CountFromZero | None = None
    plateau_factor: float = 0.3
    dropout: Share = 0.0
    trainable_from: str = ""
    cache_frozen: bool = False
    loss: Literal["set", "focal", "ordinal"] = "set"
    class_weights: bool = False
    oversample: bool = False
    ligament_weight: FromZero = 0.0
    restarts: CountFromZero = 0
    restart_above: FromZero | None = None

    def __post_init__(self) -> None:
        if self.class_weights and self.oversample:
            raise ValueError("class_weights and oversample have the same effect: choose one")
        if self.momentum and self.optimiser not in ("sgd", "rmsprop"):
            raise ValueError(f"{self.optimiser} takes no momentum; sgd and rmsprop do")
        if self.cache_frozen and not self.trainable_from:
            raise ValueError('cache_frozen needs a frozen part: set trainable_from to a layer or "none"')
        if self.ligament_weight and self.cache_frozen:
            raise ValueError("ligament_weight needs the slices, which cache_frozen replaces: choose one")
        if self.ligament_weight and self.restarts:
            raise ValueError("with ligament_weight no start is checked: set restarts to 0")
        if not 0 < self.plateau_factor < 1:
            raise ValueError("plateau_factor must lie between 0 and 1")


@dataclass(frozen=True)
class WarmUp:
    """A first phase on small crops around ligaments whose position is known. Training then continues on whole knees.

    With random weights a knee's label alone is a weak signal, and the loss stays at chance for a long time. Needs exams
    with a known ligament. Choose `size` so that crops have the pixel size of the recipe's slices.

    Attributes:
        extent_mm: size of a crop: across the slices, height, width.
        size: height and width of a crop's slices in pixels.
        epochs: how many.
        learning_rate: the first learning rate.
    """

    extent_mm: tuple[Positive, Positive, Positive]
    size: tuple[Count, Count]
    epochs: Count
    learning_rate: Rate


@dataclass(frozen=True)
class HeadFirst:
    """Epochs in which only the head learns, so that its large first gradients don't spoil a pretrained trunk."""

    epochs: Count
    learning_rate: Rate


@dataclass(frozen=True)
class Config:
    """The configuration of a run. Its figures depend only on this, the exams and the library versions.

    Tables that a preset leaves out have their defaults.

    Attributes:
        sensitivity: the sensitivity that the operating point is chosen for. Readers find 0.87 of this ligament's tears
            (0.77 to 0.94; Phelan 2016, doi:10.1007/s00167-015-3861-8), and a missed one costs more than a second look.
            0.95 needs 19 injured validation exams.

    Raises:
        ValueError: for a table that the route doesn't read, and for values that don't fit together.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    route: str
    scheme: str
    seed: Seed
    recipe: Recipe
    trunk: Trunk
    fit: Fit = field(default_factory=Fit)
    head: Head | None = None
    svc: SvcFit | None = None
    augmentation: Augmentation = field(default_factory=Augmentation)
    warm_up: WarmUp | None = None
    head_first: HeadFirst | None = None
    sensitivity: Annotated[Share, Field(gt=0)] = 0.95

    def __post_init__(self) -> None:
        if self.route not in ROUTES:
            raise ValueError(f"route {self.route!r} is none of {', '.join(ROUTES)}")
        if self.scheme not in SCHEMES:
            raise ValueError(f"scheme {self.scheme!r} is none of {', '.join(SCHEMES)}")
        if self.fit.cache_frozen and not self.fit.oversample and self.augmentation != Augmentation():
            raise ValueError(
                "fit.cache_frozen shows the same pictures in every epoch: remove the table [augmentation], or set "
                "fit.oversample, which changes its copies"
            )
        for table in ("head", "svc"):
            if getattr(self, table) is not None and table not in ROUTES[self.route].tables:
                readers = " or ".join(repr(name) for name, route in ROUTES.items() if table in route.tables)
                raise ValueError(f"table [{table}] belongs to route {readers}, not to {self.route!r}")

    @property
    def parts(self) -> Parts:
        """The parts of the classifier."""
        svc = self.svc or SvcFit()
        return Parts(self.trunk, self.head, self.fit.dropout, svc.pooling, svc.kernel)

    def untrained(self, recipe: Recipe) -> TrainableClassifier:
        """The classifier to be trained, with random weights, for slices that `recipe` makes."""
        return ROUTES[self.route].untrained(self.parts, SCHEMES[self.scheme], recipe)

    @property
    def keeps_copies(self) -> bool:
        """Whether augmentation makes copies once, instead of new pictures in every epoch."""
        return self.fit.cache_frozen and self.augmentation != Augmentation()


def load_config(preset: str, changes: list[str]) -> tuple[Config, str]:
    """Read a preset and change it.

    Args:
        preset: a name in presets/ or a TOML file.
        changes: for example "fit.epochs=3"; the values in TOML.

    Returns:
        The configuration, and its TOML text with the changes and the preset's comments.

    Raises:
        ValueError: names the key that is wrong.
    """
    return read_preset(preset, changes, PRESETS, Config)


def read_preset(preset: str, changes: Sequence[str], folder: Path, kind: type[Kind]) -> tuple[Kind, str]:
    """Read a preset of any kind: see `load_config`.

    Args:
        preset: a name in `folder` or a TOML file.
        changes: for example "fit.epochs=3"; the values in TOML.
        folder: the presets.
        kind: the type of the configuration, a dataclass.
    """
    path = Path(preset) if preset.endswith(".toml") else folder / f"{preset}.toml"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in folder.glob("*.toml")))
        raise ValueError(f"no preset {preset!r}; there are {known}, or give a .toml file")
    try:
        document = tomlkit.parse(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:  # what isn't TOML, or isn't UTF-8
        raise ValueError(f"{path.name}: {error}") from None
    for change in changes:
        _change(document, change)
    try:
        return TypeAdapter(kind).validate_python(document.unwrap()), tomlkit.dumps(document)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise ValueError(f"{path.name}: {faults}") from None


def _change(document: tomlkit.TOMLDocument, change: str) -> None:
    """Set a key, also one that the preset lacks. Unknown keys are found later, when the configuration is checked."""
    key, separator, value = change.partition("=")
    *tables, last = key.split(".")
    try:
        table: Any = document
        for name in tables:
            table = table.setdefault(name, tomlkit.table())
        table[last] = tomlkit.value(value) if separator else None
    except (TOMLKitError, AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"--set {change}: needs key=value with a TOML value ({error})") from None
