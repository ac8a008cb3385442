"""From the rows of one exam to its pixels and labels."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from data_prep.masks.annotated import Annotated
from data_prep.masks.images import Pixels, read_image
from data_prep.masks.marks import Mask
from data_prep.masks.mask_files import Drawing, read_drawing
from data_prep.masks.row import MaskRow
from data_prep.masks.structures import in_order

# Two masks overlap a little where structures touch, and boxes more; a mask that lies in another one for more than this
# share is the same mask under two names, or the wrong one.
MOST_SHARED = 0.5


def load_annotated(rows: Sequence[MaskRow]) -> Annotated:
    """Read and check everything that the rows of one exam name.

    A pixel of two structures belongs to the smaller one. A slice is drawn if all structures of the exam are known on
    it.

    Args:
        rows: all rows of one exam (`table.by_exam`).

    Raises:
        ValueError: a file can't be used or doesn't fit; the message names the row and the file.
        OSError: a file can't be read.
    """
    if not rows:
        raise ValueError("an exam needs at least one row")
    first = rows[0]
    if len({(row.exam_id, row.patient_id, row.split) for row in rows}) > 1:
        raise first.fault("these rows are of several exams, patients or splits")
    pixels = read_image(rows)
    drawings = [read_drawing(row, pixels) for row in rows]
    structures = in_order({name for drawing in drawings for name in drawing.masks})
    known = np.stack([_known(name, drawings, pixels) for name in structures])
    drawn: Mask = np.all(known, axis=0)
    if not drawn.any():
        raise first.fault(f"there is no slice on which all of {', '.join(structures)} are drawn")
    labels = _labels(structures, drawings, pixels)
    labels[~drawn] = 0
    return Annotated(
        exam_id=first.exam_id,
        patient_id=first.patient_id,
        split=first.split,
        voxels=pixels.voxels,
        spacing_mm=pixels.spacing_mm,
        labels=labels,
        drawn=drawn,
        structures=structures,
    )


def _known(structure: str, drawings: Sequence[Drawing], pixels: Pixels) -> Mask:
    """On which slices a structure is known, bool `[S]`; it is a fault if two rows speak of the same slice."""
    known = np.zeros(len(pixels.voxels), np.bool_)
    for drawing in drawings:
        if structure in drawing.masks:
            if (twice := np.flatnonzero(known & drawing.known)).size:
                row = drawing.row
                raise row.fault(f"another row says where {structure} is on slice {twice[0]}", row.mask or row.image)
            known |= drawing.known
    return known


def _labels(structures: tuple[str, ...], drawings: Sequence[Drawing], pixels: Pixels) -> npt.NDArray[np.uint8]:
    masks = {name: np.zeros(pixels.shape, np.bool_) for name in structures}
    owners: dict[str, Drawing] = {}
    for drawing in drawings:
        for name, mask in drawing.masks.items():
            masks[name] |= mask
            owners.setdefault(name, drawing)
    sizes = {name: int(mask.sum()) for name, mask in masks.items()}
    labels = np.zeros(pixels.shape, np.uint8)
    for name in sorted(structures, key=lambda name: -sizes[name]):  # the smallest one last
        under = labels[masks[name]]
        for other in np.unique(under[under > 0]):
            bigger, row = structures[other - 1], owners[name].row
            shared = float((under == other).mean())
            if shared > MOST_SHARED and not (row.box or owners[bigger].row.box):
                raise row.fault(f"{shared:.0%} of {name} lies in {bigger}; one of the two masks is wrong", row.mask)
        labels[masks[name]] = 1 + structures.index(name)
    return labels
