"""From a row to where its structures lie in its exam's pixels."""

from dataclasses import dataclass

import numpy as np

from data_prep.boxes import filled
from data_prep.errors import InputError
from data_prep.masks.files import Numbers, read_arrays, read_picture
from data_prep.masks.images import Pixels
from data_prep.masks.marks import Mask, marked, marked_in_picture
from data_prep.masks.row import MaskRow, kind_of, shown
from data_prep.masks.segmentations import read_segmentation
from data_prep.masks.structures import Shows, in_order, structure_named

# Of a slice: no structure of a knee fills more, but the background does.
MOST_COVERED = 0.5
# Fewer values than any image has.
FEW_VALUES = 3


@dataclass(frozen=True, eq=False)
class Drawing:
    """What one row says.

    Attributes:
        row: the row.
        masks: bool `[S, R, C]` for each structure, in our order.
        known: bool `[S]`, the slices that the row says something about.
    """

    row: MaskRow
    masks: dict[str, Mask]
    known: Mask


def read_drawing(row: MaskRow, pixels: Pixels) -> Drawing:
    """Read a row's mask or box, and check it against the exam's pixels.

    Raises:
        ValueError: it doesn't fit, or isn't clear; the message names the row and the file.
        OSError: a file can't be read.
    """
    index = pixels.slice_of(row)
    try:
        if row.mask is None:
            masks = _without_mask(row, pixels)
        elif kind_of(row.mask) == "series":
            masks = _of_series(row, pixels)
        else:
            masks = {name: _placed(mask, row, pixels, index) for name, mask in _of_file(row, pixels).items()}
    except InputError as error:
        raise type(error)(f"{row.place}: {error.detail}", error.files) from None
    shown_on = np.any([mask.any(axis=(1, 2)) for mask in masks.values()], axis=0)
    known = _known(row, pixels, index, shown_on)
    drawing = Drawing(row, {name: masks[name] for name in in_order(masks)}, known)
    _check(drawing, pixels)
    return drawing


def _without_mask(row: MaskRow, pixels: Pixels) -> dict[str, Mask]:
    """A box, or a structure that isn't there."""
    if row.box is None:
        return {row.structure.only: np.zeros(pixels.shape, np.bool_)}
    box = row.box
    if row.kind == "picture" and box[0] == (0, 1):
        index = pixels.files.index(row.image)
        box = ((index, index + 1), *box[1:])
    for (start, stop), size, axis in zip(box, pixels.shape, ("slices", "rows", "columns"), strict=True):
        if stop > size:
            raise row.fault(f"its box reaches over {axis} {start}:{stop}, but the image has {size}", row.image)
    return {row.structure.only: filled(box, pixels.shape)}


def _of_series(row: MaskRow, pixels: Pixels) -> dict[str, Mask]:
    if pixels.volume is None:
        raise row.fault("a DICOM Segmentation needs the DICOM series that it was drawn on as its image", row.mask)
    assert row.mask is not None
    return read_segmentation(row.mask, pixels.volume, row.structure)


def _of_file(row: MaskRow, pixels: Pixels) -> dict[str, Numbers]:
    """What a picture or array marks, in its own shape."""
    assert row.mask is not None
    if row.mask == row.image:
        raise row.fault("image and mask are the same file", row.mask)
    try:
        if kind_of(row.mask) == "picture":
            return dict(marked_in_picture(read_picture(row.mask), row.structure))
        return dict(_of_arrays(read_arrays(row.mask), row.structure))
    except InputError:
        raise
    except ValueError as error:
        swapped = "; image and mask may be swapped" if _few_values(pixels) else ""
        raise row.fault(f"{error}{swapped}", row.mask) from None


def _few_values(pixels: Pixels) -> bool:
    return len(np.unique(pixels.voxels[:1])) <= FEW_VALUES


