"""Figures of a bundle on exams with known truth. It predicts in the same way as the service.

Exams that the bundle has learnt from or was chosen on are left out, also under another id, and counted.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from data_prep.labels import BINARY
from data_prep.prepare.fingerprint import exam_digest
from data_prep.prepare.load import ligament_mask, load_exam
from data_prep.progress import with_progress
from data_prep.statistics import Doubles, Figure, draws, mean
from data_prep.tables.exams import Exam
from data_prep.volume import Volume
from models.bundle import Bundle, load_bundle
from models.predictor import Prediction, Predictor
from models.seen import SPOILT, Role, Seen
from training.data.checks import check_scorable_split, splits_of
from training.evaluation.metrics import binary_figures
from training.evaluation.operating_point import rates
from training.evaluation.pointing import HIT_MM, Pointing, pointing


@dataclass(frozen=True)
class ExamResult:
    """One exam's truth and prediction.

    Attributes:
        exam_id: the exam.
        unhealthy: the truth.
        probability: the predicted probability of unhealthy.
        pointing: how well the map points at the ligament; only for an unhealthy exam whose ligament is known.
        pointing_at: what it points at, the ligament's mask ("ligament") or the annotated box ("box").
        pixels: the digest of the exam's pixels, by which a bundle recognises the exam.
    """

    exam_id: str
    unhealthy: bool
    probability: float
    pointing: Pointing | None
    pointing_at: str
    pixels: str = ""


@dataclass(frozen=True)
class LeftOut:
    """How many exams were left out.

    Attributes:
        roles: the number of exams left out, by the role that they had when the bundle was made.
        of: the number of exams that a binary figure counts.
    """

    roles: Counter[Role]
    of: int

    def __str__(self) -> str:
        said = " and ".join(f"{self.roles[role]} {words}" for role, words in SPOILT.items() if self.roles[role])
        return f"{self.roles.total()} of {self.of} exams are left out: {said}"

    @property
    def aside(self) -> str:
        """An addition to `measured_on` of a figure; "" if nothing was left out."""
        return f" ({self})" if self.roles else ""


def scorable(exams: Sequence[Exam]) -> list[Exam]:
    """The exams with a single binary class; others can't be counted in a binary figure."""
    return [exam for exam in exams if len(exam.binary) == 1]


def evaluate(predictor: Predictor, exams: Sequence[Exam]) -> tuple[list[ExamResult], LeftOut]:
    """Predict every exam that a binary figure counts and that the bundle hasn't seen.

    Returns:
        A row for each predicted exam, and how many exams were left out because the bundle has seen them.

    Raises:
        InputError: for pixels that can't be read.
    """
    counted, rows, roles = scorable(exams), [], Counter[Role]()
    known = predictor.bundle.seen or Seen()
    for exam in with_progress(counted, "evaluating"):
        role = known.spoilt_by_id(exam.exam_id)
        volume = None if role else load_exam(exam)
        pixels = exam_digest(volume) if volume else ""
        role = role or known.spoilt_by_pixels(pixels)
        if role:
            roles[role] += 1
        elif volume:
            rows.append(_row(predictor, exam, volume, pixels))
    left_out = LeftOut(roles, len(counted))
    if roles:
        print(f"{left_out}, by their ids or their pixels")
    return rows, left_out


def outcomes(rows: Sequence[ExamResult]) -> tuple[npt.NDArray[np.bool_], Doubles]:
    """The truth, and the probability of unhealthy, of each exam: `[N]`, `[N]`."""
    return np.array([row.unhealthy for row in rows]), np.array([row.probability for row in rows])


