import dataclasses

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, roc_auc_score

from data_prep.masks.annotated import Annotated
from models.segment.recipe import SegmentRecipe, inputs
from models.segment.segmented import Segmented
from tests.training.drawings import TINY, annotated
from training.config.segmentation import load_segment_config
from training.evaluation.pixels import histogram
from training.evaluation.segmentation import (
    MeasuredMask,
    as_table,
    calibration_curves,
    chosen_threshold,
    mask_figures,
    measure_masks,
)

RECIPE = load_segment_config("quick", TINY)[0].inputs


@dataclasses.dataclass
class Guessing:
    """Stands for a segmenter: 0.7 where the truth is, moved by some columns, 0.1 elsewhere, and a little noise."""

    exams: dict[int, Annotated]
    moved: int = 0
    threshold: float = 0.5
    structures: tuple[str, ...] = ("acl",)
    recipe: SegmentRecipe = RECIPE

    def probabilities(self, voxels: np.ndarray, spacing_mm: object) -> Segmented:
        (exam,) = (exam for exam in self.exams.values() if exam.voxels is voxels)
        _, footprint = inputs(voxels, exam.spacing_mm, self.recipe)
        shown = np.roll(exam.labels == 1, self.moved, axis=2)
        noise = np.random.default_rng(int(voxels[0, 0, 0] * 1000)).random(shown.shape) / 5
        return Segmented((np.where(shown, 0.7, 0.1) + noise).astype(np.float32)[None], footprint)


def guessing(count: int, **rest: object) -> Guessing:
    return Guessing({seed: annotated(seed, "test", slices=3) for seed in range(count)}, **rest)


def measured(guess: Guessing) -> list[MeasuredMask]:
    return [row for exam in guess.exams.values() for row in measure_masks(guess, exam)]


def figures(rows: list[MeasuredMask]) -> dict[str, tuple[float, int]]:
    return {figure.name: (figure.value, figure.exams) for figure in mask_figures(rows, "drawn exams")}


def test_a_mask_that_is_right_has_full_marks():
    found = figures(measured(guessing(4)))
    for name in ("Dice", "IoU", "precision", "recall", "pixel F1", "pixel accuracy", "pixel AUC", "peak on it"):
        assert found[f"acl {name}"][0] == pytest.approx(1.0), name
    assert found["acl Hausdorff 95 (mm)"] == (0.0, 4)
    assert found["acl box's sides within 5 mm"] == (1.0, 4)


def test_pixel_figures_are_scikit_learns():
    guess = guessing(4, moved=3)
    rows = measured(guess)
    found = figures(rows)
    exams = guess.exams.values()
    segmented = [guess.probabilities(exam.voxels, None) for exam in exams]
    truth = np.concatenate([exam.labels.ravel() == 1 for exam in exams])
    given = np.concatenate([one.probabilities.ravel() for one in segmented])
    answers = np.concatenate([one.labels(("acl",), 0.5, (3.0, 1.0, 1.0)).ravel() for one in segmented])
    assert found["acl pixel F1"][0] == pytest.approx(f1_score(truth, answers))
    assert found["acl pixel accuracy"][0] == pytest.approx(accuracy_score(truth, answers))
    assert found["acl pixel AUC"][0] == pytest.approx(roc_auc_score(truth, given), abs=1e-3)  # of rounded probabilities
    assert 0 < found["acl Dice"][0] < 0.7
    assert found["acl box's centre within 5 mm"][0] == 1
    assert figures(measured(guessing(4, moved=9)))["acl box's centre within 5 mm"][0] == 0


def test_an_interval_is_over_patients():
    rows = measured(guessing(6, moved=2))
    apart = {figure.name: figure for figure in mask_figures(rows, "x")}["acl Dice"]
    one_patient = [dataclasses.replace(row, patient_id="a" if index < 3 else "b") for index, row in enumerate(rows)]
    together = {figure.name: figure for figure in mask_figures(one_patient, "x")}["acl Dice"]
    assert apart.value == together.value
    assert apart.interval_95 != together.interval_95
    assert apart.interval_95[0] <= apart.value <= apart.interval_95[1]
    assert mask_figures([dataclasses.replace(row, patient_id="a") for row in rows], "x") == []


def test_exams_without_the_structure_count_in_dice_and_not_in_distances():
    guess = guessing(3)
    guess.exams[9] = annotated(9, "test", slices=3, shown=False)
    found = {figure.name: figure for figure in mask_figures(measured(guess), "exams")}
    assert found["acl Dice"].exams == 4
    assert found["acl Dice"].value == 1  # nothing there, nothing found
    assert found["acl Hausdorff 95 (mm)"].exams == 3
    assert found["acl Hausdorff 95 (mm)"].measured_on == "exams, without 1 where it isn't defined"
    assert found["acl peak on it"].exams == 3


def test_the_threshold_is_the_one_with_the_highest_dice_nearest_to_a_half():
    guess = guessing(3)
    threshold, dice = chosen_threshold(guess, guess.exams.values())
    assert dice == 1
    assert threshold == 0.5  # everything between 0.3 and 0.7 gives the same
    unsure = guessing(3)
    unsure.probabilities = lambda voxels, _: _halved(guess, voxels)  # 0.35 to 0.45 on the band, 0.05 to 0.15 elsewhere
    threshold, dice = chosen_threshold(unsure, guess.exams.values())
    assert dice == 1
    assert 0.3 < threshold <= 0.351
    with pytest.raises(ValueError, match="a threshold needs validation exams"):
        chosen_threshold(guess, [])


def _halved(guess: Guessing, voxels: np.ndarray) -> Segmented:
    found = guess.probabilities(voxels, None)
    return Segmented(found.probabilities / 2, found.footprint)


def test_confidence_stands_beside_accuracy():
    (bins,) = calibration_curves(measured(guessing(2))).values()
    assert sum(each["pixels"] for each in bins) == 2 * 3 * 32 * 32
    low, high = bins[0], bins[-1]
    assert (low["accuracy"], high["accuracy"]) == (0, 1)
    assert low["confidence"] < 0.2
    assert high["confidence"] > 0.8


def test_what_is_not_defined_is_empty_in_the_table():
    guess = guessing(1)
    guess.exams[9] = annotated(9, "test", slices=3, shown=False)
    first, second = as_table(measured(guess))
    assert (first["exam_id"], first["dice"], first["peak_on"]) == ("exam 0", 1.0, True)
    assert (second["dice"], second["hausdorff_95_mm"], second["peak_on"]) == (1.0, "", "")
    assert set(first) == set(second)


def test_histograms_are_of_drawn_slices_only():
    exam = annotated(1, "test", slices=3)
    few = dataclasses.replace(
        exam, drawn=np.array([True, False, False]), labels=exam.labels * np.uint8([[[1]], [[0]], [[0]]])
    )
    guess = Guessing({1: few})
    (row,) = measure_masks(guess, few)
    assert row.histograms.sum() == 32 * 32
    given = guess.probabilities(few.voxels, None).probabilities[0, 0].ravel()
    assert np.array_equal(row.histograms, histogram(given, few.labels[0].ravel() == 1))
