"""Figures of a segmenter on exams whose masks are known. Intervals are over patients, each drawn with all exams."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from data_prep.masks.annotated import Annotated
from data_prep.statistics import FEWEST, Doubles, Figure, draws, mean
from models.segment.segmented import Segmented
from models.segment.segmenter import Segmenter
from training.data.annotated_inputs import UNKNOWN, grid_labels, labels_of
from training.evaluation.mask_scores import MaskScore, mask_score
from training.evaluation.pixels import LEVELS, PixelFigures, dice_by_level, histogram

# A box within this distance of the true one serves a classifier: its crop has a margin of at least as much.
NEAR_MM = 5.0
# Thresholds that may be chosen. Beyond them a probability of 0 or 1 would decide.
LOWEST, HIGHEST = 0.05, 0.95
MEANS = {
    "dice": "Dice",
    "iou": "IoU",
    "precision": "precision",
    "recall": "recall",
    "hausdorff_95_mm": "Hausdorff 95 (mm)",
}


@dataclass(frozen=True, eq=False)
class MeasuredMask:
    """One structure of one exam.

    Attributes:
        exam_id: the exam.
        patient_id: its patient.
        structure: its name.
        score: the mask against the truth.
        histograms: the probabilities of pixels, int64 `[2, LEVELS]`, see `pixels.histogram`.
        peak_on: whether the highest probability lies on the structure; None if the truth shows none.
    """

    exam_id: str
    patient_id: str
    structure: str
    score: MaskScore
    histograms: npt.NDArray[np.int64]
    peak_on: bool | None


def measure_masks(segmenter: Segmenter, exam: Annotated) -> list[MeasuredMask]:
    """Segment an exam and compare every structure. ValueError if a structure wasn't drawn in it."""
    found = segmenter.probabilities(exam.voxels, exam.spacing_mm)
    labels = found.labels(segmenter.structures, segmenter.threshold, exam.spacing_mm)
    truth = labels_of(exam, segmenter.structures)
    spacing = exam.spacing_mm or segmenter.recipe.spacing_mm(exam.shape)
    pixels = _pixels(segmenter, exam, found)
    return [
        MeasuredMask(
            exam.exam_id,
            exam.patient_id,
            name,
            mask_score(truth == label, labels == label, exam.drawn, spacing),
            histogram(probability, shown),
            bool(shown[probability.argmax()]) if shown.any() else None,
        )
        for label, (name, (probability, shown)) in enumerate(zip(segmenter.structures, pixels, strict=True), start=1)
    ]


def _pixels(
    segmenter: Segmenter, exam: Annotated, found: Segmented
) -> list[tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]]:
    """Of each structure: the probabilities of all pixels with a known label, and whether they show it."""
    truth = grid_labels(exam, segmenter.structures, found.footprint, segmenter.recipe)
    known = truth != UNKNOWN
    return [
        (probability[known], truth[known] == label) for label, probability in enumerate(found.probabilities, start=1)
    ]


def chosen_threshold(segmenter: Segmenter, exams: Iterable[Annotated]) -> tuple[float, float]:
    """The probability from which on pixels count, for the highest mean Dice of validation exams and structures.

    If several give the same Dice, the one nearest to 0.5 is taken. Pixels are those of the network input, not cleaned.

    Returns:
        The threshold and its mean Dice.

    Raises:
        ValueError: there are no exams.
    """
    counted = [
        histogram(*pixels)
        for exam in exams
        for pixels in _pixels(segmenter, exam, segmenter.probabilities(exam.voxels, exam.spacing_mm))
    ]
    if not counted:
        raise ValueError("a threshold needs validation exams")
    dice = dice_by_level(np.stack(counted)).mean(axis=0)
    levels = np.arange(LEVELS) / (LEVELS - 1)
    allowed = np.flatnonzero((levels >= LOWEST) & (levels <= HIGHEST))
    best = allowed[dice[allowed] >= dice[allowed].max() - 1e-9]
    level = int(best[np.abs(levels[best] - 0.5).argmin()])
    return float(levels[level]), float(dice[level])


def mask_figures(rows: Sequence[MeasuredMask], measured_on: str) -> list[Figure]:
    """All figures of every structure; none of a structure with fewer than two patients.

    Dice, IoU, precision, recall, Hausdorff: means over exams. AUC, F1, accuracy and calibration error: of all pixels
    together; F1 and accuracy of cleaned masks in source voxels, the other two of probabilities on the network's pixels.
    """
    return [
        figure
        for name in dict.fromkeys(row.structure for row in rows)
        for figure in _figures_of(name, [row for row in rows if row.structure == name], measured_on)
    ]


