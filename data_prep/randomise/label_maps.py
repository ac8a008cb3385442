"""Label maps of many different synthetic knees, made once and kept on disk.

The knees differ more than those of a cohort: flexion, fat, ligament and notch are drawn from wider ranges, because
shapes that lie outside of what is seen in training aren't found.
"""

import dataclasses
import hashlib
import inspect
from collections import deque
from dataclasses import dataclass
from functools import cache, cached_property, partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from data_prep.files import replacing
from data_prep.labels import FOUR_CLASS
from data_prep.phantom import anatomy as anatomy_module
from data_prep.phantom import canvas, findings, ligament, scanner, scene, shapes, tissues
from data_prep.phantom.anatomy import Anatomy
from data_prep.phantom.findings import Findings
from data_prep.phantom.ligament import Ligament
from data_prep.phantom.scanner import Profile, Scan, place
from data_prep.phantom.scene import paint_knee
from data_prep.phantom.tissues import NUMBERS, LabelArray
from data_prep.workers import Workers

THICKNESS_MM = 2.0
ONE = Workers(1)
GRID = Profile("labels", "label map", "", "", (320,), (320,), (200, 200), (THICKNESS_MM, THICKNESS_MM), (0.0, 0.0),
               (80, 80), (2500, 2500), (30, 30), 8, (0.1, 0.1), (0.0, 0.0), 12)  # fmt: skip
"""Thin slices of 0.625 mm pixels, which cover the joint and the leg around it."""


@dataclass(frozen=True, eq=False)
class LabelMap:
    """The tissues of one knee.

    Attributes:
        tissues: Uint8 `[slices, rows, columns]`, indices into `TISSUES`; front at the left, head at the top.
        spacing_mm: Distances of slices, rows and columns.
    """

    tissues: LabelArray
    spacing_mm: tuple[float, float, float]

    @cached_property
    def ligament_pixels(self) -> npt.NDArray[np.int64]:
        """For each slice, how many pixels show the ligament."""
        shown = (self.tissues == NUMBERS["acl"]) | (self.tissues == NUMBERS["acl tear"])
        return np.asarray(shown.sum(axis=(1, 2)), np.int64)


def make(seed: int, index: int) -> LabelMap:
    """Paint the label map of knee `index` of a seed. It depends on these two numbers only."""
    rng = np.random.default_rng([seed, index])
    label = FOUR_CLASS.classes[int(rng.choice(4, p=(0.55, 0.15, 0.15, 0.15)))]
    knee = varied_anatomy(rng)
    scan = oblique(place(GRID, knee, rng), float(rng.uniform(-4, 16)))
    band = varied_ligament(label, knee, rng)
    found = Findings.draw(label != FOUR_CLASS.classes[0], rng)
    painted = paint_knee(scan, knee, band, found, rng, record=True).tissues
    assert painted is not None
    return LabelMap(painted, (scan.spacing_mm, scan.pixel_mm, scan.pixel_mm))


def oblique(scan: Scan, degrees: float) -> Scan:
    """Turn the slices about the leg's axis, towards the ligament's course: many protocols follow it."""
    towards = -degrees if scan.side == "L" else degrees
    turn = Rotation.from_euler("z", towards, degrees=True).as_matrix()
    return dataclasses.replace(scan, directions=np.round(scan.directions @ turn.T, 9))


def varied_anatomy(rng: np.random.Generator) -> Anatomy:
    """A knee from wider ranges than `Anatomy.draw` has."""
    usual = Anatomy.draw(rng)
    return dataclasses.replace(
        usual,
        flexion=float(rng.uniform(-4, 26)),
        slope=float(rng.uniform(0, 14)),
        notch_width=float(rng.uniform(15, 26)),
        roof_angle=float(rng.uniform(24, 46)),
        condyle_radius=usual.condyle_radius + float(rng.normal(0, 0.8)),
        cartilage=float(rng.uniform(1.2, 3.0)),
        eminence=float(rng.uniform(4.5, 10)),
        patella_height=float(rng.normal(0, 5)),
        fat=float(rng.uniform(2, 26)),
    )


def varied_ligament(label: str, knee: Anatomy, rng: np.random.Generator) -> Ligament:
    """A ligament from wider ranges than `Ligament.draw` has: ends, length, depth and breadth."""
    usual = Ligament.draw(label, knee, rng)
    femoral, tibial = np.array(usual.femoral), np.array(usual.tibial)
    along = (femoral - tibial) / np.linalg.norm(femoral - tibial)
    # In real knees there may be several millimetres of fat between the ligament and the roof of the notch. If it always
    # lay close to the roof, a network would learn its place by the bones instead of looking for its edges.
    roof = np.radians(knee.roof_angle)
    behind_roof = np.array([0.0, np.cos(roof), -np.sin(roof)])
    femoral = femoral + along * rng.uniform(-1, 6) + behind_roof * rng.uniform(-1, 5) + rng.normal(0, 1.2, 3)
    tibial = tibial - along * rng.uniform(0, 2) + np.array([0, rng.uniform(-2, 5), 0]) + rng.normal(0, (1.2, 1.5, 0.6))
    return dataclasses.replace(
        usual,
        femoral=(float(femoral[0]), float(femoral[1]), float(femoral[2])),
        tibial=(float(tibial[0]), float(tibial[1]), float(tibial[2])),
        depth=usual.depth * float(rng.uniform(0.6, 1.15)),
        breadth=usual.breadth * float(rng.uniform(0.9, 1.5)),
        bow=float(rng.uniform(-1.5, 2.0)),
    )


@cache
def digest() -> str:
    """Of the code that makes label maps: maps on disk are made anew when a knee's shapes change."""
    modules = (anatomy_module, canvas, findings, ligament, scanner, scene, shapes, tissues)
    sources = [inspect.getsource(module) for module in modules]
    sources += [inspect.getsource(part) for part in (make, oblique, varied_anatomy, varied_ligament)] + [repr(GRID)]
    return hashlib.sha256("\0".join(sources).encode()).hexdigest()[:16]


def cached(folder: Path, seed: int, index: int) -> Path:
    """The file of a label map, made if it isn't there. It is an `.npy`, so that it can be read slice by slice."""
    path = _file(folder, seed, index)
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        labels = make(seed, index).tissues
        with replacing(path) as partly, partly.open("wb") as file:
            np.save(file, labels)
    return path


def _file(folder: Path, seed: int, index: int) -> Path:
    return folder / f"labels-{digest()}-{seed}-{index:05d}.npy"


def load_maps(folder: Path, seed: int, count: int, workers: Workers = ONE) -> list[LabelMap]:
    """Label maps 0 to `count` - 1 of a seed, made where they are missing. Pixels stay on disk until they are read.

    Args:
        folder: Where the maps are kept.
        seed: The maps' seed.
        count: Number of maps.
        workers: Processes that make missing maps.
    """
    paths = [_file(folder, seed, index) for index in range(count)]
    if missing := [index for index, path in enumerate(paths) if not path.exists()]:
        deque(workers.run(partial(cached, folder, seed), missing, "painting", "knee"), maxlen=0)
    pixel = GRID.field_of_view_mm[0] / GRID.matrices[0]
    return [LabelMap(np.load(path, mmap_mode="r"), (THICKNESS_MM, pixel, pixel)) for path in paths]
