"""`training.measure` adds what a bundle lacks, on the very exams that it was chosen on, and touches nothing else."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import training.measure
from data_prep.prepare.fingerprint import exam_digest
from data_prep.prepare.load import load_exam
from data_prep.tables.exams import Exam, read_exams, write_exams
from models.bundle import load_bundle, write_bundle
from models.calibration import Calibration
from models.files.manifest import digests
from models.seen import Seen
from tests.data_prep.exam_factory import noise
from tests.models.conftest import PROVENANCE, RECIPE, tiny_mrnet
from tests.training.commands import run_here

pytestmark = pytest.mark.slow

VALIDATION, TEST = 42, 8


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> Path:
    """Arrays of noise: half are called healthy, half unhealthy."""
    folder = tmp_path_factory.mktemp("exams")
    exams = []
    for number in range(VALIDATION + TEST):
        np.save(folder / f"{number}.npy", noise(number))
        label = frozenset({"unhealthy" if number % 2 else "healthy"})
        split = "val" if number < VALIDATION else "test"
        exam = Exam(f"e{number}", f"p{number}", Path(f"{number}.npy"), "phantom", binary=label, split=split)
        exams.append(replace(exam, spacing_mm=(4.0, 1.5, 1.5)))
    write_exams(exams, folder / "exams.csv")
    return folder / "exams.csv"


@pytest.fixture(scope="module")
def made(table, tmp_path_factory) -> Path:
    """An untrained bundle without colour scale and operating point."""
    exams = read_exams(table)
    known = [exam for exam in exams if exam.split == "val"]
    pixels = {exam.exam_id: exam_digest(load_exam(exam)) for exam in known}
    seen = Seen.of(exams, pixels, dict.fromkeys(pixels, "chosen"))
    folder = tmp_path_factory.mktemp("bundle") / "tiny"
    write_bundle(folder, tiny_mrnet(), "mrnet", RECIPE, Calibration(1.5), {"figures": []}, PROVENANCE, "", seen=seen)
    return folder


@pytest.fixture
def bundle(made, tmp_path) -> Path:
    """One of one's own."""
    return shutil.copytree(made, tmp_path / "tiny")


def measure(bundle: Path, table: Path, *words: str):
    return run_here(training.measure.main, str(bundle), "--exams", str(table), "--jobs", "1", *words)


def test_it_adds_thresholds_and_operating_point_and_keeps_the_weights(bundle, table):
    before = digests(bundle)
    result = measure(bundle, table)
    assert result.returncode == 0, result.stderr
    measured, after = load_bundle(bundle), digests(bundle)
    assert measured.colour_scale.thresholds["unhealthy"].exams == VALIDATION // 2
    fair, flattered = measured.operating_point.known
    assert (fair.sensitivity.exams, fair.specificity.exams) == (TEST // 2, TEST // 2)
    assert flattered.sensitivity.value >= measured.operating_point.target_sensitivity == 0.95
    assert "phantom exams of split test, never used for a choice" in fair.sensitivity.measured_on
    assert str(flattered.specificity) in result.stdout
    kept = ("model.weights.h5", "golden.json", "calibration.json", "recipe.json", "exams.json", "metrics.json")
    assert [before[name] for name in kept] == [after[name] for name in kept]
    assert measured.manifest["measured_again"]["command"] == "python -m training.measure tiny --sensitivity 0.95"


def without_an_exam(table: Path, folder: Path) -> Path:
    write_exams(read_exams(table)[1:], folder / "exams.csv")
    return folder / "exams.csv"


def with_other_pixels(table: Path, folder: Path) -> Path:
    np.save(folder / "0.npy", noise(1000))
    first, *others = read_exams(table)
    write_exams([replace(first, path=folder / "0.npy"), *others], folder / "exams.csv")
    return folder / "exams.csv"


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (without_an_exam, "split 'val' of the table isn't what tiny was chosen on"),
        (with_other_pixels, "1 of 42 exams of split 'val' have other pixels than in the training"),
    ],
)
def test_other_exams_are_refused(bundle, table, tmp_path, other: Callable[[Path, Path], Path], reason):
    before = digests(bundle)
    result = measure(bundle, other(table, tmp_path))
    assert result.returncode == 2
    assert reason in result.stderr
    assert digests(bundle) == before


def test_a_sensitivity_that_cant_be_reached_is_refused(bundle, table):
    assert "--sensitivity must lie between 0 and 1" in measure(bundle, table, "--sensitivity", "1").stderr
