"""Label maps of synthetic knees: which tissue each voxel shows, and which structures the tissues make.

A voxel's tissue is the last one that fills at least half of it while a knee is painted. `structures_of` numbers the
structures that segmenters learn.
"""

from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt
from scipy.ndimage import distance_transform_edt

LabelArray = npt.NDArray[np.uint8]

TISSUES = (
    "air",
    "skin",
    "fat",
    "muscle",
    "artery",
    "vein",
    "fluid",
    "notch lining",
    "tibial cartilage",
    "menisci",
    "pcl",
    "acl",
    "acl tear",
    "femoral cartilage",
    "femur cortex",
    "femur marrow",
    "femur oedema",
    "tibia cortex",
    "tibia marrow",
    "tibia oedema",
    "fibula cortex",
    "fibula marrow",
    "patellar cartilage",
    "patellar tendon",
    "quadriceps tendon",
    "patella cortex",
    "patella marrow",
)
"""The index in this tuple is the number in a label map. Only append: label maps are kept on disk."""

STRUCTURES: dict[str, tuple[str, ...]] = {
    "acl": ("acl", "acl tear"),
    "pcl": ("pcl",),
    "femur": ("femur cortex", "femur marrow", "femur oedema"),
    "tibia": ("tibia cortex", "tibia marrow", "tibia oedema"),
    "patella": ("patella cortex", "patella marrow"),
    "fibula": ("fibula cortex", "fibula marrow"),
    "menisci": ("menisci",),
    "cartilage": ("femoral cartilage", "tibial cartilage", "patellar cartilage"),
}
"""The tissues of each structure."""

NUMBERS = {name: number for number, name in enumerate(TISSUES)}


class Labelled(Protocol):
    """What has a label map, such as a phantom."""

    @property
    def tissues(self) -> LabelArray:
        """Uint8, indices into `TISSUES`."""


def structures_of(phantom: Labelled, names: tuple[str, ...]) -> LabelArray:
    """A phantom's structures as uint8 `[slices, rows, columns]`: 0 for background, 1 + index into `names`.

    Raises:
        ValueError: If a name isn't a key of `STRUCTURES`.
    """
    return structure_table(names)[phantom.tissues]


def structure_table(names: tuple[str, ...]) -> LabelArray:
    """For each tissue's number, 0 or 1 + the index into `names`: `table[label map]` has structures instead of tissues.

    Raises:
        ValueError: If a name isn't a key of `STRUCTURES`.
    """
    table = np.zeros(len(TISSUES), np.uint8)
    for value, name in enumerate(names, start=1):
        if name not in STRUCTURES:
            raise ValueError(f"no structure {name!r}; there are: {', '.join(STRUCTURES)}")
        table[[NUMBERS[tissue] for tissue in STRUCTURES[name]]] = value
    return table


def majority(thin: list[LabelArray]) -> LabelArray:
    """The label that most of three thin paintings have; the middle one's where all differ."""
    first, middle, last = thin
    return np.where(first == last, first, middle)


def refine(painted: LabelArray, acl: npt.NDArray[np.bool_], bones: LabelArray) -> LabelArray:
    """A label map in the image's matrix that agrees with a phantom's masks.

    Args:
        painted: Tissues `[slices, acquired rows, acquired columns]`.
        acl: The ligament's mask `[slices, rows, columns]`.
        bones: 0 or 1 + the bone's index, in the order of `BONES`.

    Returns:
        Uint8 `[slices, rows, columns]`. A voxel that has the wrong side of a mask's edge gets the nearest tissue of
        the right side, within its slice.
    """
    size = acl.shape[2], acl.shape[1]
    tissues = np.stack([cv2.resize(plane, size, interpolation=cv2.INTER_NEAREST_EXACT) for plane in painted])
    wanted = np.where(acl, np.uint8(len(BONES) + 1), bones)
    wrong = GROUPS[tissues] != wanted
    for index in np.flatnonzero(wrong.any(axis=(1, 2))):
        for group in np.unique(wanted[index][wrong[index]]):
            tissues[index] = _nearest(tissues[index], wrong[index] & (wanted[index] == group), int(group))
    return tissues


BONES = ("femur", "tibia", "patella", "fibula")
GROUPS = structure_table((*BONES, "acl"))
"""For each tissue: 0 for soft tissue, 1 + the index of its bone, or the number after them for the ligament."""
EDGE = (0, *(NUMBERS[f"{bone} cortex"] for bone in BONES), NUMBERS["acl"])
"""For each group, the tissue of a voxel if its slice shows nothing else of the group."""


def _nearest(tissues: LabelArray, where: npt.NDArray[np.bool_], group: int) -> LabelArray:
    """Give voxels of a slice the tissue of the group's nearest voxel."""
    known = GROUPS[tissues] == group
    if not known.any():
        return np.where(where, np.uint8(EDGE[group]), tissues)
    rows, columns = (slice(max(span.min() - 12, 0), span.max() + 13) for span in np.nonzero(where))
    if not known[rows, columns].any():
        rows, columns = slice(None), slice(None)
    nearest = distance_transform_edt(~known[rows, columns], return_distances=False, return_indices=True)
    found = tissues.copy()
    found[rows, columns] = np.where(
        where[rows, columns], tissues[rows, columns][tuple(nearest)], tissues[rows, columns]
    )
    return found