def figures(rows: Sequence[ExamResult], measured_on: str) -> list[Figure]:
    """Binary AUC and accuracy; for known ligaments, how often the map's peak is a hit, and how often a random one."""
    results = binary_figures(*outcomes(rows), measured_on)
    for target in ("ligament", "box"):
        points = [row.pointing for row in rows if row.pointing and row.pointing_at == target]
        if points:
            hits, chances = (
                np.array([point.hit for point in points], float),
                np.array([point.chance for point in points]),
            )
            which = f"unhealthy ones of {measured_on}"
            drawn = draws(len(points))
            for name, values in (
                (f"heatmap's peak within {HIT_MM:g} mm of the {target}", hits),
                ("the same for a peak at random in the examined block", chances),
            ):
                results.append(Figure.of(name, mean(values, drawn), len(points), which))
    return results


def _row(predictor: Predictor, exam: Exam, volume: Volume, pixels: str) -> ExamResult:
    prediction = predictor.predict(volume)
    scheme = predictor.bundle.scheme
    probabilities: npt.NDArray[np.floating] = prediction.probabilities
    if scheme.name != BINARY.name:
        probabilities = scheme.collapse(probabilities, BINARY)
    unhealthy = exam.binary == {"unhealthy"}
    ligament = ligament_mask(exam, volume.shape) if unhealthy else None
    points = None if ligament is None else _pointing(prediction, ligament, volume.spacing_mm)
    target = "ligament" if exam.mask else "box"
    return ExamResult(exam.exam_id, unhealthy, float(probabilities[BINARY.index("unhealthy")]), points, target, pixels)


def _pointing(
    prediction: Prediction, ligament: npt.NDArray[np.bool_], spacing_mm: tuple[float, float, float]
) -> Pointing:
    place = prediction.footprint
    rows, columns = (slice(max(math.floor(low), 0), math.ceil(high)) for low, high in (place.rows, place.columns))
    examined = (slice(*place.slices), rows, columns)
    return pointing(place.carry_back(prediction.maps[prediction.explained_class]), ligament, spacing_mm, examined)


def _at_point(bundle: Bundle, rows: Sequence[ExamResult], measured_on: str) -> list[Figure]:
    """Sensitivity and specificity at the bundle's operating point, if it has one."""
    if bundle.operating_point is None:
        return []
    found = rates(*outcomes(rows), bundle.operating_point.threshold, measured_on)
    return [found.sensitivity, found.specificity]


def of_split(exams: Sequence[Exam], split: str, table: str) -> list[Exam]:
    """The exams to evaluate on.

    Args:
        exams: the whole table.
        split: the name of a split, or "all".
        table: the table's name, for messages.

    Raises:
        ValueError: if there is no exam of this split (the message names the splits of the table), or if these exams
            don't allow a binary AUC.
    """
    chosen = [exam for exam in exams if split in (exam.split, "all")]
    if not chosen:
        raise ValueError(
            f"no exam of split {split!r} in {table}, which has {splits_of(exams)}; choose one with --split"
        )
    if not scorable(chosen):
        raise ValueError(
            f"none of {len(chosen)} exams of split {split} in {table} is surely healthy or surely unhealthy"
        )
    check_scorable_split(chosen, f"split {split} of {table}")
    return chosen


def report(folder: Path, exams: Sequence[Exam], which: str) -> tuple[list[Figure], list[ExamResult]]:
    """Figures of a bundle on exams that it hasn't seen.

    Args:
        folder: the bundle.
        exams: exams with known truth.
        which: which exams these are, in words.

    Returns:
        The figures, and a row for each predicted exam.

    Raises:
        ValueError: if too few exams are left.
    """
    bundle = load_bundle(folder)
    if bundle.seen is None:
        print(f"warning: {bundle.name} doesn't say which exams it has learnt from: figures may include them")
    rows, left_out = evaluate(Predictor(bundle), exams)
    known = {row.exam_id for row in rows}
    if not rows:
        raise ValueError(f"nothing remains to predict on: {left_out}")
    check_scorable_split([exam for exam in exams if exam.exam_id in known], f"what is left of {which}{left_out.aside}")
    sources = "/".join(sorted({exam.source for exam in exams}))
    measured_on = f"{sources} exams, {which}{left_out.aside}"
    return [*figures(rows, measured_on), *_at_point(bundle, rows, measured_on)], rows
