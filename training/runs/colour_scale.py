"""The evidence that pictures of a bundle show at full brightness, from its validation exams (`models.colour_scale`)."""

import sys
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from data_prep.labels import SCHEMES, LabelScheme
from data_prep.tables.exams import Exam
from models.colour_scale import ColourScale, peaks
from training.data.examples import prepare
from training.fitting.learn import Learnt

# A quarter of the injured knees reach full brightness: a higher quantile hangs on few exams and darkens the others,
# a lower one brightens healthy knees.
QUANTILE = 0.75
# Of fewer exams a quantile says little.
FEWEST_EXAMS = 10


def measured_scale(learnt: Learnt, exams: Sequence[Exam]) -> ColourScale | None:
    """On the exams of split "val", which chose epoch and temperature; None, with a warning, if too few are injured."""
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
    """Of peaks `[N, K]` and the classes that labels allow, `[N, K]`.

    A class's peaks are those of injured exams that may be of this class; the healthy class's, of healthy exams.
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
