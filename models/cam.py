"""Class activation maps that add up (Zhou 2016, arXiv:1512.04150, carried over to volumes).

When features are averaged over space, picked or averaged over slices, and scored by one linear layer, every grid cell's
share of a logit is known. The shares, with the bias, sum to the logit: a map is bookkeeping, not an estimate.
"""

import numpy as np
import numpy.typing as npt

from data_prep.volume import FloatArray

Doubles = npt.NDArray[np.float64]


def credit_to_winners(pooled: Doubles) -> Doubles:
    """For features pooled over space, `[S, C]`: 1 where a slice has a channel's maximum (the first one, at ties)."""
    credit = np.zeros_like(pooled)
    credit[pooled.argmax(axis=0), np.arange(pooled.shape[1])] = 1
    return credit


def linear_maps(grid: FloatArray, credit: Doubles, kernel: FloatArray) -> FloatArray:
    """Each cell's share of each logit.

    grid: features `[S, h, w, C]`; credit: how much of a channel's pooled value each slice gave, `[S, C]`;
    kernel: the linear head `[C, K]`. Returns `[K, S, h, w]`.
    """
    slices, height, width, _ = grid.shape
    # A slice that won no channel costs nothing: its map is zero.
    maps = np.zeros((kernel.shape[1], slices, height, width), np.float32)
    for index in np.flatnonzero(credit.any(axis=1)):
        won = np.flatnonzero(credit[index])
        shares = grid[index][..., won] @ (credit[index, won, None] * kernel[won] / (height * width))
        maps[:, index] = np.moveaxis(shares, -1, 0)
    return maps
