"""Motion ghosts: the limb appears again, shifted along the phase direction.

A picture of spectrum A(k) with replicas of strength g at a distance d on both sides has A(k) (1 + 2 g cos(2 pi k d)):
the logarithm of its power ripples along k with an amplitude of 4 g. How much it ripples, for each d, is the cepstrum
(Bogert, Healy and Tukey 1963). Averaged over slices and frequencies across, the anatomy's own ups and downs cancel.
"""

import numpy as np
import numpy.typing as npt
from scipy import fft

from data_prep.quality.sketch import Sketch
from data_prep.volume import FloatArray

# Cycles per picture, from and to, that are looked at: below lies the limb's outline, above noise.
BAND = (4, 40)
# Distances of replicas, as shares of the picture; nearer ones are blur, farther ones the other side's.
SHIFTS = np.linspace(0.05, 0.5, 181)
# Strength of replicas on both sides; one on one side counts half. Patients who lie still as well as they can have 7 %.
MAX_GHOST = 0.1
# Power of nothing, of which a logarithm can be taken, as a share of the mean power.
FLOOR = 1e-9


def ghosts(sketch: Sketch) -> str | None:
    """Replicas along rows or columns that all slices share."""
    means = sketch.means[sketch.shows]
    if min(means.shape[1:]) <= 4 * BAND[0]:
        return None  # a strip of pixels has no spectrum to speak of
    power = np.abs(fft.fft2(means)) ** 2
    strength = max(_ripple(power), _ripple(power.transpose(0, 2, 1))) / 4
    if strength <= MAX_GHOST:
        return None
    return f"The limb appears again on both sides with {strength:.0%} of its brightness; {MAX_GHOST:.0%} is the most."


def _ripple(power: FloatArray) -> float:
    """The largest amplitude of a ripple along rows in the logarithm of `[slices, rows, columns]`."""
    along, across = (np.arange(BAND[0], min(BAND[1], size // 2)) for size in power.shape[1:])
    inside = power[:, along][:, :, np.concatenate([across, -across])]
    log = np.log(inside + FLOOR * inside.mean()).mean(axis=(0, 2))
    window = np.hanning(len(along) + 2)[1:-1]
    ripples = (log - _trend(along, log)) * window
    waves = np.exp(2j * np.pi * SHIFTS[:, None] * along)
    return float(2 * np.abs(waves @ ripples).max() / window.sum())


def _trend(along: npt.NDArray[np.int_], log: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Edges' power falls with frequency, smoothly: a cubic in its logarithm."""
    return np.asarray(np.polyval(np.polyfit(np.log(along), log, 3), np.log(along)))
