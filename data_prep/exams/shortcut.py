"""Measures shortcuts: how well header fields alone, without pixels, separate injured from healthy knees.

What a random forest can learn from headers, a network can learn from the traces that scanners leave in pixels. If that
works, a good figure doesn't show that a model sees ligaments (Zech 2018, PLOS Medicine, found this for hospitals and
pneumonia).
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from data_prep.exams.look import Look
from data_prep.statistics import Figure, auc, draws
from data_prep.tables.exams import Exam

# There is a warning if the whole interval of the AUC lies above this value. Chance is 0.5.
SUSPICIOUS_AUC = 0.6
# With fewer groups of a class than this, cross-validation isn't possible.
FOLDS = 5


def shortcut(exams: Sequence[Exam], looks: Sequence[Look], groups: Sequence[Sequence[int]]) -> Figure | None:
    """Cross-validated AUC of a random forest on header fields.

    Args:
        exams: The exam table.
        looks: A look at each exam.
        groups: Indices of exams that stay in one fold.

    Returns:
        The AUC; None if fewer than `FOLDS` groups hold healthy exams, or unhealthy ones.
    """
    group_of = {index: number for number, members in enumerate(groups) for index in members}
    usable = [index for index, exam in enumerate(exams) if len(exam.binary) == 1 and looks[index].shape]
    unhealthy = np.array([exams[index].binary == {"unhealthy"} for index in usable], bool)
    group = np.array([group_of[index] for index in usable], int)
    if min(len(set(group[unhealthy])), len(set(group[~unhealthy]))) < FOLDS:
        return None
    numbers = np.array([_numbers(looks[index]) for index in usable], float)
    words = np.array([_words(looks[index]) for index in usable], object)
    columns = np.hstack([numbers, words])
    first_word = numbers.shape[1]
    encode = make_column_transformer(
        ("passthrough", slice(0, first_word)),
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), slice(first_word, None)),
    )
    model = make_pipeline(encode, RandomForestClassifier(300, min_samples_leaf=3, random_state=0))
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0)
    scores = cross_val_predict(model, columns, unhealthy, groups=group, cv=folds, method="predict_proba")[:, 1]
    drawn = draws(len(usable), np.stack([unhealthy, ~unhealthy], axis=1))
    measured = auc(scores, unhealthy, drawn)
    return Figure.of("AUC of header fields alone", measured, len(usable), "exams, cross-validated")


def is_suspicious(measured: Figure) -> bool:
    """Whether headers separate the classes so well that it can't be chance."""
    return measured.interval_95[0] > SUSPICIOUS_AUC


def _numbers(look: Look) -> npt.NDArray[np.float64]:
    made = look.acquisition
    times = (made.echo_time_ms, made.repetition_time_ms, made.field_strength_t)
    given = [np.nan if value is None else value for value in times]
    return np.array([*(look.shape or ()), *(look.spacing_mm or ()), *given], float)


def _words(look: Look) -> list[str]:
    made = look.acquisition
    return [str(made.manufacturer), str(made.model), str(made.fat_suppressed), look.laterality]
