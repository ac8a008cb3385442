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
TRUE, FOUND = (40, 220, 40), (40, 40, 255)
ENLARGED = 3  # so that an outline doesn't hide what is inside


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


def outlines(slices: FloatArray, truth: npt.NDArray[np.floating], found: npt.NDArray[np.int_]) -> Picture:
    """The slice that shows most of all structures, with outlines: green for what is there, red for what was found.

    Args:
        slices: float32 `[S, H, W]` in 0..1.
        truth: `[S, H, W]`, class numbers; 0 and below for nothing.
        found: the same.

    Returns:
        A BGR picture of three times the slice's size.
    """
    index = int((truth > 0).sum(axis=(1, 2)).argmax())
    picture = cv2.cvtColor(np.round(255 * slices[index]).clip(0, 255).astype(np.uint8), cv2.COLOR_GRAY2BGR)
    picture = cv2.resize(picture, None, fx=ENLARGED, fy=ENLARGED, interpolation=cv2.INTER_NEAREST)
    for labels, colour in ((truth, TRUE), (found, FOUND)):
        for structure in range(1, int(labels[index].max()) + 1):
            mask = (labels[index] == structure).astype(np.uint8)
            mask = cv2.resize(mask, None, fx=ENLARGED, fy=ENLARGED, interpolation=cv2.INTER_NEAREST)
            lines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
            cv2.drawContours(picture, lines, -1, colour, 1)
    return np.asarray(picture, np.uint8)


def png(picture: Picture | Figure) -> bytes:
    """The bytes of a PNG file."""
    if isinstance(picture, Figure):
        stream = BytesIO()
        picture.savefig(stream, format="png")
        return stream.getvalue()
    return cv2.imencode(".png", picture)[1].tobytes()
