"""Brightness is comparable: a fixed evidence is full brightness, whatever the study's own peak and matrix."""

import json
from dataclasses import replace
from functools import cache

import cv2
import numpy as np
import pytest

from app.jobs import answer as answers
from app.results import render
from app.results.colour_scale import HALF, OWN_PEAK, bounds
from app.store.class_map import ClassMap
from app.store.job import Job
from data_prep.phantom import generate
from data_prep.selection.series import Selection
from data_prep.volume import Volume
from models.bundle import load_bundle
from models.colour_scale import ColourScale
from models.predictor import Predictor
from tests.conftest import ROOT

pytestmark = pytest.mark.slow

SCALE = ColourScale(0.75, {"unhealthy": 0.004}, {"unhealthy": 20})


@pytest.fixture(scope="module")
def demo() -> Predictor:
    return Predictor(load_bundle(ROOT / "models/bundles/demo"))


@cache
def knee(seed: int, truth: str) -> Volume:
    """A synthetic knee of full size, made once for all tests."""
    return generate(seed, truth).to_volume()


def asked(predictor, volume):
    """The answer, and the glow of the explained class in the volume's grid."""
    prediction = predictor.predict(volume)
    said = answers.done(Job.of(Selection(volume, [], ()), "0", 0.0), predictor.bundle, prediction, 0.0)
    index = said["result"]["classes"].index(said["explanation"]["class"])
    class_map = ClassMap(prediction.maps[index], prediction.footprint)
    found = bounds(said, said["explanation"]["class"], volume.spacing_mm, class_map.peak())
    scale = render.Scale.of(volume.voxels, found)
    return said, np.stack([render.glow(plane, scale) for plane in class_map.volume()])


def finer(volume, times: int):
    """The same knee in a larger matrix."""
    voxels = np.stack([cv2.resize(plane, None, fx=times, fy=times) for plane in volume.voxels])
    slices, rows, columns = volume.spacing_mm
    return replace(volume, voxels=voxels, spacing_mm=(slices, rows / times, columns / times))


@pytest.mark.parametrize(("seed", "truth"), [(31, "complete rupture"), (32, "healthy"), (33, "minor strain")])
def test_the_same_knee_is_as_bright_in_every_matrix(demo, seed, truth):
    volume = knee(seed, truth)
    said, glow = asked(demo, volume)
    again, finer_glow = asked(demo, finer(volume, 2))
    assert finer_glow.max() == pytest.approx(glow.max(), abs=0.05)
    assert again["explanation"]["scale"]["peak"] == pytest.approx(
        said["explanation"]["scale"]["peak"], rel=0.15, abs=3e-4
    )


def test_a_healthy_knee_is_dark_and_a_torn_one_is_not(demo):
    """Knees that no choice was made on."""
    peaks = {
        truth: [asked(demo, knee(seed, truth))[1].max() for seed in range(41, 46)]
        for truth in ("healthy", "complete rupture")
    }
    assert peaks["healthy"] == [0] * 5
    assert np.median(peaks["complete rupture"]) > 0.6


def test_the_answer_tells_the_scale_and_the_studys_own_peak(demo):
    volume = knee(31, "complete rupture")
    said, glow = asked(demo, volume)
    scale, fixed = said["explanation"]["scale"], demo.bundle.colour_scale
    assert (scale["source"], scale["unit"], scale["quantile"]) == ("bundle", "logit/mm2", fixed.quantile)
    assert scale["full_brightness"] == fixed.full_brightness["unhealthy"]
    measured = fixed.thresholds["unhealthy"]
    assert scale["threshold"] == scale["thresholds"]["unhealthy"] == measured.evidence
    assert scale["threshold_rule"] == "healthy-exams"
    assert scale["threshold_exams"] == {"below": measured.below, "exams": measured.exams}
    assert scale["thresholds"].keys() == scale["classes"].keys()
    assert scale["exams"] == fixed.exams["unhealthy"] >= 10
    assert scale["classes"] == fixed.full_brightness
    assert glow.max() == pytest.approx(min(scale["peak"] / scale["full_brightness"], 1), rel=1e-4)
    assert OWN_PEAK not in [warning["code"] for warning in said["warnings"]]


