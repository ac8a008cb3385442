"""The evidence that a bundle's pictures show at full brightness, from validation exams (`models.colour_scale`)."""

import sys
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from data_prep.labels import SCHEMES, LabelScheme
from data_prep.tables.exams import Exam
from models.colour_scale import ColourScale, peaks
from training.data.examples import prepare
from training.fitting.learn import Learnt

# A quarter of the injured knees reach full brightness. A higher quantile would depend on few exams and darken the
# others; a lower one would brighten healthy knees.
QUANTILE = 0.75
# With fewer exams a quantile is unreliable.
FEWEST_EXAMS = 10


def measured_scale(learnt: Learnt, exams: Sequence[Exam]) -> ColourScale | None:
    """Measure the scale on split "val", which also chose epoch and temperature.

    Returns:
        The scale; None, with a warning, if too few exams are injured.
    """
    config, classifier = learnt.config, learnt.fitted.classifier
    assert classifier
    scheme, place = SCHEMES[config.scheme], learnt.place
    held_out = prepare(
        [exam for exam in exams if exam.split == "val"],
        scheme,
        config.recipe,
        place.inputs,
        place.workers,
        place.around,
    )
    found = [
        peaks(classifier.explain(slices, classifier.features(slices)).maps, config.recipe, classifier.grid_span())
        for slices in held_out.inputs
    ]
    scale = scale_of(np.stack(found), held_out.allowed > 0, scheme)
    if scale is None:
        few = f"fewer than {FEWEST_EXAMS} injured exams in split 'val'"
        print(f"warning: {few}: each study's pictures will be scaled by its own peak", file=sys.stderr)
    return scale


def scale_of(found: npt.NDArray[np.float64], allowed: npt.NDArray[np.bool_], scheme: LabelScheme) -> ColourScale | None:
    """The scale of each class.

    The peaks of a class are those of the injured exams that may have this class. Those of the healthy class are from
    healthy exams.

    Args:
        found: peaks of each exam's maps, `[N, K]`.
        allowed: the classes that the labels allow, `[N, K]`.
        scheme: the classes.

    Returns:
        The scale; None if no injured class has enough exams.
    """
    full_brightness: dict[str, float] = {}
    counts: dict[str, int] = {}
    for index, name in enumerate(scheme.classes):
        own = allowed[:, index] & (~allowed[:, 0] if index else ~allowed[:, 1:].any(axis=1))
        full = float(np.quantile(found[own, index], QUANTILE)) if own.sum() >= FEWEST_EXAMS else 0.0
        if full > 0:
            full_brightness[name], counts[name] = full, int(own.sum())
    if not set(scheme.classes[1:]) & full_brightness.keys():
        return None
    return ColourScale(QUANTILE, full_brightness, counts)
