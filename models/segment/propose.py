"""Proposals: masks for images that nobody has annotated yet, and which of them to look at first.

masks.csv         a row for each mask, as `data_prep.masks` reads it. Column `used` is "no": a proposal isn't used for
                  training before somebody has corrected it and written "yes"
uncertainty.csv   the images in the order in which to annotate them; the measure is in `uncertainty.py`
masks/            a PNG for each picture, an NPZ for each array, a DICOM Segmentation for each DICOM series; of volumes
                  also a PNG for each slice with a mask
look/             of each image the slice with the largest mask, with its outline
"""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from data_prep.files import replacing
from data_prep.masks.row import MaskRow
from data_prep.masks.structures import Shows
from data_prep.masks.table import write_masks
from data_prep.names import cell
from models.segment.asked import Image, images
from models.segment.dicom_seg import write_segmentation
from models.segment.network_localiser import LIGAMENT
from models.segment.pictures import grey_levels, write_mask, write_overlay
from models.segment.plausible import Shape
from models.segment.segmented import Labels
from models.segment.segmenter import Segmenter
from models.segment.uncertainty import by_slice, uncertainty

MASKS, UNCERTAINTY = "masks.csv", "uncertainty.csv"
COLUMNS = ("order", "exam_id", "image", "uncertainty", "slice", "found", "doubt")


@dataclass(frozen=True)
class Proposal:
    """What was proposed for one image.

    Attributes:
        row: The image with its mask; without a mask if nothing was found.
        uncertainty: From 0 to 1, see `uncertainty.py`.
        slice: The slice of the volume that is the least sure; None if nothing was found.
        found: The names of the structures that were found.
        doubt: What about the ligament's shape wasn't seen in training; "" if nothing.
    """

    row: MaskRow
    uncertainty: float
    slice: int | None
    found: tuple[str, ...]
    doubt: str = ""


def propose(segmenter: Segmenter, name: str, rows: Iterable[MaskRow], out: Path) -> list[Proposal]:
    """Write a proposal for each image and both tables.

    Args:
        segmenter: The segmenter.
        name: Its bundle's name.
        rows: The images (`asked`).
        out: The folder; files of the same names are replaced.

    Returns:
        The proposals in the order of `uncertainty.csv`: first those without a mask or with an implausible one, then by
        falling uncertainty.

    Raises:
        ValueError: An image can't be read; the message names it.
        OSError: A file can't be read or written.
    """
    for folder in ("masks", "look"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    proposals = [_proposal(segmenter, name, image, out) for image in images(rows)]
    proposals.sort(key=lambda one: (bool(one.found) and not one.doubt, -one.uncertainty, one.row.exam_id))
    _write_masks([one.row for one in proposals if one.found], out / MASKS, name)
    _write_uncertainty(proposals, out / UNCERTAINTY)
    return proposals


def _proposal(segmenter: Segmenter, name: str, image: Image, out: Path) -> Proposal:
    pixels = image.pixels
    segmented = segmenter.probabilities(pixels.voxels, pixels.spacing_mm)
    labels = segmented.labels(segmenter.structures, segmenter.threshold, pixels.spacing_mm)
    sure = uncertainty(segmented, segmenter.threshold)
    found = tuple(one for label, one in enumerate(segmenter.structures, start=1) if (labels == label).any())
    if not found:
        return Proposal(image.row, 1.0, None, ())
    mask, shows = _write(labels, segmenter, name, image, out / "masks")
    largest = int((labels > 0).sum(axis=(1, 2)).argmax())
    write_overlay(out / "look" / f"{image.name}.png", pixels.voxels[largest], labels[largest])
    slices = by_slice(segmented, segmenter.threshold)
    unsure = segmented.footprint.slices[0] + int(np.nanargmax(slices))
    return Proposal(
        replace(image.row, mask=mask, structure=shows), sure, unsure, found, _doubt(segmenter, labels, image)
    )


def _doubt(segmenter: Segmenter, labels: Labels, image: Image) -> str:
    if segmenter.plausible is None or image.pixels.spacing_mm is None:
        return ""
    mask = labels == 1 + segmenter.structures.index(LIGAMENT)
    return segmenter.plausible.doubt(Shape.of(mask, image.pixels.spacing_mm)) if mask.any() else "no ligament"


def _write(labels: Labels, segmenter: Segmenter, name: str, image: Image, folder: Path) -> tuple[Path, Shows]:
    """The mask's files; returns the one that the table names, and what it shows."""
    structures = segmenter.structures
    if image.row.kind == "picture":
        path = folder / f"{image.name}.png"
        write_mask(path, labels[0], len(structures))
        meanings = tuple((str(level), one) for level, one in zip(grey_levels(len(structures)), structures, strict=True))
        return path, Shows(structures[0]) if len(structures) == 1 else Shows(None, meanings)
    slices = folder / image.name
    slices.mkdir(exist_ok=True)
    for old in slices.glob("slice-*.png"):
        old.unlink()
    for index in np.flatnonzero(labels.any(axis=(1, 2))):
        write_mask(slices / f"slice-{index:03}.png", labels[index], len(structures))
    if image.selection is None:
        path = folder / f"{image.name}.npz"
        np.savez_compressed(path, **{one: labels == label for label, one in enumerate(structures, start=1)})
        return path, Shows(structures[0]) if len(structures) == 1 else Shows()
    path = folder / f"{image.name}.dcm"
    write_segmentation(path, labels, structures, image.selection, name, segmenter.sha256)
    return path, Shows(structures[0]) if len(structures) == 1 else Shows()


def _write_masks(rows: Sequence[MaskRow], path: Path, name: str) -> None:
    """The table of masks, none of which is used yet."""
    write_masks(rows, path)
    with path.open(newline="", encoding="utf-8") as stream:
        lines = list(csv.reader(stream))
    with replacing(path) as partial, partial.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow([*lines[0], "used", "notes"])
        writer.writerows([*line, "no", f"proposed by {cell(name)}"] for line in lines[1:])


def _write_uncertainty(proposals: Sequence[Proposal], path: Path) -> None:
    with replacing(path) as partial, partial.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(COLUMNS)
        for order, one in enumerate(proposals, start=1):
            where = "" if one.slice is None else one.slice
            row = (order, cell(one.row.exam_id), cell(str(one.row.image)), f"{one.uncertainty:.4f}", where)
            writer.writerow([*row, "|".join(one.found), one.doubt])