def _of_arrays(arrays: dict[str, Numbers], shows: Shows) -> dict[str, Mask]:
    """The structures of an archive: arrays of their names, arrays that column structure names, or its only array."""
    if shows.meanings and {key for key, _ in shows.meanings} <= set(arrays):
        chosen = {key: named for key, named in shows.meanings if named}
    elif shows.meanings or len(arrays) == 1:
        if len(arrays) > 1:
            raise ValueError(f"it holds several arrays ({', '.join(arrays)}); column structure must name them")
        ((name, array),) = arrays.items()
        if shows.structure and (other := structure_named(name)) and other != shows.structure:
            raise ValueError(f"its array is called {name}, but column structure says {shows.structure}")
        shows = shows if shows.meanings or shows.structure else Shows(structure_named(name))
        return marked(array, shows)
    else:
        chosen = {name: named for name in arrays if (named := structure_named(name))}
        if shows.structure:
            chosen = {name: named for name, named in chosen.items() if named == shows.structure}
        if not chosen:
            raise ValueError(
                f"none of its arrays ({', '.join(arrays)}) is called {shows.structure or 'as a structure'}"
            )
    found: dict[str, Mask] = {}
    for name, named in chosen.items():
        mask = marked(arrays[name], Shows(named))[named]
        if named in found and mask.shape != found[named].shape:
            raise ValueError(f"its arrays of {named} have different shapes")
        found[named] = found[named] | mask if named in found else mask
    return found


def _placed(mask: Numbers, row: MaskRow, pixels: Pixels, index: int | None) -> Mask:
    """A mask `[R, C]` or `[S, R, C]` in the exam's pixels."""
    whole = pixels.shape
    plane = mask[0] if mask.ndim == 3 and len(mask) == 1 else mask
    if mask.ndim not in (2, 3):
        raise row.fault(f"its shape {mask.shape} isn't (rows, columns) or (slices, rows, columns)", row.mask)
    if plane.ndim == 2:
        if plane.shape != whole[1:]:
            raise row.fault(_other_size(plane.shape, whole[1:], row), row.mask)
        if index is None:
            raise row.fault(f"it shows one slice, and its image has {whole[0]}; fill in column slice", row.mask)
        placed = np.zeros(whole, np.bool_)
        placed[index] = plane
        return placed
    if mask.shape != whole:
        raise row.fault(_other_size(mask.shape, whole, row), row.mask)
    if row.slice is not None:
        raise row.fault("it shows the whole volume, but column slice names one slice", row.mask)
    return np.asarray(mask, np.bool_)


def _other_size(mask: tuple[int, ...], image: tuple[int, ...], row: MaskRow) -> str:
    said = f"it has {_size(mask)} pixels, its image {shown(row.image)} has {_size(image)}"
    if len(mask) == 3 and mask[-1] in (2, 3, 4) and mask[:2] == image[-2:]:
        return f"{said}: it seems to have {mask[-1]} channels, and one is needed"
    if sorted(mask) == sorted(image):
        return f"{said}: its axes are in another order"
    return said


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _known(row: MaskRow, pixels: Pixels, index: int | None, shown_on: Mask) -> Mask:
    """The slices that a row says something about."""
    known = np.zeros(len(pixels.voxels), np.bool_)
    if index is not None:
        known[index] = True
    elif row.drawn == "all":
        known[:] = True
    elif row.drawn == "shown":
        known[:] = shown_on
    else:
        for start, stop in row.drawn:
            if stop > len(known):
                raise row.fault(f"column drawn says {start}:{stop}, but the volume has {len(known)} slices", row.image)
            known[start:stop] = True
    if (outside := np.flatnonzero(shown_on & ~known)).size:
        raise row.fault(f"something is drawn on slice {outside[0]}, which column drawn or slice leaves out", row.mask)
    return known


def _check(drawing: Drawing, pixels: Pixels) -> None:
    row = drawing.row
    anything = any(mask.any() for mask in drawing.masks.values())
    if anything and row.empty:
        raise row.fault("something is drawn, but column empty says that the structure isn't there", row.mask)
    if not anything and not row.empty:
        raise row.fault(
            "the mask is empty; if the structure isn't there, write yes in column empty", row.mask or row.image
        )
    if not drawing.known.any():
        raise row.fault("it says nothing about any slice", row.mask or row.image)
    for structure, mask in drawing.masks.items():
        covered = mask.mean(axis=(1, 2))
        if (most := float(covered.max())) > MOST_COVERED:
            what = "the whole image" if most == 1 else f"{most:.0%} of the image"
            where = f" (slice {int(covered.argmax())})" if len(mask) > 1 else ""
            raise row.fault(f"{structure} covers {what}{where}; it may be inverted", row.mask or row.image)
