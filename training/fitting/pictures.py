"""Small pictures of the progress of training: a confusion matrix, and a map over its slices."""

from io import BytesIO

import cv2
import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from data_prep.network_input.footprint import Footprint
from data_prep.volume import FloatArray

Picture = npt.NDArray[np.uint8]
Span = tuple[float, float]

FOR, AGAINST = (40, 40, 255), (255, 120, 40)  # BGR: red is evidence for a class, blue against it


def confusion(truth: npt.NDArray[np.int_], answer: npt.NDArray[np.int_], classes: tuple[str, ...]) -> Figure:
    """Counts of true classes (rows) and predicted classes (columns). The darkness of a cell is its share of the row."""
    counts = np.zeros((len(classes), len(classes)), int)
    np.add.at(counts, (truth, answer), 1)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure = Figure(figsize=(2 + len(classes), 1.5 + len(classes)), layout="constrained")
    axes = figure.subplots()
    axes.imshow(shares, cmap="Greys", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        axes.text(
            column, row, str(count), ha="center", va="center", color="white" if shares[row, column] > 0.5 else "black"
        )
    axes.set_xticks(range(len(classes)), classes, rotation=20, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(classes)), classes)
    axes.set(xlabel="predicted", ylabel="true")
    return figure


def overlay(slices: FloatArray, maps: FloatArray, grid_span: tuple[Span, Span]) -> Picture:
    """Every slice of an exam with its map over it, side by side in rows.

    Red is evidence for the class, blue against it, with one scale for the whole exam.

    Args:
        slices: float32 `[S, H, W]` in 0..1.
        maps: `[S, h, w]`.
        grid_span: the rows and columns of a slice that the map covers.

    Returns:
        A BGR picture.
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


def png(picture: Picture | Figure) -> bytes:
    """The bytes of a PNG file."""
    if isinstance(picture, Figure):
        stream = BytesIO()
        picture.savefig(stream, format="png")
        return stream.getvalue()
    return cv2.imencode(".png", picture)[1].tobytes()
