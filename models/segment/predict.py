"""One image, segmented: the mask, the outline over the image, and in words where the structure is."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from data_prep.boxes import bounding_box
from models.segment.asked import Image
from models.segment.dicom_seg import write_segmentation
from models.segment.pictures import write_mask, write_overlay
from models.segment.segmenter import Segmenter


def predict(segmenter: Segmenter, name: str, image: Image, out: Path) -> list[str]:
    """Write the mask and a picture of it.

    A picture's mask is `mask.png`; a volume's is `mask.npz` with a bool array `[S, R, C]` for each structure, and of a
    DICOM series also `mask.dcm`. `overlay.png` shows the slice of the first structure's peak with the outlines.

    Args:
        segmenter: The segmenter.
        name: Its bundle's name.
        image: The image.
        out: The folder; it is made if it isn't there.

    Returns:
        A line for each structure: where it is most likely (in its mask, if it has one), and the box.

    Raises:
        OSError: A file can't be written.
    """
    out.mkdir(parents=True, exist_ok=True)
    pixels, structures = image.pixels, segmenter.structures
    segmented = segmenter.probabilities(pixels.voxels, pixels.spacing_mm)
    labels = segmented.labels(structures, segmenter.threshold, pixels.spacing_mm)
    masks = {one: labels == label for label, one in enumerate(structures, start=1)}
    peaks = [segmented.peak(index, mask if mask.any() else None) for index, mask in enumerate(masks.values())]
    peak = peaks[0]
    write_overlay(out / "overlay.png", pixels.voxels[peak[0]], labels[peak[0]], peak[1:])
    if image.row.kind == "picture":
        write_mask(out / "mask.png", labels[0], len(structures))
    else:
        np.savez_compressed(out / "mask.npz", **masks)
    if image.selection is not None and labels.any():
        write_segmentation(out / "mask.dcm", labels, structures, image.selection, name, segmenter.sha256)
    lines = []
    for index, ((one, mask), (slice_, row, column)) in enumerate(zip(masks.items(), peaks, strict=True)):
        sure = float(segmented.plane(slice_)[index, row, column])
        said = f"{one}: peak in slice {slice_}, row {row}, column {column} (probability {sure:.2f}); "
        lines.append(said + (_box(mask) if mask.any() else f"no mask: too little reaches {segmenter.threshold:.2f}"))
    return lines


def _box(mask: npt.NDArray[np.bool_]) -> str:
    (first, last), (top, bottom), (left, right) = bounding_box(mask)
    return f"box: slices {first}:{last}, rows {top}:{bottom}, columns {left}:{right}"
