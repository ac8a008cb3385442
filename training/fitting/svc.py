"""Fitting route svc, and the classifiers that the published project compared it with, on frozen features.

All of them answer one-vs-rest questions: for two classes "is it the second?", for more classes "is it this one?" for
each. A label with several classes answers "no" to the questions about all other classes. It has no answer to the
questions about its own classes.
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

# Probabilities are clipped to this distance from 0 and 1; log odds of unanimous votes would be infinite.
SUREST = 1e-3
# With fewer exams per channel than this, a hyperplane can separate all of them (Cover 1965,
# doi:10.1109/PGEC.1965.264137, gives a limit of 2). Then liblinear's dual solver is many times faster than the primal
# one. With more exams it may never end.
SEPARABLE = 1.5
# Far more than a fit to standardised features needs. A fit that reaches it ends with scikit-learn's warning.
MOST_ROUNDS = 10_000


class Scorer(Protocol):
    """Maps features `[N, C]` to decisions `[N, D]`; D is 1 for two classes, and K for K > 2 classes."""

    def decisions(self, features: Doubles) -> Doubles: ...


def train_svc(route: SVC, settings: SvcFit, learn: Examples, cache: Path, seed: int) -> Scorer:
    """Fit a classifier on frozen features.

    Args:
        route: gets the fitted machine, if a bundle can hold it.
        settings: the classifier's settings.
        learn: network inputs of the route's recipe, and labels.
        cache: the folder of features.
        seed: for classifiers with randomness.

    Returns:
        The fitted classifier.

    Raises:
        ValueError: for a class without an exam.
    """
    features = exam_features(route, learn, cache)
    unsure = int((learn.allowed.sum(axis=1) > 1).sum())
    print(f"fitting {settings.kind} on {len(features)} exams; {unsure} of them allow several classes", flush=True)
    fitted = fit(features, learn.allowed, learn.weights, settings, route.scheme, seed)
    if isinstance(fitted, Linear | Rbf):
        route.machine = fitted
    return fitted


def exam_features(route: SVC, examples: Examples, cache: Path) -> Doubles:
    """Pooled features of all exams, `[N, C]`; those that the cache lacks are computed."""
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
    """Standardise the features and fit a classifier for every question.

    Args:
        features: `[N, C]`.
        allowed: `[N, K]`, 1 for each class that the label allows.
        weights: `[N]`; exams of weight 0 are left out.
        settings: the classifier's settings.
        scheme: the classes.
        seed: for classifiers with randomness.

    Returns:
        A Linear or Rbf if a bundle can hold the classifier.

    Raises:
        ValueError: for a class that no exam surely has, or that every exam may have.
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
    """Allowed `[N, K]` -> `[N, D]`: 1 if an exam surely has the class, -1 if it surely doesn't, 0 if it may have it."""
    alone = allowed.sum(axis=1, keepdims=True) == 1
    answers: npt.NDArray[np.int_] = np.where(allowed > 0, np.where(alone, 1, 0), -1)
    return answers[:, 1:] if allowed.shape[1] == 2 else answers


def _balanced(answers: npt.NDArray[np.int_], weights: Doubles) -> Doubles:
    """Weights with the same sum for both answers, and the same total as before."""
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
    """A classifier of probabilities; its decisions are log odds."""

    scaler: Any
    fitted: Sequence[Any]

    def decisions(self, features: Doubles) -> Doubles:
        standard = self.scaler.transform(features)
        sure = np.stack([estimator.predict_proba(standard)[:, 1] for estimator in self.fitted], axis=1)
        odds: Doubles = logit(np.clip(sure, SUREST, 1 - SUREST))
        return odds


class _Neighbours:
    """The `count` nearest exams vote with their weights, which scikit-learn's KNeighborsClassifier doesn't support."""

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
