"""From exams to a calibrated model: fit on split "train", choose epoch and temperature on split "val".

`training.train` writes this model as a bundle. Cross-validation and the search for hyperparameters only predict with
it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from data_prep.labels import SCHEMES
from data_prep.notice import Notice
from data_prep.statistics import Doubles
from data_prep.tables.exams import Exam
from data_prep.volume import FloatArray
from models.calibration import Calibration, thin
from models.routes.machines import to_logits
from models.routes.registry import ROUTES
from models.routes.svc import SVC
from training.config.config import Config
from training.config.place import Place
from training.config.svc_fit import KERNELS, SvcFit
from training.data.checks import check_learnable
from training.data.copies import with_copies
from training.data.examples import Examples, prepare, unseen_classes
from training.data.frozen import FrozenFeatures
from training.fitting.network import Fitted, Splits, fit_network, untrained_network, warm_up_recipe
from training.fitting.seeds import fix_seed
from training.fitting.svc import exam_features, train_svc

FEATURES = "features"  # the folder beside the network inputs


def untrained_machine(config: Config) -> SVC:
    """A frozen trunk with its weights, and a machine that isn't fitted yet."""
    fix_seed(config.seed)
    route = config.untrained(config.recipe)
    assert isinstance(route, SVC)
    route.load_pretrained()
    return route


def fit_svc(config: Config, splits: Splits, place: Place) -> Fitted:
    """Fit the classifier of route svc on frozen features, which are cached beside the network inputs."""
    settings, route, cache = config.svc or SvcFit(), untrained_machine(config), place.inputs / FEATURES
    scorer = train_svc(route, settings, _prepared(config, splits["train"], place), cache, config.seed)

    def logits(examples: Examples) -> FloatArray:
        return to_logits(scorer.decisions(exam_features(route, examples, cache))).astype(np.float32)

    return Fitted(route if settings.kind in KERNELS else None, logits, {})


# By the way a route learns.
FITTERS: dict[str, Callable[[Config, Splits, Place], Fitted]] = {"network": fit_network, "machine": fit_svc}


@dataclass(frozen=True, eq=False)
class Learnt:
    """A fitted and calibrated model. It predicts with the network inputs and features that were kept during training.

    Attributes:
        config: the configuration.
        fitted: the fitted model.
        calibration: its temperature.
        place: where network inputs and features are kept.
        notices: remarks about the training, for every prediction.
    """

    config: Config
    fitted: Fitted
    calibration: Calibration
    place: Place
    notices: tuple[Notice, ...] = ()

    def probabilities(self, exams: Sequence[Exam]) -> Doubles:
        """`[N, K]` of labelled exams. Raises as `prepare` does."""
        return self.calibration.probabilities(self.fitted.logits(_prepared(self.config, exams, self.place)))


def learn(config: Config, exams: Sequence[Exam], place: Place) -> Learnt:
    """Fit and calibrate a model. The result depends only on the configuration and the exams of "train" and "val".

    Raises:
        ValueError: see `check_learnable`, `prepare` and the fit of the route.
    """
    if config.recipe.mask_channel and place.around == "centre":
        raise ValueError("recipe.mask_channel needs a localiser, which makes the mask: name one with --localiser")
    check_learnable(config, exams)
    splits = {name: [exam for exam in exams if exam.split == name] for name in ("train", "val")}
    for name in unseen_classes(splits["train"], SCHEMES[config.scheme]):
        print(f"warning: no training exam's label allows {name!r}")
    fitted = FITTERS[ROUTES[config.route].learns](config, splits, place)
    # The validation exams chose the epoch and now the temperature, so no figure is reported on them.
    held_out = _prepared(config, splits["val"], place)
    calibration = Calibration.fitted(fitted.logits(held_out), held_out.allowed)
    notices = fitted.notices
    if ROUTES[config.route].learns == "network" and (reason := thin(held_out.allowed)):
        notices += (Notice("epoch-chosen-on-few", f"Too few exams say when to stop training: {reason}."),)
    if calibration.unusable:
        print(f"warning: not calibrated, temperature 1: {calibration.unusable}")
    for notice in notices:
        print(f"warning: {notice.message}")
    return Learnt(config, fitted, calibration, place, notices)


def look_ahead(config: Config, exams: Sequence[Exam], place: Place) -> None:
    """Make everything that is kept on disk for these exams: network inputs and frozen features. All folds use it.

    Frozen features of the warm-up's crops aren't made here, because few presets need them.
    """
    examples = _prepared(config, exams, place)
    if config.warm_up:
        crops = warm_up_recipe(config.recipe, config.warm_up)
        prepare(exams, SCHEMES[config.scheme], crops, place.inputs, place.workers, around="ligament")
    if ROUTES[config.route].learns == "machine":
        exam_features(untrained_machine(config), examples, place.inputs / FEATURES)
    elif config.fit.cache_frozen:
        fix_seed(config.seed)
        classifier = untrained_network(config, config.recipe)
        classifier.load_pretrained()
        if config.keeps_copies:
            examples = with_copies(examples, config.augmentation)
        FrozenFeatures(classifier, config.fit.trainable_from, place).of(examples)


def _prepared(config: Config, exams: Sequence[Exam], place: Place) -> Examples:
    return prepare(exams, SCHEMES[config.scheme], config.recipe, place.inputs, place.workers, place.around)
