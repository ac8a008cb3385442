"""What a bundle says of itself: figures on test exams; colour scale and operating point from validation exams."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from data_prep.statistics import Figure
from data_prep.tables.exams import Exam
from models.bundle import Bundle
from models.colour_scale import ColourScale
from models.operating_point import OperatingPoint
from models.predictor import Predictor
from training.config.place import Place
from training.data.checks import check_scorable_split
from training.evaluation.colour_scale import measured_scale
from training.evaluation.operating_point import chosen_point, rates
from training.evaluation.report import ExamResult, evaluate, figures, outcomes
from training.evaluation.validation import validated


@dataclass(frozen=True)
class Measured:
    """What was measured of a trained model. A bundle of a single fold has nothing of it.

    Attributes:
        figures: on test exams; empty if there are too few.
        rows: the test exams, each with its prediction.
        colour_scale: how bright heatmaps are; None if validation exams are too few.
        operating_point: from which probability on a knee is positive; None if validation exams are too few.
    """

    figures: Sequence[Figure] = ()
    rows: Sequence[ExamResult] = ()
    colour_scale: ColourScale | None = None
    operating_point: OperatingPoint | None = None


def measured(bundle: Bundle, exams: Sequence[Exam], place: Place, sensitivity: float) -> Measured:
    """Measure a bundle on splits "val" and "test".

    Args:
        bundle: the bundle; it needn't be on disk.
        exams: the whole exam table.
        place: folders and processors.
        sensitivity: the sensitivity that the operating point is chosen for.

    Raises:
        ValueError: see `prepare`. Unreadable pixels are an InputError, which is a ValueError.
    """
    test, sources = [exam for exam in exams if exam.split == "test"], sources_of(exams)
    rows, results = _on_test(bundle, test, sources) if test else ([], [])
    print(*results, sep="\n")
    held_out = validated(bundle, exams, place)
    point = chosen_point(held_out, sensitivity, bundle.calibration.doubt, sources)
    if point and results:
        point = replace(point, tested_on=rates(*outcomes(rows), point.threshold, results[0].measured_on))
    if point:
        print(*(figure for one in point.known for figure in (one.sensitivity, one.specificity)), sep="\n")
    return Measured(results, rows, measured_scale(held_out, bundle.scheme), point)


def sources_of(exams: Sequence[Exam], between: str = "/") -> str:
    """The sources of the exams, each once."""
    return between.join(sorted({exam.source for exam in exams}))


def _on_test(bundle: Bundle, test: Sequence[Exam], sources: str) -> tuple[list[ExamResult], list[Figure]]:
    """Predictions and figures on the exams `test`.

    Exams with a copy in the training or validation part are left out. If too few remain, there are no figures.
    """
    rows, left_out = evaluate(Predictor(bundle), test)
    known = {row.exam_id for row in rows}
    try:
        check_scorable_split([exam for exam in test if exam.exam_id in known], "what is left of split test")
    except ValueError as error:
        print(f"warning: {left_out}; therefore the bundle has no figures: {error}")
        return rows, []
    return rows, figures(rows, f"{sources} exams of split test, never used for a choice{left_out.aside}")
