"""Probabilities of pixels against the truth: AUC, calibration, and Dice at every threshold.

Each exam is kept as two histograms of its probabilities, so that thousands of resamples of millions of pixels take a
few matrix products. A probability is rounded to the nearest of `LEVELS` levels.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from data_prep.statistics import Doubles
from data_prep.volume import FloatArray

# Levels of a probability: 0, 1/1000 ... 1.
LEVELS = 1001
# Bins of a calibration curve, as in Guo 2017 (arXiv:1706.04599).
BINS = 15


def histogram(probability: FloatArray, truth: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """`[2, LEVELS]`: how many pixels that don't show a structure, and that do, have each probability.

    Args:
        probability: `[N]`, that each pixel shows it.
        truth: `[N]`, whether it does.
    """
    level = np.rint(np.clip(probability, 0, 1) * (LEVELS - 1)).astype(np.int64)
    return np.stack([np.bincount(level[truth == which], minlength=LEVELS) for which in (False, True)])


@dataclass(frozen=True, eq=False)
class PixelFigures:
    """Figures of pixels in every resample, from sums of histograms `[D, 2, LEVELS]`."""

    sums: Doubles

    def auc(self) -> Doubles:
        """`[D]`: how often a pixel of the structure has a higher probability than another; ties count half.

        nan where there are no pixels of one kind.
        """
        others, shown = self.sums[:, 0], self.sums[:, 1]
        above = (shown * (others.cumsum(axis=1) - others / 2)).sum(axis=1)
        pairs = shown.sum(axis=1) * others.sum(axis=1)
        areas: Doubles = np.divide(above, pairs, out=np.full(len(pairs), np.nan), where=pairs > 0)
        return areas

    def calibration_error(self) -> Doubles:
        """`[D]`: the expected calibration error, over `BINS` equal bins of the probability."""
        confidence, accuracy, pixels = self.curve()
        gap = np.abs(np.nan_to_num(confidence) - np.nan_to_num(accuracy))
        error: Doubles = (gap * pixels).sum(axis=1) / pixels.sum(axis=1)
        return error

    def curve(self) -> tuple[Doubles, Doubles, Doubles]:
        """The calibration curve, each `[D, BINS]`: mean probability, share that shows the structure, pixels."""
        level = np.arange(LEVELS) / (LEVELS - 1)
        of_bin = np.eye(BINS)[np.minimum((level * BINS).astype(int), BINS - 1)]
        pixels = self.sums.sum(axis=1) @ of_bin
        confidence = (self.sums.sum(axis=1) * level) @ of_bin
        shown = self.sums[:, 1] @ of_bin
        empty = np.full_like(pixels, np.nan)
        return (
            np.divide(confidence, pixels, out=empty.copy(), where=pixels > 0),
            np.divide(shown, pixels, out=empty, where=pixels > 0),
            pixels,
        )


def dice_by_level(histograms: npt.NDArray[np.int64]) -> Doubles:
    """Dice if pixels count from each level on: `[..., 2, LEVELS]` -> `[..., LEVELS]`; 1 if both masks are empty."""
    from_level = np.flip(np.flip(histograms, -1).cumsum(axis=-1), -1)
    hits, wrong = from_level[..., 1, :], from_level[..., 0, :]
    both = hits + wrong + from_level[..., 1, :1]
    dice: Doubles = np.divide(2 * hits, both, out=np.ones(both.shape), where=both > 0)
    return dice
