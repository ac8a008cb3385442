"""Motion ghosts: the limb appears again, shifted along the phase direction.

A picture with the spectrum A(k) and replicas of strength g at a distance d on both sides has the spectrum
A(k) (1 + 2 g cos(2 pi k d)): the logarithm of its power oscillates along k with an amplitude of 4 g. The amplitude for
each d is the cepstrum (Bogert, Healy and Tukey 1963). In the average over slices and frequencies across, the
oscillations of the anatomy cancel.
"""

import numpy as np
import numpy.typing as npt
from scipy import fft

from data_prep.quality.sketch import Sketch
from data_prep.volume import FloatArray

# Range of cycles per picture that is used: the limb's outline lies below, noise above.
BAND = (4, 40)
# Distances of replicas, as shares of the picture. Nearer ones are blur; farther ones belong to the other side.
SHIFTS = np.linspace(0.05, 0.5, 181)
# Strength of replicas on both sides; a replica on one side counts half. Patients who try to lie still have up to 7 %.
MAX_GHOST = 0.1
# Added to the power, as a share of the mean power, so that the logarithm of 0 is never taken.
FLOOR = 1e-9


def ghosts(sketch: Sketch) -> str | None:
    """A reason if all slices have replicas along rows or columns."""
    means = sketch.means[sketch.shows]
    if min(means.shape[1:]) <= 4 * BAND[0]:
        return None  # the spectrum of so few pixels isn't useful
    power = np.abs(fft.fft2(means)) ** 2
    strength = max(_ripple(power), _ripple(power.transpose(0, 2, 1))) / 4
    if strength <= MAX_GHOST:
        return None
    return (
        f"The limb appears again on both sides with {strength:.0%} of its brightness; at most {MAX_GHOST:.0%} is "
        "allowed."
    )


def _ripple(power: FloatArray) -> float:
    """The largest amplitude of an oscillation along rows in the logarithm of `[slices, rows, columns]`."""
    along, across = (np.arange(BAND[0], min(BAND[1], size // 2)) for size in power.shape[1:])
    inside = power[:, along][:, :, np.concatenate([across, -across])]
    log = np.log(inside + FLOOR * inside.mean()).mean(axis=(0, 2))
    window = np.hanning(len(along) + 2)[1:-1]
    ripples = (log - _trend(along, log)) * window
    waves = np.exp(2j * np.pi * SHIFTS[:, None] * along)
    return float(2 * np.abs(waves @ ripples).max() / window.sum())


def _trend(along: npt.NDArray[np.int_], log: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The power of edges falls smoothly with frequency: a cubic in the logarithm of the frequency."""
    return np.asarray(np.polyval(np.polyfit(np.log(along), log, 3), np.log(along)))
