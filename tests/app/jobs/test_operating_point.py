"""The answer tells what the bundle's operating point says, and whether its rates are fair."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from app.jobs.operating_point import operating_point_of
from tests.models.conftest import POINT


def answered(point, injury: float, trained_on: str = "synthetic"):
    bundle = SimpleNamespace(operating_point=point, manifest={"trained_on": trained_on})
    return operating_point_of(bundle, SimpleNamespace(probabilities=np.array([1 - injury, injury])))


def test_a_bundle_without_a_point_says_nothing():
    assert answered(None, 0.9) is None


@pytest.mark.parametrize(
    ("injury", "side"), [(0.3, "Positive {} 0.300 or more): "), (0.29, "Negative {} below 0.300): ")]
)
def test_it_is_positive_from_the_threshold_on(injury, side):
    said = answered(POINT, injury)
    assert said.positive == (injury >= 0.3)
    assert said.message.startswith(side.format("at the operating point (probability of an injury"))


def test_the_rates_of_test_exams_are_told_if_there_are_any():
    fair, flattered = answered(POINT, 0.9), answered(replace(POINT, tested_on=None), 0.9, "mrnet")
    assert (fair.sensitivity.value, fair.independent, fair.synthetic) == (0.9, True, True)
    assert (flattered.sensitivity.value, flattered.independent, flattered.synthetic) == (1, False, False)
    assert fair.message.endswith(
        ": sensitivity 0.90 (0.68 to 0.99), specificity 0.90 (0.68 to 0.99), "
        "on 20 injured and 20 healthy synthetic knees that nothing was chosen on."
    )
    assert flattered.message.endswith("on 20 injured and 20 healthy knees that the threshold itself was chosen on.")
