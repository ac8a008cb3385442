"""Grey values: the signal equations' known orders, and random ones without any order."""

import io
import itertools
import math

import numpy as np
import pydicom
import pytest

from data_prep.phantom.contrast import TISSUES as CONTRASTS
from data_prep.phantom.contrast import Tissue
from data_prep.phantom.tissues import NUMBERS, TISSUES
from data_prep.randomise import Ranges
from data_prep.randomise.greys import (
    SEQUENCES,
    WEIGHTS,
    draw_greys,
    gradient_echo,
    kind_of,
    random_greys,
    scanned_greys,
    varied,
)


def test_every_painted_tissue_has_a_contrast() -> None:
    assert {kind_of(tissue) for tissue in TISSUES} <= set(CONTRASTS)
    assert kind_of("femoral cartilage") == "cartilage"
    assert kind_of("tibia marrow") == "marrow"
    assert sum(WEIGHTS) == pytest.approx(1)
    assert len(WEIGHTS) == len(SEQUENCES) + 1


def test_a_gradient_echo_has_the_values_of_its_equation() -> None:
    water = Tissue(1.0, 1000, 100)
    ernst = math.degrees(math.acos(math.exp(-0.1)))
    at_ernst = gradient_echo(water, 100, 0, ernst, 1.0)
    assert at_ernst == pytest.approx(
        math.sqrt((1 - math.exp(-0.1)) / (1 + math.exp(-0.1)))
    )  # the maximum, in closed form
    assert at_ernst > max(gradient_echo(water, 100, 0, ernst + turn, 1.0) for turn in (-5, 5))
    assert gradient_echo(water, 1e6, 50, 90, 1.0) == pytest.approx(math.exp(-1))


def test_contrasts_of_scanners_have_their_known_orders() -> None:
    rng = np.random.default_rng(5)
    ranges = Ranges(relaxation=0.0, wet_share=0.0)
    for _ in range(40):
        greys = scanned_greys(ranges, rng)
        assert greys[NUMBERS["air"]] == 0
        assert greys[NUMBERS["femur cortex"]] < greys[NUMBERS["muscle"]]
        assert greys[NUMBERS["menisci"]] < greys[NUMBERS["tibial cartilage"]]
        assert np.isfinite(greys).all()


def test_fat_is_bright_in_some_samples_and_dark_in_others() -> None:
    rng = np.random.default_rng(6)
    brighter = [
        grey[NUMBERS["fat"]] > grey[NUMBERS["muscle"]] for grey in (scanned_greys(Ranges(), rng) for _ in range(80))
    ]
    assert 0.25 < np.mean(brighter) < 0.85


def test_random_greys_fill_their_range_and_may_be_shared() -> None:
    rng = np.random.default_rng(7)
    drawn = np.array([random_greys(Ranges(grey=(0.2, 0.7)), rng) for _ in range(200)])
    tissue = drawn[:, NUMBERS["muscle"]]
    assert tissue.min() == pytest.approx(0.2, abs=0.02)
    assert tissue.max() == pytest.approx(0.7, abs=0.02)
    same = drawn[:, NUMBERS["acl"]] == drawn[:, NUMBERS["pcl"]]
    assert 0.4 < same.mean() < 0.8


def test_tissues_vary_around_their_constants() -> None:
    rng = np.random.default_rng(8)
    muscle = CONTRASTS["muscle"]
    assert varied(muscle, 0.0, rng) == muscle
    drawn = np.array([varied(muscle, 0.25, rng).t2_ms for _ in range(400)])
    assert np.median(drawn) == pytest.approx(muscle.t2_ms, rel=0.05)
    assert np.log(drawn).std() == pytest.approx(0.25, rel=0.15)


def test_the_share_of_random_contrasts_is_the_one_asked_for() -> None:
    rng = np.random.default_rng(9)
    for share, air in ((0.0, 0.0), (1.0, None)):
        drawn = [draw_greys(Ranges(random_share=share), rng)[NUMBERS["air"]] for _ in range(20)]
        assert all(value == 0.0 for value in drawn) == (air == 0.0)


PLACES = {"muscle": (11, slice(90, 108), slice(162, 172)), "femur marrow": (11, slice(92, 104), slice(108, 124)),
          "fat": (12, slice(136, 142), slice(107, 118)), "acl": (12, slice(112, 122), slice(142, 146))}  # fmt: skip
"""Where the real series of 24 slices in order along the normal shows these tissues, found by looking."""


@pytest.mark.real_knee
def test_the_contrasts_of_a_real_scanner_lie_inside(real_knee: dict[str, bytes]) -> None:
    """At every echo, the ratios of tissues are neither rare among those that are drawn nor beyond them."""
    images = [pydicom.dcmread(io.BytesIO(content)) for content in real_knee.values()]
    across = np.cross(images[0].ImageOrientationPatient[:3], images[0].ImageOrientationPatient[3:])
    echoes: dict[float, list[tuple[float, np.ndarray]]] = {}
    for image in images:
        place = float(across @ np.array(image.ImagePositionPatient, float))
        echoes.setdefault(float(image.EchoTime), []).append((place, image.pixel_array))
    rng = np.random.default_rng(10)
    drawn = np.array([scanned_greys(Ranges(), rng) for _ in range(600)]) + 0.005
    assert len(echoes) == 8
    for slices in echoes.values():
        stack = [pixels for _, pixels in sorted(slices, key=lambda one: one[0])]
        seen = {name: np.median(stack[index][rows, columns]) for name, (index, rows, columns) in PLACES.items()}
        for one, other in itertools.permutations(PLACES, 2):
            ratios = drawn[:, NUMBERS[one]] / drawn[:, NUMBERS[other]]
            assert 0.01 < np.mean(ratios < seen[one] / seen[other]) < 0.99, (one, other)
