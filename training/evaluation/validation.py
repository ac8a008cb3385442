"""What a model says of its validation exams. They chose its epoch and temperature, so it is no figure of the model; its
colour scale and operating point are measured on it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from data_prep.statistics import Doubles
from data_prep.tables.exams import Exam
from models.bundle import Bundle
from models.colour_scale import peaks
from training.config.place import Place
from training.data.examples import prepare


@dataclass(frozen=True, eq=False)
class Validated:
    """N validation exams with K classes.

    Attributes:
        allowed: the classes that the labels allow, bool `[N, K]`.
        probabilities: `[N, K]`.
        peaks: the highest evidence in each class's map, `[N, K]`.
    """

    allowed: npt.NDArray[np.bool_]
    probabilities: Doubles
    peaks: Doubles

    @property
    def healthy(self) -> npt.NDArray[np.bool_]:
        """The surely healthy exams, `[N]`. Class 0 is healthy in every scheme."""
        return self.allowed[:, 0] & ~self.allowed[:, 1:].any(axis=1)

    @property
    def injured(self) -> npt.NDArray[np.bool_]:
        """The surely injured exams, `[N]`."""
        return ~self.allowed[:, 0] & self.allowed[:, 1:].any(axis=1)


def validated(bundle: Bundle, exams: Sequence[Exam], place: Place) -> Validated:
    """Predict and explain the exams of split "val", which must have labels. Raises as `prepare` does."""
    held_out = [exam for exam in exams if exam.split == "val"]
    examples = prepare(held_out, bundle.scheme, bundle.recipe, place.inputs, place.workers, place.around)
    classifier, span, logits, found = bundle.classifier, bundle.classifier.grid_span(), [], []
    for slices in examples.inputs:
        explanation = classifier.explain(slices, classifier.features(slices))
        logits.append(explanation.logits)
        found.append(peaks(explanation.maps, bundle.recipe, span))
    return Validated(examples.allowed > 0, bundle.calibration.probabilities(np.stack(logits)), np.stack(found))
