"""From a volume to a prediction: screen, localise, crop, classify, explain, calibrate."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from data_prep.labels import FOUR_CLASS, LabelScheme
from data_prep.network_input.coarse import Coarse
from data_prep.network_input.footprint import Footprint
from data_prep.network_input.located import Located
from data_prep.network_input.network_input import NetworkInput
from data_prep.notice import Notice
from data_prep.volume import FloatArray, Volume
from models.bundle import Bundle
from models.explain.method import Method
from models.memory import memory_errors
from models.severity import expected_grade


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a bundle predicts for one volume, and why.

    Attributes:
        scheme: The classes.
        logits: Float32 `[K]`.
        probabilities: Float64 `[K]`.
        method: The explanation method that made the maps. If it is exact, maps and bias sum to the logits.
        bias: Float32 `[K]`.
        maps: Float32 `[K, s, h, w]`, the share of each cell of the grid of features in the logit.
        footprint: Where the maps lie in the volume.
        notices: Sentences for the reader.
        timing_ms: Milliseconds for `preprocess`, `network` and `explain`.
        located: What the localiser found; None if the bundle has no localiser.
    """

    scheme: LabelScheme
    logits: FloatArray
    probabilities: npt.NDArray[np.float64]
    method: Method
    bias: FloatArray
    maps: FloatArray
    footprint: Footprint
    notices: tuple[Notice, ...]
    timing_ms: dict[str, float]
    located: Located | None = None

    @property
    def explained_class(self) -> int:
        """The class that pictures and figures explain: the likeliest one that isn't healthy.

        So bright places in a picture always show evidence for an injury, also if the prediction is healthy.
        """
        return 1 + int(np.argmax(self.probabilities[1:]))

    @property
    def expected_grade(self) -> float | None:
        """Severity from 0 (healthy) to 3 (complete rupture); None for a binary model."""
        return float(expected_grade(self.probabilities, self.scheme)) if self.scheme.name == FOUR_CLASS.name else None

    def contributions(self) -> FloatArray:
        """The share of each of the volume's slices in each logit, `[K, S]`; 0 for slices that the recipe leaves out."""
        shares = np.zeros((len(self.scheme), self.footprint.volume_shape[0]), np.float32)
        shares[:, slice(*self.footprint.slices)] = self.maps.sum(axis=(2, 3), dtype=np.float64)
        return shares


class Predictor:
    """Predicts with one bundle. Not thread-safe: use it from one thread only.

    Attributes:
        bundle: The bundle.
        not_located: In how many volumes the localiser found no ligament, by the notice's code.
    """

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.not_located = Counter[str]()

    def predict(self, volume: Volume) -> Prediction:
        """Make the network input in two steps, then predict with one forward pass.

        Raises:
            UnsuitableStudy: If the volume can't be predicted on (`Coarse.of`).
        """
        return self.predict_from(Coarse.of(volume))

    @property
    def localises(self) -> bool:
        """Whether a localiser finds the centre of the crop. `predict_from` then needs the first step's result."""
        return self.bundle.localiser is not None

    def predict_from(self, step: Coarse | NetworkInput) -> Prediction:
        """Predict from the result of the first step, or of both, which may have been made by another process.

        Args:
            step: The volume's coarse step or network input. A bundle with a localiser needs a `Coarse`.

        Raises:
            MemoryError: The device has too little memory now. The slices go through the network in chunks of a fixed
                size (`models/routes/chunks.py`), so no study is to blame.
        """
        timing: dict[str, float] = {}
        located = Located()
        if isinstance(step, Coarse):
            located = self._located(step, timing)
            step = NetworkInput.of(step, self.bundle.recipe, located)
        timing["preprocess"] = step.took_ms
        bundle, footprint = self.bundle, step.footprint
        with _timed(timing, "network"), memory_errors():
            features = bundle.classifier.features(step.slices)
        with _timed(timing, "explain"), memory_errors():
            explanation = bundle.classifier.explain(step.slices, features)
        return Prediction(
            scheme=bundle.scheme,
            logits=explanation.logits,
            probabilities=bundle.calibration.probabilities(explanation.logits),
            method=explanation.method,
            bias=explanation.bias,
            maps=explanation.maps,
            footprint=footprint.part(*bundle.classifier.grid_span()),
            notices=bundle.notices() + step.notices + located.notices + _left_out(step),
            timing_ms=timing,
            located=located if self.localises else None,
        )

    def _located(self, coarse: Coarse, timing: dict[str, float]) -> Located:
        """What the localiser finds, nothing if the bundle has none. Its time counts as the network's."""
        if self.bundle.localiser is None:
            return Located()
        with _timed(timing, "network"), memory_errors():
            located = self.bundle.localiser.locate(coarse)
        self.not_located.update(notice.code for notice in located.notices)
        return located


def _left_out(network_input: NetworkInput) -> tuple[Notice, ...]:
    (first, stop), total = network_input.footprint.slices, network_input.footprint.volume_shape[0]
    if (first, stop) == (0, total):
        return ()
    where = "around the box that its localiser found" if network_input.box else "the middle of the knee"
    slices = f"slices {first + 1} to {stop}" if stop > first + 1 else f"slice {stop}"
    seen = f"The model looks at {slices} of {total}, {where}."
    return (Notice("slices-outside-extent", seen),)


@contextmanager
def _timed(timing: dict[str, float], step: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    timing[step] = round(timing.get(step, 0.0) + 1000 * (time.perf_counter() - start), 2)
