"""Fitting the third route, and the classifiers that the published project compared it with, on cached features.

All of them answer one-vs-rest questions: for two classes "the second?", for more "this class?" of each. A label that is
a set of several classes answers the questions about classes outside it with no and teaches nothing about those in it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from scipy.special import logit
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC as KernelSVC
from sklearn.svm import LinearSVC

from data_prep.labels import LabelScheme
from data_prep.prepare.cache import CachedInputs
from models.routes.machines import Doubles, Linear, Rbf
from models.routes.svc import SVC, pool_slices
from training.config.svc_fit import KERNELS, SvcFit
from training.data.examples import Examples
from training.data.features import cached_features

# Votes that all agree would be infinitely sure: a probability counts as no nearer to 0 or 1 than this.
SUREST = 1e-3
# With fewer exams than this for each channel, a hyperplane can have all of them on their sides (Cover 1965,
# doi:10.1109/PGEC.1965.264137, puts the limit at 2): then liblinear's dual solver is many times as fast as the primal
# one. Beyond, it may never end.
SEPARABLE = 1.5
# Far more than a fit to standardised features takes; one that needs them all ends with scikit-learn's warning.
MOST_ROUNDS = 10_000


class Scorer(Protocol):
    """Whatever scores features `[N, C]`: decisions `[N, D]`, D = 1 for two classes, K for K of them."""

    def decisions(self, features: Doubles) -> Doubles: ...


def train_svc(route: SVC, settings: SvcFit, learn: Examples, cache: Path, seed: int) -> Scorer:
    """What was fitted: the route's machine from now on, or a classifier that no bundle can hold.

    learn: network inputs of the route's recipe, and labels. cache: the folder of features. Raises ValueError for a
    class without an exam.
    """
    features = exam_features(route, learn, cache)
    unsure = int((learn.allowed.sum(axis=1) > 1).sum())
    print(f"fitting {settings.kind} on {len(features)} exams, of which {unsure} allow several classes", flush=True)
    fitted = fit(features, learn.allowed, learn.weights, settings, route.scheme, seed)
    if isinstance(fitted, Linear | Rbf):
        route.machine = fitted
    return fitted


def exam_features(route: SVC, examples: Examples, cache: Path) -> Doubles:
    """Features `[N, C]` of each exam, as the route pools them, from the cache where it has them."""
    if not isinstance(examples.inputs, CachedInputs):
        raise TypeError("features are cached by the names of network inputs: make the examples with `prepare`")
    slices = cached_features(route.network, route.trunk, examples.inputs, cache)
    return np.stack([pool_slices(exam, route.pooling) for exam in slices])


def fit(
    features: Doubles,
    allowed: npt.NDArray[np.floating],
    weights: npt.NDArray[np.floating],
    settings: SvcFit,
    scheme: LabelScheme,
    seed: int,
) -> Scorer:
    """Standardise and answer every question. features `[N, C]`, allowed `[N, K]`, weights `[N]`; 0 leaves an exam out.

    Returns a Linear or Rbf where a bundle can hold it. Raises ValueError for a class that no exam is sure to have, or
    none is sure not to have.
    """
    counted = weights > 0
    scaler = StandardScaler().fit(features[counted])
    standard, answers = scaler.transform(features[counted]), _answers(allowed[counted])
    fitted = []
    for column, name in zip(answers.T, scheme.classes[-answers.shape[1] :], strict=True):
        rows = np.flatnonzero(column)
        if len(np.unique(column[rows])) < 2:
            raise ValueError(f"{settings.kind} needs exams that are surely {name!r} and exams that surely aren't")
        shares = weights[counted][rows].astype(np.float64)
        if settings.balanced:
            shares = _balanced(column[rows], shares)
        estimator = _estimator(settings, len(rows), standard.shape[1], seed)
        fitted.append((rows, estimator.fit(standard[rows], column[rows], sample_weight=shares)))
    match KERNELS.get(settings.kind):
        case "linear":
            return _linear(scaler, [estimator for _, estimator in fitted])
        case "rbf":
            return _rbf(scaler, standard, fitted)
    return _Compared(scaler, [estimator for _, estimator in fitted])


def _answers(allowed: npt.NDArray[np.floating]) -> npt.NDArray[np.int_]:
    """Allowed `[N, K]` -> `[N, D]`: 1 for a class that an exam surely has, -1 for one that it hasn't, 0 in between."""
    alone = allowed.sum(axis=1, keepdims=True) == 1
    answers: npt.NDArray[np.int_] = np.where(allowed > 0, np.where(alone, 1, 0), -1)
    return answers[:, 1:] if allowed.shape[1] == 2 else answers


