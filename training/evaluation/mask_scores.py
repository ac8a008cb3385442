"""How well a found mask agrees with the true one, for one structure of one exam.

What is empty is counted by these rules. `nan` means that the exam doesn't count in that score's mean.

| truth | found | Dice, IoU | precision | recall | distances |
|---|---|---|---|---|---|
| something | something | measured | measured | measured | measured |
| something | empty | 0 | nan | 0 | nan |
| empty | something | 0 | 0 | nan | nan |
| empty | empty | 1 | nan | nan | nan |
"""

import math
import warnings
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import surface_distance

from data_prep.boxes import bounding_box

Mask = npt.NDArray[np.bool_]
Spacing = tuple[float, float, float]
NAN = math.nan


@dataclass(frozen=True)
class MaskScore:
    """The scores of one mask.

    Attributes:
        dice: 2 |A and B| / (|A| + |B|), of voxels.
        iou: |A and B| / |A or B|.
        precision: the share of the found mask that is true.
        recall: the share of the true mask that was found.
        hausdorff_95_mm: 95 % of each surface lies within this distance of the other one.
        centre_mm: distance between the centres of the two bounding boxes.
        sides_mm: the largest distance between a side of one bounding box and the same side of the other.
        counts: voxels that are true and found, only found, only true, neither.
    """

    dice: float
    iou: float
    precision: float
    recall: float
    hausdorff_95_mm: float
    centre_mm: float
    sides_mm: float
    counts: tuple[int, int, int, int]


def mask_score(truth: Mask, found: Mask, known: Mask, spacing_mm: Spacing) -> MaskScore:
    """Compare two masks.

    Args:
        truth: bool `[S, R, C]`.
        found: bool `[S, R, C]`.
        known: bool `[S]`, the slices in which the truth is known. Others don't count.
        spacing_mm: distance between neighbouring slices, rows and columns.
    """
    truth, found = truth & known[:, None, None], found & known[:, None, None]
    both, either = int((truth & found).sum()), int((truth | found).sum())
    true, seen = int(truth.sum()), int(found.sum())
    far = NAN, NAN, NAN
    if true and seen:
        far = hausdorff_95(truth, found, spacing_mm), *_boxes(truth, found, spacing_mm)
    return MaskScore(
        2 * both / (true + seen) if either else 1.0,
        both / either if either else 1.0,
        both / seen if seen else NAN,
        both / true if true else NAN,
        *far,
        (both, seen - both, true - both, int(known.sum()) * truth[0].size - either),
    )


def hausdorff_95(truth: Mask, found: Mask, spacing_mm: Spacing) -> float:
    """The robust Hausdorff distance of two masks in mm; neither may be empty.

    A mask in a single slice has an outline, no surface.
    """
    shown = np.flatnonzero((truth | found).any(axis=(1, 2)))
    with warnings.catch_warnings():
        # The library calls SciPy by names that SciPy 2 won't have.
        warnings.filterwarnings("ignore", "Please import", DeprecationWarning)
        if len(shown) == 1:
            pair = truth[shown[0]], found[shown[0]]
            distances = surface_distance.compute_surface_distances(*pair, spacing_mm[1:])
        else:
            distances = surface_distance.compute_surface_distances(truth, found, spacing_mm)
        return float(surface_distance.compute_robust_hausdorff(distances, 95))


def _boxes(truth: Mask, found: Mask, spacing_mm: Spacing) -> tuple[float, float]:
    """Distance of the centres, and the largest distance of the sides, of two bounding boxes."""
    edges = np.array([bounding_box(truth), bounding_box(found)], float) * np.array(spacing_mm)[None, :, None]
    centres = edges.mean(axis=2)
    return float(np.linalg.norm(centres[0] - centres[1])), float(np.abs(edges[0] - edges[1]).max())
