"""Class activation maps that add up (Zhou 2016, arXiv:1512.04150, extended to volumes).

Features are averaged over space; over slices their maximum or mean is taken; one linear layer makes the logits. So the
share of each cell of the features' grid in a logit is known. The shares and the bias add up to the logit: the map is
exact, not an estimate.
"""

import numpy as np

from data_prep.volume import FloatArray
from models.explain.method import Doubles, Explainable, Explanation


class Cam:
    """The exact map of a linear head."""

    name = "cam"
    exact = True

    def explain(self, classifier: Explainable, slices: FloatArray, features: FloatArray) -> Explanation:
        offset, credit, kernel, bias = classifier.readout(features)
        apart = features if offset is None else features - offset
        return Explanation(classifier.logits(features), linear_maps(apart, credit, kernel), bias, self)


def credit_to_winners(pooled: Doubles) -> Doubles:
    """For features pooled over space, `[S, C]`: 1 where a slice has a channel's maximum (the first slice, at ties)."""
    credit = np.zeros_like(pooled)
    credit[pooled.argmax(axis=0), np.arange(pooled.shape[1])] = 1
    return credit


def linear_maps(grid: FloatArray, credit: Doubles, kernel: FloatArray) -> FloatArray:
    """The share of each cell in each logit.

    Args:
        grid: Features `[S, h, w, C]`.
        credit: The share of each slice in a channel's pooled value, `[S, C]`.
        kernel: The linear head `[C, K]`.

    Returns:
        Maps float32 `[K, S, h, w]`.
    """
    slices, height, width, _ = grid.shape
    # The map of a slice without credit is zero: it needs no computation.
    maps = np.zeros((kernel.shape[1], slices, height, width), np.float32)
    for index in np.flatnonzero(credit.any(axis=1)):
        won = np.flatnonzero(credit[index])
        shares = grid[index][..., won] @ (credit[index, won, None] * kernel[won] / (height * width))
        maps[:, index] = np.moveaxis(shares, -1, 0)
    return maps
