"""What varies within a tissue: clouds, grains, strands, fibres, septa of fat, growth lines, and spots in any place."""

import cv2
import numpy as np
import numpy.typing as npt

from data_prep.phantom.tissues import NUMBERS, TISSUES, LabelArray
from data_prep.randomise.ranges import Ranges
from data_prep.volume import FloatArray

CLOUD_MM, GRAIN_MM, FIBRE_MM = 12.0, 1.8, 1.3  # sizes of the details; no source, as pictures look
FIBROUS = ((NUMBERS["acl"], NUMBERS["acl tear"]), (NUMBERS["pcl"],))
LINED = tuple(NUMBERS[name] for name in TISSUES if name.endswith("marrow") or name in ("fat", "notch lining"))
STRANDED = tuple(NUMBERS[name] for name in ("muscle", "patellar tendon", "quadriceps tendon"))


def smooth_noise(size: tuple[int, int], cells: tuple[float, float], rng: np.random.Generator) -> FloatArray:
    """Random numbers float32 `[H, W]` of unit variance, with about `cells` details down and across."""
    rows, columns = (int(min(max(round(count), 2), length)) for count, length in zip(cells, size, strict=True))
    small = rng.standard_normal((rows, columns), dtype=np.float32)
    large = cv2.resize(small, (size[1], size[0]), interpolation=cv2.INTER_CUBIC)
    return np.asarray(large / (large.std() + np.float32(1e-6)), np.float32)


class Textures:
    """The textures of one sample; all slices that are mixed share them.

    Args:
        labels: Tissues of the middle slice `[H, W]`.
        pixel_mm: Size of a pixel.
        ranges: What is drawn from.
        rng: Source of random numbers.
    """

    def __init__(self, labels: LabelArray, pixel_mm: float, ranges: Ranges, rng: np.random.Generator) -> None:
        size, extent = labels.shape, np.array(labels.shape) * pixel_mm
        self.cloud = smooth_noise(size, tuple(extent / CLOUD_MM), rng)
        self.grain = smooth_noise(size, tuple(extent / GRAIN_MM), rng)
        self.strands = smooth_noise(size, (extent[0] / 25, extent[1] / 2.0), rng)
        self.across = np.zeros(size, np.float32)
        self.fibres = np.zeros(size, np.float32)
        for tissues in FIBROUS:
            self._add_fibres(np.isin(labels, tissues), pixel_mm, rng)
        lines = np.exp(-((self.cloud + 0.4 * self.strands) ** 2) / np.float32(rng.uniform(0.004, 0.08)))
        self.lines = lines * np.float32(rng.uniform(-0.7, 0.4))
        self.amount = rng.uniform(*ranges.texture, len(TISSUES)).astype(np.float32)
        self.mixture = rng.dirichlet((1.0, 1.0), len(TISSUES)).astype(np.float32)
        self.fade = np.float32(rng.normal(0, 0.6)) * np.float32(rng.random() < ranges.fade_share)
        self.fibrous = np.float32(rng.uniform(0, 0.35))
        self.lined = np.float32(rng.uniform(0, 1)) * np.float32(rng.random() < 0.7)

    def _add_fibres(self, band: npt.NDArray[np.bool_], pixel_mm: float, rng: np.random.Generator) -> None:
        """Fill in stripes along the longest direction of a band, and where each point lies across it (-2 to 2)."""
        rows, columns = np.nonzero(band)
        if len(rows) < 10:
            return
        widths, axes = np.linalg.eigh(np.cov(np.stack([columns, rows])))
        right, down = axes[:, 0] * (1 if axes[0, 0] > 0 else -1)  # the short axis: stripes follow each other along it
        across = (columns - columns.mean()) * right + (rows - rows.mean()) * down
        self.across[band] = across / np.sqrt(widths[0] + 0.1)
        waves = 0.6 * smooth_noise((self.cloud.shape[0], self.cloud.shape[1]), (6, 6), rng)[band]
        at = across * (pixel_mm / FIBRE_MM) + waves
        at -= at.min()
        knots = rng.standard_normal(int(at.max()) + 2)
        self.fibres[band] = np.interp(at, np.arange(len(knots)), knots)

    def apply(self, greys: FloatArray, labels: LabelArray) -> FloatArray:
        """Paint tissues `[H, W]` with their grey values `[tissues]` and textures."""
        mixture = np.sqrt(self.mixture)
        texture = mixture[:, 0][labels] * self.cloud + mixture[:, 1][labels] * self.grain
        stranded = np.isin(labels, STRANDED)
        texture[stranded] = self.strands[stranded]
        amount = self.amount * np.sqrt(np.clip(greys, 0.02, 1))  # dark tissue varies less
        amount[NUMBERS["air"]] = 0
        picture = greys[labels] + amount[labels] * texture
        fibrous = np.isin(labels, FIBROUS[0] + FIBROUS[1])
        picture[fibrous] += self.fibrous * self.fibres[fibrous] * (greys.mean() * 0.5 + picture[fibrous])
        fading = np.isin(labels, FIBROUS[0])
        share = np.clip(self.fade * self.across[fading], 0, 0.7)
        picture[fading] += share * (greys[NUMBERS["notch lining"]] - picture[fading])
        lined = np.isin(labels, LINED)
        picture[lined] *= 1 + self.lined * self.lines[lined]
        return np.asarray(np.maximum(picture, 0), np.float32)


def spots(size: tuple[int, int], rng: np.random.Generator) -> tuple[FloatArray, float]:
    """(share of each pixel `[H, W]` that spots cover, their grey value): metal, cysts, vessels."""
    share = np.zeros(size, np.float32)
    height, width = size
    for _ in range(int(rng.integers(1, 5))):
        radii = rng.uniform(0.01, 0.07, 2) * max(size)
        middle = int(rng.uniform(0, width)), int(rng.uniform(0, height))
        cv2.ellipse(share, middle, (int(radii[0]) + 1, int(radii[1]) + 1), rng.uniform(0, 180), 0, 360, 1.0, -1)
    soft = cv2.GaussianBlur(share, (0, 0), rng.uniform(0.5, 2.5))
    return np.asarray(soft, np.float32), float(rng.uniform(0, 1.2))
