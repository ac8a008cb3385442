"""The operating point of a bundle, chosen on validation exams and tested on others (`models.operating_point`)."""

import sys

import numpy as np
import numpy.typing as npt

from data_prep.statistics import Doubles, Figure, bound
from models.operating_point import OperatingPoint, Rates, injury_probability
from training.evaluation.validation import Validated


def chosen_point(held_out: Validated, target: float, doubt: str, sources: str) -> OperatingPoint | None:
    """Choose the highest threshold with which unseen injured exams are expected to be positive often enough.

    Args:
        held_out: the validation exams.
        target: the sensitivity to reach.
        doubt: why the probabilities aren't calibrated; "" if they are.
        sources: the sources of the exams.

    Returns:
        The point; None, with a warning, if probabilities aren't calibrated or injured exams are too few for the target.
    """
    probability, injured = injury_probability(held_out.probabilities), held_out.injured
    lowest = bound(-probability[injured], target)
    if doubt or lowest is None:
        few = f"split 'val' has {injured.sum()} injured exams, too few for a sensitivity of {target:g}"
        print(f"warning: no operating point: {doubt or few}", file=sys.stderr)
        return None
    measured_on = f"{sources} exams of split val, which this threshold, the epoch and the temperature were chosen on"
    known = injured | held_out.healthy
    return OperatingPoint(-lowest, target, rates(injured[known], probability[known], -lowest, measured_on))


def rates(injured: npt.NDArray[np.bool_], probability: Doubles, threshold: float, measured_on: str) -> Rates:
    """How often a threshold is right.

    Args:
        injured: the truth, `[N]`; at least one exam is injured, and one is not.
        probability: the probability of an injury, `[N]`.
        threshold: from which probability on an exam is positive.
        measured_on: which exams these are, in words.
    """
    positive, at = probability >= threshold, f"at probability {threshold:.3f}"
    return Rates(
        Figure.of_share(f"sensitivity {at}", positive[injured], f"injured ones of {measured_on}"),
        Figure.of_share(f"specificity {at}", ~positive[~injured], f"healthy ones of {measured_on}"),
    )