def _balanced(answers: npt.NDArray[np.int_], weights: Doubles) -> Doubles:
    """Weights whose sum is the same over either answer, and in all as before."""
    yes = answers > 0
    balanced: Doubles = weights * weights.sum() / 2 / np.where(yes, weights[yes].sum(), weights[~yes].sum())
    return balanced


def _estimator(settings: SvcFit, exams: int, channels: int, seed: int) -> Any:
    match settings.kind:
        case "linear_svc":
            dual = exams < SEPARABLE * channels
            return LinearSVC(C=settings.c, dual=dual, max_iter=MOST_ROUNDS, random_state=seed)
        case "rbf_svc":
            return KernelSVC(C=settings.c, gamma=settings.gamma or 1 / channels)
        case "logistic_regression":
            return LogisticRegression(C=settings.c, max_iter=MOST_ROUNDS)
        case "random_forest":
            return RandomForestClassifier(settings.trees, min_samples_leaf=settings.leaf, random_state=seed)
        case "gradient_boosting":
            return GradientBoostingClassifier(
                n_estimators=settings.trees,
                learning_rate=settings.rate,
                min_samples_leaf=settings.leaf,
                max_features="sqrt",
                random_state=seed,
            )
        case "nearest_neighbours":
            return _Neighbours(settings.neighbours)


def _linear(scaler: Any, fitted: Sequence[Any]) -> Linear:
    kernel = np.stack([estimator.coef_[0] for estimator in fitted], axis=1) / scaler.scale_[:, None]
    return Linear(scaler.mean_, kernel, np.concatenate([estimator.intercept_ for estimator in fitted]))


def _rbf(scaler: Any, standard: Doubles, fitted: Sequence[tuple[npt.NDArray[np.int_], Any]]) -> Rbf:
    dual = np.zeros((len(standard), len(fitted)))
    for column, (rows, estimator) in enumerate(fitted):
        dual[rows[estimator.support_], column] = estimator.dual_coef_[0]
    used = dual.any(axis=1)
    intercept = np.concatenate([estimator.intercept_ for _, estimator in fitted])
    return Rbf(scaler.mean_, scaler.scale_, standard[used], dual[used], intercept, np.array(fitted[0][1].gamma))


@dataclass(frozen=True)
class _Compared:
    """A classifier of probabilities as decisions: log odds."""

    scaler: Any
    fitted: Sequence[Any]

    def decisions(self, features: Doubles) -> Doubles:
        standard = self.scaler.transform(features)
        sure = np.stack([estimator.predict_proba(standard)[:, 1] for estimator in self.fitted], axis=1)
        odds: Doubles = logit(np.clip(sure, SUREST, 1 - SUREST))
        return odds


class _Neighbours:
    """The `count` nearest exams vote by weight, which scikit-learn's KNeighborsClassifier can't."""

    def __init__(self, count: int) -> None:
        self.count = count

    def fit(self, features: Doubles, answers: npt.NDArray[np.int_], sample_weight: Doubles) -> "_Neighbours":
        self.nearest = NearestNeighbors(n_neighbors=min(self.count, len(features))).fit(features)
        self.votes = np.stack([answers < 0, answers > 0], axis=1) * sample_weight[:, None]
        return self

    def predict_proba(self, features: Doubles) -> Doubles:
        votes = self.votes[self.nearest.kneighbors(features, return_distance=False)].sum(axis=1)
        shares: Doubles = votes / votes.sum(axis=1, keepdims=True)
        return shares
