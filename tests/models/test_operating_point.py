"""A bundle keeps its operating point; one that makes no sense is refused."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from models.bundle import load_bundle
from models.bundle_files import COLOUR_SCALE, OPERATING_POINT
from models.colour_scale import ColourScale, Threshold
from models.files.manifest import MANIFEST, BundleError, digests, read_json, write_json
from models.measured_again import write_measured_again
from models.operating_point import injury_probability
from tests.models.conftest import POINT, write_tiny_bundle

SCALE = ColourScale(0.75, {"unhealthy": 0.004}, {"unhealthy": 20}, thresholds={"unhealthy": Threshold(0.001, 19, 20)})
MEASURED = {"command": "python -m training.measure tiny", "commit": "none"}


def test_any_injury_counts():
    assert injury_probability(np.array([[0.6, 0.1, 0.2, 0.1], [1, 0, 0, 0]])) == pytest.approx([0.4, 0])
    assert POINT.is_positive(np.array([0.7, 0.3]))
    assert not POINT.is_positive(np.array([0.71, 0.29]))


def test_the_rates_of_test_exams_come_first():
    assert POINT.known == (POINT.tested_on, POINT.chosen_on)
    assert replace(POINT, tested_on=None).known == (POINT.chosen_on,)


@pytest.mark.parametrize("changes", [{"threshold": 1.1}, {"threshold": float("nan")}, {"target_sensitivity": 1.0}])
def test_a_point_that_makes_no_sense_is_refused(changes):
    with pytest.raises(ValueError, match="operating point"):
        replace(POINT, **changes)


def test_measured_again_a_bundle_keeps_its_weights_and_golden_answer(tmp_path):
    folder = write_tiny_bundle(tmp_path / "tiny")
    before = digests(folder)
    write_measured_again(folder, SCALE, POINT, MEASURED)
    bundle, after = load_bundle(folder), digests(folder)
    assert (bundle.colour_scale, bundle.operating_point) == (SCALE, POINT)
    assert {name for name in after if after[name] != before.get(name)} == {
        COLOUR_SCALE,
        OPERATING_POINT,
        "MODEL_CARD.md",
    }
    assert bundle.manifest["measured_again"] == MEASURED
    assert "python -m training.measure tiny" in bundle.model_card
    assert "positive if the probability of an injury is 0.300 or more" in bundle.model_card
    assert "- rate: 0.900 (95 % interval 0.683 to 0.988), on 20 exams: exams of a test\n" in bundle.model_card

    write_measured_again(folder, None, None, MEASURED)
    assert load_bundle(folder).operating_point is None
    assert digests(folder).keys() == before.keys()


def test_a_bundle_of_schema_1_has_neither_threshold_nor_operating_point(tmp_path):
    """As the version before wrote it."""
    folder = write_tiny_bundle(tmp_path / "tiny")
    scale = {name: value for name, value in asdict(SCALE).items() if name != "thresholds"}
    write_json(folder / COLOUR_SCALE, scale)
    manifest = read_json(folder / MANIFEST) | {"schema": 1, "files": digests(folder)}
    (folder / MANIFEST).write_text(json.dumps(manifest))
    bundle = load_bundle(folder)
    assert bundle.colour_scale == replace(SCALE, thresholds={})
    assert bundle.operating_point is None


@pytest.mark.parametrize("change", [{"threshold": 2}, {"more": 1}])
def test_a_file_that_makes_no_sense_is_refused(tmp_path, change):
    folder = write_tiny_bundle(tmp_path / "tiny")
    write_measured_again(folder, SCALE, POINT, MEASURED)
    write_json(folder / OPERATING_POINT, read_json(folder / OPERATING_POINT) | change)
    write_json(folder / MANIFEST, read_json(folder / MANIFEST) | {"files": digests(folder)})
    with pytest.raises(BundleError, match="can't be rebuilt"):
        load_bundle(folder)
