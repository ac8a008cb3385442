"""Masks as pictures: the mask by itself, as a person corrects it in an image editor, and its outline over the image."""

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from data_prep.volume import FloatArray
from models.segment.segmented import Labels

# Blue, green, red. One for each structure, in turn.
COLOURS = ((90, 220, 60), (60, 160, 250), (250, 120, 60), (220, 80, 220), (60, 230, 230), (200, 200, 60))
WINDOW = (1.0, 99.0)
# Sides that an outline is still seen at.
SMALLEST = 512


def grey_levels(structures: int) -> list[int]:
    """The grey value of each structure in a mask's picture, from dark to white: 255 for a single one."""
    return [255 * (1 + index) // structures for index in range(structures)]


def write_mask(path: Path, plane: Labels, structures: int) -> None:
    """Write a slice's labels `[R, C]` as a grey PNG with the values of `grey_levels`. Raises OSError."""
    _write(path, np.array([0, *grey_levels(structures)], np.uint8)[plane])


def write_overlay(path: Path, plane: FloatArray, labels: Labels, peak: tuple[int, int] | None = None) -> None:
    """Write a slice `[R, C]` with the outlines of its labels, enlarged if it is small.

    Args:
        path: The PNG file.
        plane: The slice.
        labels: Its labels, of the same shape.
        peak: Row and column of a cross.

    Raises:
        OSError: The file can't be written.
    """
    low, high = np.percentile(plane, WINDOW)
    grey = np.clip((plane - low) / max(high - low, np.finfo(np.float32).tiny) * 255, 0, 255).astype(np.uint8)
    scale = max(1, -(-SMALLEST // max(plane.shape)))
    size = (plane.shape[1] * scale, plane.shape[0] * scale)
    picture = cv2.cvtColor(cv2.resize(grey, size, interpolation=cv2.INTER_LINEAR), cv2.COLOR_GRAY2BGR)
    for label in range(1, int(labels.max()) + 1):
        large = cv2.resize((labels == label).astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
        outlines, _ = cv2.findContours(large, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(picture, outlines, -1, COLOURS[(label - 1) % len(COLOURS)], 1)
    if peak:
        place = (round((peak[1] + 0.5) * scale), round((peak[0] + 0.5) * scale))
        cv2.drawMarker(picture, place, (255, 255, 255), cv2.MARKER_CROSS, 12, 1)
    _write(path, picture)


def _write(path: Path, picture: npt.NDArray[np.uint8]) -> None:
    """OpenCV's own writer gives no reason if it fails."""
    path.write_bytes(cv2.imencode(".png", picture)[1].tobytes())
