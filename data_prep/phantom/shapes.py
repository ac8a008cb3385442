"""Smooth solids as distance functions: negative inside, zero on the surface, in millimetres near it.

Solids are blended after Quilez, "Smooth minimum" (polynomial form), so that surfaces have no creases, as in bones.
"""

from typing import NamedTuple

import numpy as np

from data_prep.volume import FloatArray

Triple = tuple[float, float, float]


class Points(NamedTuple):
    """Coordinates float32 `[slices, rows, columns]`: x to the side (lateral), y to the back, z to the head."""

    x: FloatArray
    y: FloatArray
    z: FloatArray


class Box(NamedTuple):
    """The corners of a block of space that holds a shape."""

    low: Triple
    high: Triple


def ellipsoid(p: Points, centre: Triple, radii: Triple) -> FloatArray:
    """First-order distance to an ellipsoid with axes along x, y, z."""
    x, y, z = ((axis - np.float32(c)) / np.float32(r) for axis, c, r in zip(p, centre, radii, strict=True))
    rx, ry, rz = (np.float32(r) for r in radii)
    level = np.sqrt(x * x + y * y + z * z)
    slope = np.sqrt((x / rx) ** 2 + (y / ry) ** 2 + (z / rz) ** 2) + np.float32(1e-6)
    return np.asarray(level * (level - 1) / slope, np.float32)


def tube(p: Points, path: list[Triple], radii: list[float], flatten: float = 1.0) -> FloatArray:
    """Distance to a round tube through the points of `path`, with a radius at each; `flatten` widens it sideways."""
    nearest: FloatArray | None = None
    squeeze = np.array([1 / flatten, 1, 1])
    corners = np.array(path) * squeeze
    x = p.x / np.float32(flatten)
    for start, stop, first, last in zip(corners[:-1], corners[1:], radii[:-1], radii[1:], strict=True):
        (ax, ay, az), (dx, dy, dz) = start.astype(np.float32), (stop - start).astype(np.float32)
        u, v, w = x - ax, p.y - ay, p.z - az
        along = np.clip((u * dx + v * dy + w * dz) / (dx * dx + dy * dy + dz * dz), 0, 1)
        away = np.sqrt((u - along * dx) ** 2 + (v - along * dy) ** 2 + (w - along * dz) ** 2)
        distance = away - (np.float32(first) + along * np.float32(last - first))
        nearest = distance if nearest is None else np.minimum(nearest, distance)
    assert nearest is not None
    return nearest


def tube_box(path: list[Triple], radii: list[float], flatten: float = 1.0) -> Box:
    """The block that holds such a tube."""
    corners, reach = np.array(path), max(radii) * np.array([flatten, 1, 1])
    low, high = corners.min(axis=0) - reach, corners.max(axis=0) + reach
    return Box((low[0], low[1], low[2]), (high[0], high[1], high[2]))


def arc(start: Triple, bend: Triple, stop: Triple, pieces: int = 8) -> list[Triple]:
    """Points on the quadratic Bezier curve from `start` to `stop` with the control point `bend`."""
    t = np.linspace(0, 1, pieces + 1)[:, None]
    curve = (1 - t) ** 2 * np.array(start) + 2 * t * (1 - t) * np.array(bend) + t**2 * np.array(stop)
    return [(float(x), float(y), float(z)) for x, y, z in curve]


def join(a: FloatArray, b: FloatArray, blend: float) -> FloatArray:
    """Union of two solids, rounded over about `blend` mm where they meet."""
    overlap = np.maximum(np.float32(blend) - np.abs(a - b), 0) / np.float32(blend)
    return np.asarray(np.minimum(a, b) - overlap * overlap * np.float32(blend / 4), np.float32)


def meet(a: FloatArray, b: FloatArray, blend: float) -> FloatArray:
    """Intersection of two solids, with edges rounded over about `blend` mm."""
    return -join(-a, -b, blend)


def cut(a: FloatArray, tool: FloatArray, blend: float) -> FloatArray:
    """`a` without `tool`, with edges rounded over about `blend` mm."""
    return meet(a, -tool, blend)
