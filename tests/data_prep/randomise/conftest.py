"""A few small label maps that the tests of this folder share."""

import dataclasses

import pytest

from data_prep.phantom import generate
from data_prep.phantom.scanner import PROFILES
from data_prep.randomise import LabelMap

SMALL = dataclasses.replace(PROFILES[0], acquired=(144,), matrices=(144,))


@pytest.fixture(scope="package")
def knees() -> list[LabelMap]:
    """A healthy knee and a torn one."""
    made = [generate(21, "healthy", SMALL), generate(22, "complete rupture", SMALL)]
    return [LabelMap(one.tissues, (one.scan.spacing_mm, one.scan.pixel_mm, one.scan.pixel_mm)) for one in made]
