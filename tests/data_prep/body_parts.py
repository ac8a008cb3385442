"""Other parts of the body than the knee, as sagittal stacks: what gets into a folder of knees by mistake.

Drawn from ellipsoids of tissue with the sizes of anatomy books, in millimetres: x to the side, y to the back, z up. The
outlines and proportions are right, details aren't; contrast, texture and noise vary from seed to seed.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter, zoom

from data_prep.volume import Volume
from tests.conftest import make_volume

MATRIX, DRAWN = 256, 128
# Brightness of tissues with fat suppressed, and without.
SUPPRESSED = {
    "fat": 0.25,
    "marrow": 0.2,
    "muscle": 0.45,
    "organ": 0.6,
    "bone": 0.05,
    "disc": 0.5,
    "fluid": 1.0,
    "air": 0,
}
PLAIN = SUPPRESSED | {"fat": 1.0, "marrow": 0.75}


@dataclass(frozen=True)
class Ellipsoid:
    """Of a tissue, by its centre and half axes, of which inf is endless; `box`: with corners, of the fourth degree."""

    tissue: str
    centre: tuple[float, float, float]
    axes: tuple[float, float, float]
    box: bool = False


Part = Callable[[np.random.Generator], Iterator[Ellipsoid]]


def head(rng: np.random.Generator) -> Iterator[Ellipsoid]:
    """Scalp, skull, brain, ventricle, cerebellum, face with its air, neck with the spine."""
    yield Ellipsoid("fat", (0, 0, 15), (78, 100, 92))
    yield Ellipsoid("fat", (0, 20, -110), (60, 62, 90), True)
    yield Ellipsoid("muscle", (0, 22, -110), (55, 56, 88), True)
    yield Ellipsoid("muscle", (0, -55, -55), (52, 50, 55), True)
    yield Ellipsoid("bone", (0, 0, 17), (74, 96, 86))
    yield Ellipsoid("fluid", (0, 0, 18), (69, 90, 80))
    yield Ellipsoid("organ", (0, 0, 18), (66, 87, 77))
    yield Ellipsoid("fluid", (0, 5, 20), (20, 40, 9))
    yield Ellipsoid("organ", (0, 48, -38), (50, 32, 24))
    yield Ellipsoid("organ", (0, 18, -45), (14, 14, 45))
    yield Ellipsoid("air", (0, -65, -35), (30, 22, 14))
    yield Ellipsoid("air", (0, -28, -80), (14, 8, 50))
    yield from _spine(rng, y=15, top=-62, height=14, depth=9, width=9, count=5)


def lumbar_spine(rng: np.random.Generator) -> Iterator[Ellipsoid]:
    """Vertebrae and discs, canal, muscles and skin of the back, the belly in front."""
    yield Ellipsoid("fat", (0, 0, 0), (170, 115, np.inf))
    yield Ellipsoid("muscle", (0, -10, 0), (150, 90, np.inf))
    for _ in range(14):
        y, z = rng.uniform(-95, -35), rng.uniform(-160, 160)
        yield Ellipsoid(str(rng.choice(["fat", "air", "fluid"])), (rng.uniform(-50, 50), y, z), (25, 18, 22))
    yield Ellipsoid("fluid", (0, 38, 0), (9, 7, np.inf))
    yield from _spine(rng, y=10, top=170, height=28, depth=18, width=24, count=10)


def _spine(
    rng: np.random.Generator, y: float, top: float, height: float, depth: float, width: float, count: int
) -> Iterator[Ellipsoid]:
    for index in range(count):
        z = top - index * height * 1.35
        yield Ellipsoid("bone", (0, y, z), (width, depth, height / 2 + 1), True)
        yield Ellipsoid("marrow", (0, y, z), (width - 1.5, depth - 1.5, height / 2 - 0.5), True)
        yield Ellipsoid("disc", (0, y, z - height * 0.675), (width, depth, height * 0.15), True)
        yield Ellipsoid("bone", (0, y + 2.6 * depth, z - 5), (3, depth, height / 3), True)


def ankle(rng: np.random.Generator) -> Iterator[Ellipsoid]:
    """Lower leg from above, tibia, talus, heel bone, the foot to the front."""
    yield Ellipsoid("fat", (0, 10, 90), (38, 42, 110), True)
    yield Ellipsoid("fat", (0, 5, -10), (40, 34, 45))
    yield Ellipsoid("fat", (0, -45, -45), (42, 110, 32), True)
    yield Ellipsoid("muscle", (0, 12, 95), (34, 36, 105), True)
    yield Ellipsoid("muscle", (0, -45, -48), (36, 100, 24), True)
    for tissue, less in (("bone", 0.0), ("marrow", 2.0)):
        yield Ellipsoid(tissue, (0, 2, 95), (14 - less, 15 - less, 90 - less), True)
        yield Ellipsoid(tissue, (0, 0, 8), (21 - less, 22 - less, 15 - less), True)
        yield Ellipsoid(tissue, (0, -8, -18), (18 - less, 28 - less, 13 - less), True)
        yield Ellipsoid(tissue, (0, 22, -46), (17 - less, 36 - less, 18 - less), True)
        yield Ellipsoid(tissue, (0, -50, -34), (20 - less, 18 - less, 14 - less), True)
        yield Ellipsoid(tissue, (0, -100, -48), (25 - less, 36 - less, 10 - less), True)
    yield Ellipsoid("fluid", (0, -2, -5), (15, 20, 1.5))
    yield Ellipsoid("bone", (0, 44, 40), (6, 3, 75), True)


def shoulder(rng: np.random.Generator) -> Iterator[Ellipsoid]:
    """Head of the humerus in its socket, acromion, muscles of the cuff, air above and beside."""
    yield Ellipsoid("fat", (0, 0, -60), (70, 68, 125), True)
    yield Ellipsoid("muscle", (0, 0, -62), (62, 60, 118), True)
    yield Ellipsoid("fat", (0, 5, 5), (60, 44, 40))
    yield Ellipsoid("muscle", (0, 0, 5), (52, 38, 34))
    yield Ellipsoid("fluid", (0, 0, 2), (27, 27, 27))
    for tissue, less in (("bone", 0.0), ("marrow", 2.0)):
        yield Ellipsoid(tissue, (0, 0, 0), (25 - less, 25 - less, 25 - less))
        yield Ellipsoid(tissue, (5, 0, -90), (12 - less, 12 - less, 85 - less), True)
        yield Ellipsoid(tissue, (-5, 8, 42), (25 - less, 22 - less, 6), True)


def thigh(rng: np.random.Generator) -> Iterator[Ellipsoid]:
    """Muscles around a shaft, no joint."""
    yield Ellipsoid("fat", (0, 0, 0), (80, 82, np.inf))
    for angle in np.arange(0, 2 * np.pi, np.pi / 4) + rng.uniform(0, 1):
        place = (40 * np.cos(angle), 42 * np.sin(angle), rng.uniform(-60, 60))
        yield Ellipsoid("muscle", place, (29, 27, 250))
    yield Ellipsoid("bone", (0, -5, 0), (15, 15, np.inf))
    yield Ellipsoid("marrow", (0, -5, 0), (9, 9, np.inf))


@dataclass(frozen=True)
class Protocol:
    """How a part is usually seen, in mm: width of the square picture, from the first slice to the last, its middle's z.

    named: the flag that it deserves.
    """

    part: Part
    field_mm: tuple[float, float]
    across_mm: tuple[float, float]
    middle_mm: float = 0.0
    named: str = "wrong-body-part"


PARTS = {
    "head": Protocol(head, (220, 256), (100, 140), 10),
    "lumbar spine": Protocol(lumbar_spine, (260, 340), (50, 70)),
    "ankle": Protocol(ankle, (150, 200), (60, 80), -15),
    "shoulder": Protocol(shoulder, (140, 180), (70, 100), 5),
    "thigh": Protocol(thigh, (180, 240), (80, 120), named="knee-not-in-view"),
}


def body_part(name: str, seed: int) -> Volume:
    """Of a random person at a random scanner, said to be sagittal: `[18..36, 256, 256]`, whole numbers."""
    rng = np.random.default_rng([seed, 77])
    protocol = PARTS[name]
    slices, size = int(rng.integers(18, 37)), rng.uniform(0.88, 1.12)
    field_mm, across = (size * rng.uniform(*limits) for limits in (protocol.field_mm, protocol.across_mm))
    x = np.linspace(-across / 2, across / 2, slices) + rng.normal(0, 4)
    y, z = ((np.arange(DRAWN) - DRAWN / 2 + 0.5) * field_mm / DRAWN + rng.normal(0, 4) for _ in range(2))
    tilt = rng.normal(0, 0.06)
    back, up = y[None] - tilt * z[:, None], protocol.middle_mm - z[:, None] - tilt * y[None]
    up = up + 4 * np.sin(np.pi * back / 80 + rng.uniform(0, 6)) * np.sin(np.pi * up / 90)
    shown = SUPPRESSED if rng.random() < 0.7 else PLAIN
    brightness = {tissue: value * rng.uniform(0.85, 1.15) for tissue, value in shown.items()}
    drawn = np.full((slices, DRAWN, DRAWN), brightness["air"], np.float32)
    for one in protocol.part(rng):
        squares = [
            np.square((at - centre) / (axis * size)).astype(np.float32)
            for at, centre, axis in zip((x, back, up), np.multiply(one.centre, size), one.axes, strict=True)
        ]
        side, *plane = (np.square(square) if one.box else square for square in squares)
        drawn[side[:, None, None] + sum(plane)[None] < 1] = brightness[one.tissue]
    texture = enlarged(rng.normal(1, 0.1, (slices, 33, 33)).astype(np.float32))
    falls = [rng.normal(0, 0.3) * np.linspace(-1, 1, MATRIX) for _ in range(2)]
    gain = np.exp(falls[0][:, None] + falls[1][None]).astype(np.float32)
    voxels = gaussian_filter(enlarged(drawn) * texture * gain, (0.3, 0.7, 0.7))
    sigma = rng.uniform(0.01, 0.04)
    measured = np.hypot(voxels + rng.normal(0, sigma, voxels.shape), rng.normal(0, sigma, voxels.shape))
    voxels = np.round(rng.uniform(400, 2000) * measured)
    step_mm, pixel_mm = across / (slices - 1), field_mm / MATRIX
    return make_volume(voxels, (step_mm, pixel_mm, pixel_mm))


def enlarged(planes: np.ndarray) -> np.ndarray:
    """Square planes in the picture's matrix, as scipy's `zoom` makes them, which takes ten times as long."""
    weights = zoom(np.eye(planes.shape[1], dtype=np.float32), (MATRIX / planes.shape[1], 1), order=1)
    return weights @ planes @ weights.T
