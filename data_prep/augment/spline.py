"""Smooth random fields: cubic B-splines over a few control points.

A field always stays within the range of its control points, since the weights are positive and sum to one (de Boor, A
Practical Guide to Splines, 1978, chapter XI).
"""

import numpy as np
import numpy.typing as npt
from scipy.interpolate import BSpline

from data_prep.volume import FloatArray

DEGREE = 3


def control_points(cells: tuple[int, ...], random: np.random.Generator) -> npt.NDArray[np.float64]:
    """Control points for `smooth_field`, uniform in -1..1. cells: number of cells along each axis."""
    return random.uniform(-1, 1, [count + DEGREE for count in cells])


def smooth_field(control: npt.NDArray[np.floating], shape: tuple[int, ...]) -> FloatArray:
    """A smooth field over control points.

    Args:
        control: Control points, with as many axes as `shape`. n + 3 points along an axis span n cells.
        shape: The field's shape.

    Returns:
        The field, float32.
    """
    field = control.astype(np.float32)
    for length in shape:
        # `tensordot` removes the first axis and appends the new one: after all axes the order is the same again.
        field = np.tensordot(field, _weights(length, field.shape[0]), axes=(0, 1))
    return field


def _weights(length: int, points: int) -> FloatArray:
    """`[length, points]`: the weight of each control point at each pixel's centre."""
    cells = points - DEGREE
    centres = (np.arange(length) + 0.5) * cells / length
    knots = np.arange(-DEGREE, cells + DEGREE + 1)
    weights: FloatArray = BSpline.design_matrix(centres, knots, DEGREE).toarray().astype(np.float32)
    return weights
