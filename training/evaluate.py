"""Ask a bundle about exams whose truth is known, by the very path that the service takes.

    python -m training.evaluate BUNDLE --exams exams.csv [--split test] [--out figures.json]

Figures mean something only on exams that no choice was made on.
"""

import argparse
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from data_prep.exams import Exam, read_exams
from data_prep.exams.load import ligament_mask, load_exam
from data_prep.figures import Figure, figure
from data_prep.labels import BINARY
from models.bundle import load_bundle
from models.predictor import Prediction, Predictor
from training.localisation import HIT_MM, Pointing, pointing
from training.metrics import binary_figures


@dataclass(frozen=True)
class Row:
    """One exam's truth and answer; `pointing` only for an unhealthy exam, at its `ligament` or annotated `box`."""

    exam_id: str
    unhealthy: bool
    probability: float
    pointing: Pointing | None
    pointing_at: str


def judged(exams: Sequence[Exam]) -> list[Exam]:
    """The exams with a single binary class; the others say nothing about a binary figure."""
    return [exam for exam in exams if len(exam.binary) == 1]


def evaluate(predictor: Predictor, exams: Sequence[Exam]) -> list[Row]:
    """One row for each exam that a binary figure counts."""
    return [_row(predictor, exam) for exam in tqdm(judged(exams), desc="evaluating", unit="exam")]


def figures(rows: Sequence[Row], measured_on: str) -> list[Figure]:
    """Binary AUC and accuracy; for known ligaments, how often the map's peak hits, beside chance."""
    unhealthy = np.array([row.unhealthy for row in rows])
    results = binary_figures(unhealthy, np.array([row.probability for row in rows]), measured_on)
    for target in ("ligament", "box"):
        points = [row.pointing for row in rows if row.pointing and row.pointing_at == target]
        if points:
            hits, chances = (
                np.array([point.hit for point in points], float),
                np.array([point.chance for point in points]),
            )
            which = f"unhealthy ones of {measured_on}"
            results.append(figure(f"heatmap's peak within {HIT_MM:g} mm of the {target}", np.mean, (hits,), which))
            results.append(figure("the same for a peak at random in the examined block", np.mean, (chances,), which))
    return results


def _row(predictor: Predictor, exam: Exam) -> Row:
    volume = load_exam(exam)
    prediction = predictor.predict(volume)
    scheme = predictor.bundle.scheme
    probabilities: npt.NDArray[np.floating] = prediction.probabilities
    if scheme.name != BINARY.name:
        probabilities = scheme.collapse(probabilities, BINARY)
    unhealthy = exam.binary == {"unhealthy"}
    ligament = ligament_mask(exam, volume.shape) if unhealthy else None
    points = None if ligament is None else _pointing(prediction, ligament, volume.spacing_mm)
    target = "ligament" if exam.mask else "box"
    return Row(exam.exam_id, unhealthy, float(probabilities[BINARY.index("unhealthy")]), points, target)


def _pointing(
    prediction: Prediction, ligament: npt.NDArray[np.bool_], spacing_mm: tuple[float, float, float]
) -> Pointing:
    """The map of the unhealthy class, or of the likeliest class of a finer scheme that isn't healthy."""
    unhealthy = 1 + int(prediction.probabilities[1:].argmax())
    place = prediction.footprint
    rows, columns = (slice(max(math.floor(low), 0), math.ceil(high)) for low, high in (place.rows, place.columns))
    examined = (slice(*place.slices), rows, columns)
    return pointing(place.carry_back(prediction.maps[unhealthy]), ligament, spacing_mm, examined)


def main() -> None:
    parser = argparse.ArgumentParser(description="Figures of a bundle on exams with known truth.")
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--exams", type=Path, required=True)
    parser.add_argument("--split", default="test", help="the split to judge on; 'all' for every exam of the table")
    parser.add_argument("--out", type=Path, help="write figures and every exam's answer as JSON")
    arguments = parser.parse_args()

    try:
        exams = [exam for exam in read_exams(arguments.exams) if arguments.split in (exam.split, "all")]
        rows = evaluate(Predictor(load_bundle(arguments.bundle)), exams)
        sources = "/".join(sorted({exam.source for exam in exams}))
        results = figures(rows, f"{sources} exams, split {arguments.split}, of {arguments.exams.name}")
    except (ValueError, OSError) as error:
        parser.exit(2, f"{parser.prog}: {error}\n")
    print(*results, sep="\n")
    if arguments.out:
        report = {"figures": [asdict(result) for result in results], "exams": [asdict(row) for row in rows]}
        arguments.out.write_text(json.dumps(report, indent=2, allow_nan=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
