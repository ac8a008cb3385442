"""From a volume to a prediction, the only orchestration: screen, localise, crop, classify, explain, calibrate."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from data_prep.boxes import Box
from data_prep.labels import FOUR_CLASS, LabelScheme
from data_prep.network_input.coarse import Coarse
from data_prep.network_input.footprint import Footprint
from data_prep.network_input.network_input import NetworkInput
from data_prep.notice import Notice
from data_prep.volume import FloatArray, Volume
from models.bundle import Bundle
from models.explain.method import Method
from models.severity import expected_grade


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a bundle says of one volume, and why.

    logits float32 `[K]`, probabilities float64 `[K]`, bias float32 `[K]`.
    maps: float32 `[K, s, h, w]`, each grid cell's share of the logit; `footprint` says where they lie in the volume.
    method: what made the maps; if it is exact, the maps and the bias sum to the logits.
    timing_ms: preprocess, network, explain. localised: a localiser was asked. box: what it found, in voxels.
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
    localised: bool = False
    box: Box | None = None

    @property
    def explained_class(self) -> int:
        """The class that pictures and figures explain: the likeliest one that isn't healthy.

        Where a picture is bright, something speaks for an injury, also when the knee is found healthy.
        """
        return 1 + int(np.argmax(self.probabilities[1:]))

    @property
    def expected_grade(self) -> float | None:
        """Severity from 0, healthy, to 3, complete rupture; None from a binary model."""
        return float(expected_grade(self.probabilities, self.scheme)) if self.scheme.name == FOUR_CLASS.name else None

    def contributions(self) -> FloatArray:
        """Each source slice's share of each logit, `[K, S]`; zero for slices that the recipe leaves out."""
        shares = np.zeros((len(self.scheme), self.footprint.volume_shape[0]), np.float32)
        shares[:, slice(*self.footprint.slices)] = self.maps.sum(axis=(2, 3), dtype=np.float64)
        return shares


class Predictor:
    """Asks one bundle. Not thread-safe: one thread owns it."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle

    def predict(self, volume: Volume) -> Prediction:
        """Both steps to the network's input, then one forward pass. Raises UnsuitableStudy as `Coarse.of` does."""
        return self.predict_from(Coarse.of(volume, with_grid=self.localises))

    @property
    def localises(self) -> bool:
        """Whether a localiser says where to cut: the coarse step must then make its grid."""
        return self.bundle.localiser is not None

    def predict_from(self, step: Coarse | NetworkInput) -> Prediction:
        """The same for a volume of which one step, or both, was done before, perhaps by another process.

        A bundle with a localiser needs a `Coarse` with its grid.
        """
        timing: dict[str, float] = {}
        prepared = self._cropped(step, timing) if isinstance(step, Coarse) else step
        timing["preprocess"] = prepared.took_ms
        bundle, footprint = self.bundle, prepared.footprint
        with _timed(timing, "network"):
            features = bundle.classifier.features(prepared.slices)
        with _timed(timing, "explain"):
            explanation = bundle.classifier.explain(prepared.slices, features)
        return Prediction(
            scheme=bundle.scheme,
            logits=explanation.logits,
            probabilities=bundle.calibration.probabilities(explanation.logits),
            method=explanation.method,
            bias=explanation.bias,
            maps=explanation.maps,
            footprint=footprint.part(*bundle.classifier.grid_span()),
            notices=bundle.notices() + prepared.notices + _left_out(prepared),
            timing_ms=timing,
            localised=self.localises,
            box=prepared.box,
        )

    def _cropped(self, coarse: Coarse, timing: dict[str, float]) -> NetworkInput:
        """The second step, around what the localiser finds. Its time counts as the network's."""
        if self.bundle.localiser is None:
            return NetworkInput.of(coarse, self.bundle.recipe)
        with _timed(timing, "network"):
            box = self.bundle.localiser.locate(coarse)
        return NetworkInput.of(coarse, self.bundle.recipe, box)


def _left_out(prepared: NetworkInput) -> tuple[Notice, ...]:
    (first, stop), total = prepared.footprint.slices, prepared.footprint.volume_shape[0]
    if (first, stop) == (0, total):
        return ()
    where = "around the box that its localiser found" if prepared.box else "the middle of the knee"
    seen = f"The model looks at slices {first} to {stop - 1} of 0 to {total - 1}, {where}."
    return (Notice("slices-outside-extent", seen),)


@contextmanager
def _timed(timing: dict[str, float], step: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    timing[step] = round(timing.get(step, 0.0) + 1000 * (time.perf_counter() - start), 2)
