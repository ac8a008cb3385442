"""A mask as a person would draw it: without specks and holes, and in one piece where the structure is one piece.

Connected components and holes are those of `scipy.ndimage`.
"""

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from data_prep.network_input.crop import Spacing

Mask = npt.NDArray[np.bool_]
# A component is a speck if it is smaller than this share of the largest one, or than this volume if the size of a voxel
# is known. An ACL has 1 to 3 cm3; one slice of it, 3.5 mm thick, about 0.5 cm3.
SPECK_SHARE, SPECK_MM3 = 0.1, 50.0
# Structures that are one piece in a knee. There are two menisci, and cartilage on each bone.
ONE_PIECE = frozenset({"acl", "pcl", "femur", "tibia", "patella", "fibula"})
# Voxels touch each other at corners, too: a ligament runs obliquely through thick slices.
TOUCHING = np.ones((3, 3, 3), bool)


def cleaned(mask: Mask, spacing_mm: Spacing | None, one_piece: bool) -> Mask:
    """Remove specks and fill holes.

    Args:
        mask: Bool `[S, R, C]`.
        spacing_mm: Distance between neighbouring slices, rows and columns; None if it isn't known.
        one_piece: Whether only the largest component is kept.

    Returns:
        Bool `[S, R, C]`; empty if everything is a speck. Holes are filled slice by slice: across thick slices, the
        inside of a shape is seldom closed.
    """
    clean = np.zeros_like(mask)
    if not mask.any():
        return clean
    where = ndimage.find_objects(mask.astype(np.uint8))[0]
    components, count = ndimage.label(mask[where], structure=TOUCHING)
    sizes = np.bincount(components.ravel(), minlength=count + 1)
    sizes[0] = 0
    least = SPECK_SHARE * sizes.max()
    if spacing_mm:
        least = max(least, SPECK_MM3 / float(np.prod(spacing_mm)))
    kept = sizes >= least
    if one_piece:
        kept &= np.arange(count + 1) == sizes.argmax()
    pieces = kept[components]
    for index in np.flatnonzero(pieces.any(axis=(1, 2))):
        pieces[index] = ndimage.binary_fill_holes(pieces[index])
    clean[where] = pieces
    return clean
