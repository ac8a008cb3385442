"""How many knees of each kind have a region above the threshold, are found unhealthy, and are positive.

    python -m tests.bench.regions --exams exams.csv [--split test] [--bundle models/bundles/demo]

Knees that the bundle has learnt from or was chosen on aren't counted. The table is Markdown, with 95 % intervals by
Clopper and Pearson. Figures of synthetic knees say nothing of patients.
"""

import argparse
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from app.contract.json_text import Json
from app.jobs.answer import answered
from app.results.colour_scale import HALF
from app.store.job import Job
from data_prep.labels import FOUR_CLASS
from data_prep.prepare.load import load_exam
from data_prep.progress import with_progress
from data_prep.selection.series import Selection
from data_prep.statistics import Figure
from data_prep.tables.exams import Exam, read_exams
from models.bundle import load_bundle
from models.predictor import Predictor

HEADINGS = ("knee", "found unhealthy", "positive", "has a region", "has one at half of full brightness")


def main() -> None:
    parser = argparse.ArgumentParser(description="Which knees have a region above the threshold.")
    parser.add_argument("--bundle", type=Path, default=Path("models/bundles/demo"))
    parser.add_argument("--exams", type=Path, required=True, help="an exam table with labels of four classes")
    parser.add_argument("--split", default="test", help="'all' for every exam of the table")
    options = parser.parse_args()
    predictor = Predictor(load_bundle(options.bundle))
    exams = [exam for exam in read_exams(options.exams) if options.split in (exam.split, "all")]
    found: dict[str, list[tuple[bool | None, ...]]] = defaultdict(list)
    for exam in with_progress([exam for exam in exams if is_unseen(predictor, exam)], "predicting"):
        job = Job.of(Selection(load_exam(exam), [], ()), "0", 0.0)
        found["|".join(exam.four_class)].append(outcomes(answered(predictor, job).answer))
    print(f"| {' | '.join(HEADINGS)} |\n|{'---|' * len(HEADINGS)}")
    for kind in FOUR_CLASS.classes:
        print(f"| {' | '.join([kind, *(share(column) for column in zip(*found[kind], strict=True))])} |")


def is_unseen(predictor: Predictor, exam: Exam) -> bool:
    """Whether the exam has one class, and isn't one that the bundle has learnt from or was chosen on."""
    seen = predictor.bundle.seen
    return len(exam.four_class) == 1 and (seen is None or seen.spoilt_by_id(exam.exam_id) is None)


def outcomes(said: Json) -> tuple[bool | None, ...]:
    """Of an answer: found unhealthy, positive, has a region, and would have one if the threshold were half."""
    result, scale = said["result"], said["explanation"]["scale"]
    point, is_dark = result.get("operating_point"), scale["threshold"] is None
    return (
        result["predicted"] != result["classes"][0],
        point and point["positive"],
        None if is_dark else scale["peak"] >= scale["threshold"],
        None if is_dark else scale["peak"] >= HALF * scale["full_brightness"],
    )


def share(hits: Sequence[bool | None]) -> str:
    """`19 of 20 (0.75 to 1.00)`; "unknown" if the bundle doesn't say."""
    if None in hits:
        return "unknown"
    low, high = Figure.of_share("", np.array(hits, bool), "").interval_95
    return f"{sum(map(bool, hits))} of {len(hits)} ({low:.2f} to {high:.2f})"


if __name__ == "__main__":
    main()