def _figures_of(name: str, rows: Sequence[MeasuredMask], measured_on: str) -> list[Figure]:
    found = [
        _mean(f"{name} {words}", rows, [getattr(row.score, key) for row in rows], measured_on)
        for key, words in MEANS.items()
    ]
    shown = [row for row in rows if row.peak_on is not None]
    which = f"that show it, of {measured_on}"
    for words, hits in (
        (f"box's centre within {NEAR_MM:g} mm", [row.score.centre_mm <= NEAR_MM for row in shown]),
        (f"box's sides within {NEAR_MM:g} mm", [row.score.sides_mm <= NEAR_MM for row in shown]),
        ("peak on it", [bool(row.peak_on) for row in shown]),
    ):
        found.append(_share(f"{name} {words}", shown, hits, which))
    return [figure for figure in found if figure] + _pixel_figures(name, rows, measured_on)


def _pixel_figures(name: str, rows: Sequence[MeasuredMask], measured_on: str) -> list[Figure]:
    drawn = _draws(rows)
    if drawn is None:
        return []
    pixels = PixelFigures(np.einsum("de,ekl->dkl", drawn, np.stack([row.histograms for row in rows])))
    both, wrong, missed, rest = (drawn @ np.array([row.score.counts for row in rows], float)).T
    either = 2 * both + wrong + missed
    values = {
        "pixel F1": np.divide(2 * both, either, out=np.ones_like(both), where=either > 0),
        "pixel accuracy": (both + rest) / (both + wrong + missed + rest),
        "pixel AUC": pixels.auc(),
        "calibration error of pixels": pixels.calibration_error(),
    }
    on = f"exams with all their pixels, {measured_on}"
    return [
        Figure.of(f"{name} {words}", value, len(rows), on) for words, value in values.items() if not np.isnan(value[0])
    ]


def calibration_curves(rows: Sequence[MeasuredMask]) -> dict[str, list[dict[str, float | int]]]:
    """Of each structure, confidence against accuracy: one entry for each bin that has pixels."""
    curves = {}
    for name in dict.fromkeys(row.structure for row in rows):
        total = np.sum([row.histograms for row in rows if row.structure == name], axis=0)
        confidence, accuracy, pixels = (part[0] for part in PixelFigures(total[None].astype(float)).curve())
        curves[name] = [
            {"confidence": float(sure), "accuracy": float(right), "pixels": int(count)}
            for sure, right, count in zip(confidence, accuracy, pixels, strict=True)
            if count
        ]
    return curves


def as_table(rows: Sequence[MeasuredMask]) -> list[dict[str, Any]]:
    """A line for each exam and structure, for a CSV file; what isn't defined is empty."""
    return [
        {
            "exam_id": row.exam_id,
            "patient_id": row.patient_id,
            "structure": row.structure,
            **{
                key: "" if isinstance(value, float) and math.isnan(value) else value
                for key, value in asdict(row.score).items()
                if key != "counts"
            },
            "peak_on": "" if row.peak_on is None else row.peak_on,
        }
        for row in rows
    ]


def _draws(rows: Sequence[MeasuredMask]) -> Doubles | None:
    """How often each resample drew each row, `[D, N]`; None with fewer than `FEWEST` patients."""
    patients, index = np.unique([row.patient_id for row in rows], return_inverse=True)
    return draws(len(patients))[:, index] if len(patients) >= FEWEST else None


def _mean(name: str, rows: Sequence[MeasuredMask], values: Sequence[float], measured_on: str) -> Figure | None:
    """The mean over the exams in which the score is defined."""
    kept = [(row, value) for row, value in zip(rows, values, strict=True) if not math.isnan(value)]
    drawn = _draws([row for row, _ in kept])
    if drawn is None:
        return None
    undefined = f", without {len(rows) - len(kept)} where it isn't defined" if len(kept) < len(rows) else ""
    measured = mean(np.array([value for _, value in kept]), drawn)
    return Figure.of(name, measured, len(kept), f"{measured_on}{undefined}")


def _share(name: str, rows: Sequence[MeasuredMask], hits: Sequence[bool], measured_on: str) -> Figure | None:
    """The share of exams that are hits: exact if each is of another patient, else by resampling patients."""
    drawn = _draws(rows)
    if drawn is None:
        return None
    if len({row.patient_id for row in rows}) == len(rows):
        return Figure.of_share(name, np.array(hits), measured_on)
    return Figure.of(name, mean(np.array(hits, float), drawn), len(rows), measured_on)
