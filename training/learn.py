"""From exams to a model that answers: fit on split "train", choose epoch and temperature on split "val".

What `training.train` writes as a bundle, cross-validation and the search for hyperparameters only ask.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from data_prep.exams import Exam
from data_prep.figures import Doubles
from data_prep.labels import SCHEMES
from data_prep.notice import Notice
from data_prep.preprocess import Recipe
from data_prep.volume import FloatArray
from models.calibration import Calibration, thin
from models.finetuned import FineTuned
from models.mrnet import MRNet
from models.network import Head
from models.svc import SVC
from models.svc.machines import to_logits
from training.arrays import Examples, prepare, unseen_classes
from training.checks import check_learnable
from training.config import Config
from training.copies import with_copies
from training.fit import Fitted, MakeNetwork, Splits, fit_network, warm_up_recipe
from training.grids import Grids
from training.place import Place
from training.seeds import fix_seed
from training.svc import KERNELS, SvcFit, exam_features, train_svc, untrained

FEATURES = "features"  # the folder beside the ready arrays


def mrnet(config: Config, recipe: Recipe) -> MRNet:
    """An untrained MRNet that sees slices of this recipe."""
    return MRNet(config.trunk, config.fit.dropout, SCHEMES[config.scheme], recipe)


def finetuned(config: Config, recipe: Recipe) -> FineTuned:
    """The general network: any trunk and head, before it learns."""
    return FineTuned(config.trunk, config.head or Head(), SCHEMES[config.scheme], recipe)


def svc(config: Config) -> SVC:
    """A frozen trunk with its weights, and a machine that knows nothing yet."""
    fix_seed(config.seed)
    return untrained(config.svc or SvcFit(), config.trunk, SCHEMES[config.scheme], config.recipe)


def fit_svc(config: Config, splits: Splits, place: Place) -> Fitted:
    """A support vector classifier on a frozen trunk's features, which are cached beside the ready arrays."""
    settings, route, cache = config.svc or SvcFit(), svc(config), place.ready / FEATURES
    scorer = train_svc(route, settings, _prepared(config, splits["train"], place), cache, config.seed)

    def logits(examples: Examples) -> FloatArray:
        return to_logits(scorer.decisions(exam_features(route, examples, cache))).astype(np.float32)

    return Fitted(route if settings.kind in KERNELS else None, logits, {})


# How a classifier of each route comes about.
NETWORKS: dict[str, MakeNetwork] = {"mrnet": mrnet, "finetuned": finetuned}
ROUTES: dict[str, Callable[[Config, Splits, Place], Fitted]] = {
    **{name: partial(fit_network, make) for name, make in NETWORKS.items()},
    "svc": fit_svc,
}


@dataclass(frozen=True, eq=False)
class Learnt:
    """A fitted and calibrated model, asked where it learnt: what it computed of an exam before isn't computed again.

    notices: what every answer has to say about how it learnt.
    """

    config: Config
    fitted: Fitted
    calibration: Calibration
    place: Place
    notices: tuple[Notice, ...] = ()

    def probabilities(self, exams: Sequence[Exam]) -> Doubles:
        """`[N, K]` of labelled exams; raises as `prepare`."""
        return self.calibration.probabilities(self.fitted.logits(_prepared(self.config, exams, self.place)))


def learn(config: Config, exams: Sequence[Exam], place: Place) -> Learnt:
    """Everything hangs on the configuration and on the exams of splits "train" and "val" alone.

    ValueError as `check_learnable`, `prepare` and the routes have it.
    """
    check_learnable(config, exams)
    splits = {name: [exam for exam in exams if exam.split == name] for name in ("train", "val")}
    for name in unseen_classes(splits["train"], SCHEMES[config.scheme]):
        print(f"warning: no training exam's label allows {name!r}")
    fitted = ROUTES[config.route](config, splits, place)
    # The validation exams chose the epoch and now the temperature: no figure is reported on them.
    held_out = _prepared(config, splits["val"], place)
    calibration = Calibration.fitted(fitted.logits(held_out), held_out.allowed)
    notices = fitted.notices
    if config.route in NETWORKS and (reason := thin(held_out.allowed)):
        notices += (Notice("epoch-chosen-on-few", f"Too few exams say when to stop training: {reason}."),)
    if calibration.unusable:
        print(f"warning: not calibrated, temperature 1: {calibration.unusable}")
    for notice in notices:
        print(f"warning: {notice.message}")
    return Learnt(config, fitted, calibration, place, notices)


def look_ahead(config: Config, exams: Sequence[Exam], place: Place) -> None:
    """Make all that is kept on disk of these exams: arrays, features, grids. Folds then find it, whatever their exams.

    Crops of the warm-up have no grids here: few presets have both.
    """
    examples = _prepared(config, exams, place)
    if config.warm_up:
        crops = warm_up_recipe(config.recipe, config.warm_up)
        prepare(exams, SCHEMES[config.scheme], crops, place.ready, place.workers, on_ligament=True)
    if config.route == "svc":
        exam_features(svc(config), examples, place.ready / FEATURES)
    elif config.fit.cache_frozen:
        fix_seed(config.seed)
        classifier = NETWORKS[config.route](config, config.recipe)
        classifier.load_pretrained()
        if config.keeps_copies:
            examples = with_copies(examples, config.augmentation)
        Grids(classifier, config.fit.trainable_from, place).of(examples)


def _prepared(config: Config, exams: Sequence[Exam], place: Place) -> Examples:
    return prepare(exams, SCHEMES[config.scheme], config.recipe, place.ready, place.workers)
