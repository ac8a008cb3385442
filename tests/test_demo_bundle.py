"""What the shipped bundle promises, on 100 synthetic knees of a seed that nothing was ever trained or chosen on.

`make evaluate-demo` asks 200, which takes minutes more; docs/training.md has its figures.
"""

from pathlib import Path

import numpy as np
import pytest

from data_prep.phantom.cohort import Cohort
from data_prep.selection.series import load_study
from data_prep.statistics import Figure
from data_prep.tables.exams import read_exams
from models.bundle import load_bundle
from models.predictor import Predictor
from tests.conftest import COMPLETENESS
from tests.data_prep.dicom_factory import uploads
from training.evaluation.report import evaluate, figures

pytestmark = pytest.mark.slow

DEMO = Path(__file__).parent.parent / "models" / "bundles" / "demo"
UNSEEN_SEED, UNSEEN_EXAMS = 20_261_121, 100
MEGABYTES = 10


@pytest.fixture(scope="module")
def demo() -> Predictor:
    return Predictor(load_bundle(DEMO))


@pytest.fixture(scope="module")
def measured(demo, tmp_path_factory, pytestconfig) -> dict[str, Figure]:
    """Every figure by its name, printed with its interval."""
    knees = tmp_path_factory.mktemp("unseen")
    Cohort(UNSEEN_SEED).write(knees, UNSEEN_EXAMS, jobs=2)
    rows, left_out = evaluate(demo, read_exams(knees / "exams.csv"))
    assert not left_out.roles  # none of them was learnt from or chosen on
    results = figures(rows, "unseen synthetic exams")
    with pytestconfig.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print("", *results, sep="\n")
    return {result.name: result for result in results}


def test_it_is_small_and_says_what_it_is(demo):
    assert sum(path.stat().st_size for path in DEMO.iterdir()) <= MEGABYTES * 1e6
    assert demo.bundle.manifest["trained_on"] == "synthetic"
    assert "synthetic knees only" in demo.bundle.model_card
    assert "never used for a choice" in demo.bundle.operating_point.known[0].sensitivity.measured_on


def test_it_tells_torn_from_whole_on_unseen_knees(measured):
    auc = measured["binary AUC"]
    assert auc.exams == UNSEEN_EXAMS
    assert auc.value >= 0.95


def test_its_map_points_at_the_ligament_far_above_chance(measured):
    hits = measured["heatmap's peak within 5 mm of the ligament"]
    chance = measured["the same for a peak at random in the examined block"]
    assert hits.value >= 0.8
    assert chance.interval_95[1] < 0.2


def assert_complete(demo: Predictor, volume) -> None:
    """For every class, on the source grid."""
    prediction = demo.predict(volume)
    assert prediction.method.exact
    source = prediction.footprint.carry_back(prediction.maps)
    total = source.sum(axis=(1, 2, 3), dtype=np.float64) + prediction.bias
    assert total == pytest.approx(prediction.logits.astype(np.float64), rel=COMPLETENESS)


def test_maps_add_up_on_synthetic_knees(demo, knees):
    for path in sorted(knees.glob("*/dicom"))[:4]:
        assert_complete(demo, load_study(path).volume)


@pytest.mark.real_knee
def test_maps_add_up_on_a_real_knee(demo, real_knee):
    assert_complete(demo, load_study(uploads(real_knee)).volume)
