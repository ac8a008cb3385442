"""The evidence that a bundle's pictures show, and at full brightness, from validation exams (`models.colour_scale`)."""

import sys

import numpy as np

from data_prep.labels import LabelScheme
from data_prep.statistics import Doubles, bound
from models.colour_scale import ColourScale, Threshold
from training.evaluation.validation import Validated

# A quarter of the injured knees reach full brightness. A higher quantile would depend on few exams and darken the
# others; a lower one would brighten healthy knees.
QUANTILE = 0.75
# With fewer exams a quantile is unreliable.
FEWEST_EXAMS = 10
# The share of unseen healthy knees that should stay below the threshold. It needs 19 healthy exams (`bound`).
DARK = 0.95
# The lowest threshold, as a share of full brightness. Of a quarter, a colour is seen at a glance: at the usual opacity
# it differs from grey tissue by 10 in CIE 1976's L*a*b*; of a tenth, by 3.
FLOOR = 0.25
# The highest threshold, likewise: above it, nearly nothing of a colour scale would be left.
CEILING = 0.9


def measured_scale(held_out: Validated, scheme: LabelScheme) -> ColourScale | None:
    """Measure full brightness and threshold of each class.

    The peaks of a class are those of the injured exams that may have this class. Those of the healthy class are from
    healthy exams. The threshold rests on the exams of the other side.

    Returns:
        The scale; None, with a warning, if no injury has enough exams.
    """
    full: dict[str, float] = {}
    counts: dict[str, int] = {}
    thresholds: dict[str, Threshold] = {}
    for index, name in enumerate(scheme.classes):
        side, other = (held_out.injured, held_out.healthy) if index else (held_out.healthy, held_out.injured)
        own, peaks = side & held_out.allowed[:, index], held_out.peaks[:, index]
        brightest = float(np.quantile(peaks[own], QUANTILE)) if own.sum() >= FEWEST_EXAMS else 0.0
        if brightest > 0:
            full[name], counts[name] = brightest, int(own.sum())
            if threshold := threshold_of(peaks[other], brightest):
                thresholds[name] = threshold
                if threshold.evidence == CEILING * brightest:
                    dark = f"only {threshold.below} of {threshold.exams} exams without it stay below the threshold"
                    _warn(f"much evidence for {name!r} in exams without it", dark)
    if not set(scheme.classes[1:]) & full.keys():
        _warn(f"fewer than {FEWEST_EXAMS} injured exams", "each study's pictures will be scaled by its own peak")
        return None
    if not set(scheme.classes[1:]) & thresholds.keys():
        _warn("too few healthy exams", "the threshold of pictures will be half of full brightness")
    return ColourScale(QUANTILE, full, counts, thresholds=thresholds)


def threshold_of(peaks: Doubles, brightest: float) -> Threshold | None:
    """The evidence that a share `DARK` of unseen exams is expected to stay below, from `FLOOR` to `CEILING`.

    Args:
        peaks: those of exams without the class, `[N]`.
        brightest: the class's full brightness.

    Returns:
        The threshold; None if there are too few exams.
    """
    evidence = bound(peaks, DARK)
    if evidence is None:
        return None
    evidence = min(max(evidence, FLOOR * brightest), CEILING * brightest)
    return Threshold(evidence, int((peaks < evidence).sum()), len(peaks))


def _warn(what: str, effect: str) -> None:
    print(f"warning: {what} in split 'val': {effect}", file=sys.stderr)