@pytest.mark.parametrize("own", [None, ColourScale(0.75, {"healthy": 0.004}, {"healthy": 20})])
def test_without_a_scale_the_own_peak_has_to_do_and_is_told(demo, own):
    predictor = Predictor(replace(demo.bundle, colour_scale=own))
    said, glow = asked(predictor, knee(32, "healthy"))
    scale = said["explanation"]["scale"]
    assert (scale["source"], scale["quantile"], scale["exams"], scale["threshold"]) == ("study", None, None, None)
    assert (scale["threshold_rule"], scale["threshold_exams"]) == (None, None)
    assert scale["full_brightness"] == scale["peak"]
    assert glow.max() == pytest.approx(1, abs=1e-4)
    (warning,) = (warning for warning in said["warnings"] if warning["code"] == OWN_PEAK)
    assert "can't be compared" in warning["message"]
    json.dumps(said, allow_nan=False)


def test_a_bundle_without_thresholds_has_half_of_full_brightness_and_says_so(demo):
    """A bundle of an earlier version, or with few healthy validation exams."""
    bundle = replace(demo.bundle, colour_scale=replace(demo.bundle.colour_scale, thresholds={}), operating_point=None)
    said, _ = asked(Predictor(bundle), generate(31, "complete rupture").to_volume())
    scale = said["explanation"]["scale"]
    assert (scale["threshold_rule"], scale["threshold_exams"]) == ("half", None)
    assert scale["threshold"] == HALF * scale["full_brightness"]
    assert "operating_point" not in said["result"]


def test_what_is_above_the_scale_is_cut_off_and_numbers_stay(demo):
    volume = knee(31, "complete rupture")
    dim = Predictor(
        replace(
            demo.bundle,
            colour_scale=ColourScale(0.75, {"unhealthy": 1e-4}, {"unhealthy": 9}),
        )
    )
    said, glow = asked(dim, volume)
    usual, _ = asked(demo, volume)
    assert said["explanation"]["scale"]["peak"] > said["explanation"]["scale"]["full_brightness"]
    assert (glow == 1).sum() > 100
    assert said["explanation"]["slices"] == usual["explanation"]["slices"]
    assert said["result"] == usual["result"]


def test_an_answer_of_an_earlier_commit_has_no_scale_or_no_threshold():
    spacing = (4.0, 0.5, 0.5)
    assert bounds({"explanation": {"class": "unhealthy"}}, "unhealthy", spacing, 7.0) == (7.0, None, 7.0, 0.25)
    known = {"explanation": {"scale": {"full_brightness": 0.004, "classes": {"unhealthy": 0.004, "healthy": 0.002}}}}
    assert bounds(known, "unhealthy", spacing, -7.0) == (0.001, 0.0005, 0.0, 0.25)


@pytest.mark.parametrize(
    ("added", "thresholds"),
    [
        ({}, {"unhealthy": 0.00025, "healthy": 0.000125}),  # an earlier version's, for the explained class
        ({"thresholds": {"unhealthy": 0.001, "healthy": 0.003}}, {"unhealthy": 0.00025, "healthy": 0.00075}),
    ],
)
def test_the_threshold_is_the_answer_s_for_every_class(added, thresholds):
    """Also when this version would choose another one."""
    scale = {"full_brightness": 0.004, "threshold": 0.001, "classes": {"unhealthy": 0.004, "healthy": 0.002}} | added
    for name, threshold in thresholds.items():
        assert bounds({"explanation": {"scale": scale}}, name, (4.0, 0.5, 0.5), 0.0).threshold == threshold


def test_pictures_of_each_class_have_their_own_scale(answered):
    """The service's bundle has no scale: each class glows by its own peak."""
    client, said = answered
    for name in said["result"]["classes"]:
        brightest = 0
        for part in said["explanation"]["slices"]:
            file = client.get(part["heatmap"] + f"?class={name}").data
            brightest = max(brightest, cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_UNCHANGED)[..., 3].max())
        assert brightest in (0, 255)
