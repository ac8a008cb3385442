"""Small pictures of how training goes: which classes are mistaken for which, and where a map lies."""

import cv2
import numpy as np
import numpy.typing as npt

from data_prep.network_input.footprint import Footprint
from data_prep.volume import FloatArray

Picture = npt.NDArray[np.uint8]
Span = tuple[float, float]

CELL = 96  # pixels a side: room for a count and the first letters of a class
FOR, AGAINST = (40, 40, 255), (255, 120, 40)  # BGR: red speaks for a class, blue against it


def confusion(truth: npt.NDArray[np.int_], answer: npt.NDArray[np.int_], classes: tuple[str, ...]) -> Picture:
    """Counts of true class (rows) against answered class (columns), `[pixels, pixels, 3]` BGR; darker is more."""
    counts = np.zeros((len(classes), len(classes)), int)
    np.add.at(counts, (truth, answer), 1)
    picture = np.full((CELL * (len(classes) + 1), CELL * (len(classes) + 1), 3), 255, np.uint8)
    _write(picture, "row: true", 0, 0)
    for index, name in enumerate(classes, start=1):
        _write(picture, name[:9], 0, index)
        _write(picture, name[:9], index, 0)
    for (row, column), count in np.ndenumerate(counts):
        share = count / max(counts[row].sum(), 1)
        top, left = CELL * (row + 1), CELL * (column + 1)
        picture[top : top + CELL, left : left + CELL] = round(255 - 160 * share)
        _write(picture, str(count), row + 1, column + 1)
    return picture


def overlay(slices: FloatArray, maps: FloatArray, grid_span: tuple[Span, Span]) -> Picture:
    """Every slice of an exam `[S, H, W]` with its map `[S, h, w]` over it, side by side in rows, BGR.

    Red speaks for the class, blue against it, by one scale for the whole exam.
    """
    count, height, width = slices.shape
    place = Footprint(slices.shape, (0, count), (0.0, float(height)), (0.0, float(width)))
    heat = place.part(*grid_span).carry_back(maps)
    strength = (np.abs(heat) / max(np.abs(heat).max(), np.finfo(np.float32).tiny))[..., None]
    grey = 255 * np.repeat(slices[..., None], 3, axis=-1)
    tiles = grey + 0.7 * strength * (np.where(heat[..., None] > 0, FOR, AGAINST) - grey)
    columns = int(np.ceil(np.sqrt(count)))
    tiles = np.concatenate([tiles, np.zeros((-count % columns, height, width, 3))])
    rows = [np.concatenate(list(row), axis=1) for row in tiles.reshape(-1, columns, height, width, 3)]
    return np.concatenate(rows).round().astype(np.uint8)


def _write(picture: Picture, text: str, row: int, column: int) -> None:
    place = (CELL * column + 6, CELL * row + CELL // 2)
    cv2.putText(picture, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA)
