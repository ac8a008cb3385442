"""The evidence of a map doesn't hang on the matrix, and a scale that makes no sense is refused."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from data_prep.network_input.footprint import Footprint
from data_prep.network_input.recipe import Recipe
from models.bundle import load_bundle, write_bundle
from models.bundle_files import COLOUR_SCALE
from models.colour_scale import ColourScale, Threshold, peaks
from models.files.manifest import BundleError

RECIPE = Recipe(extent_mm=(60.0, 120.0, 110.0), size=(64, 64))
SPAN = ((0.05, 0.95), (0.0, 0.9))
WHOLE = ((0.0, 1.0), (0.0, 1.0))


def maps(seed: int = 0) -> np.ndarray:
    """Two classes' maps of one study, with cells for and against."""
    return np.random.default_rng(seed).normal(0, 0.05, (2, 9, 7, 6)).astype(np.float32)


@pytest.mark.parametrize("spacing", [(0.3, 0.3), (0.6, 0.45), (1.1, 0.9), (2.0, 2.0)])
@pytest.mark.parametrize("span", [SPAN, WHOLE])
def test_the_evidence_is_the_same_in_every_matrix(spacing, span):
    rows, columns = (round(extent / step) for extent, step in zip(RECIPE.extent_mm[1:], spacing, strict=True))
    image = (9, 3 * rows, 3 * columns)  # what cells spread beyond the block isn't at the image's edge
    around = Footprint(image, (0, 9), (rows, 2 * rows), (columns, 2 * columns)).part(*span)
    for class_map, evidence in zip(maps(), peaks(maps(), RECIPE, span), strict=True):
        assert around.peak(class_map) / np.prod(spacing) == pytest.approx(evidence, rel=0.03)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("columns", [(-12.0, 50.0), (3.5, 61.25), (20.0, 90.0)])
def test_the_peak_is_that_of_the_whole_map(seed, columns):
    """Also where the region reaches beyond the image and its edge is credited."""
    place = Footprint((12, 70, 64), (2, 11), (5.0, 66.0), columns)
    class_map = maps(seed)[0]
    assert place.peak(class_map) == pytest.approx(place.carry_back(class_map).max(), rel=1e-5)
    assert place.peak(-np.abs(class_map)) == place.peak(0 * class_map) == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"quantile": 1.5},
        {"unit": "logit"},
        {"full_brightness": {"unhealthy": 0.0}},
        {"full_brightness": {"unhealthy": float("nan")}},
        {"exams": {}},
        {"thresholds": {"healthy": Threshold(0.001, 19, 20)}},
        {"thresholds": {"unhealthy": Threshold(0.004, 19, 20)}},
    ],
)
def test_a_scale_that_makes_no_sense_is_refused(changes):
    with pytest.raises(ValueError, match="colour scale"):
        replace(ColourScale(0.75, {"unhealthy": 0.004}, {"unhealthy": 20}), **changes)


@pytest.mark.parametrize("numbers", [(0.0, 1, 2), (float("inf"), 1, 2), (0.1, 3, 2), (0.1, -1, 2)])
def test_a_threshold_that_makes_no_sense_is_refused(numbers):
    with pytest.raises(ValueError, match="threshold of a colour scale"):
        Threshold(*numbers)


def rewritten(tiny_bundle, folder, scale):
    bundle = load_bundle(tiny_bundle)
    parts = (bundle.classifier, "mrnet", bundle.recipe, bundle.calibration, {"figures": []})
    provenance = {name: bundle.manifest[name] for name in ("trained_on", "exams", "seed", "commit", "command")}
    write_bundle(folder, *parts, provenance, "", scale)
    return folder


def test_a_bundle_keeps_its_scale(tiny_bundle, tmp_path):
    own = {"healthy": 0.001, "unhealthy": 0.004}, {"healthy": 12, "unhealthy": 20}
    scale = ColourScale(0.75, *own, thresholds={"unhealthy": Threshold(0.001, 11, 12)})
    bundle = load_bundle(rewritten(tiny_bundle, tmp_path / "new", scale))
    assert bundle.colour_scale == scale
    assert COLOUR_SCALE in bundle.manifest["files"]
    assert json.loads((tmp_path / "new" / COLOUR_SCALE).read_text()) == asdict(scale)
    assert load_bundle(tiny_bundle).colour_scale is None  # as one of an earlier commit


def test_a_scale_of_other_classes_is_refused(tiny_bundle, tmp_path):
    scale = ColourScale(0.75, {"minor strain": 0.004}, {"minor strain": 20})
    with pytest.raises(BundleError, match="minor strain"):
        load_bundle(rewritten(tiny_bundle, tmp_path / "new", scale))
