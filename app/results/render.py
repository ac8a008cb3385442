"""Pictures of slices and maps. They keep the volume's grid, so that a pixel of a picture is a pixel of the scanner.

A whole volume has one window and one colour scale, so that a slice without evidence stays grey. The colour scale is the
bundle's, so that a healthy knee stays grey, too: below the threshold nothing is coloured, and the picture says so if
nothing reaches it.
"""

from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from app.results.colour_scale import Bounds
from data_prep.volume import FloatArray

Picture = npt.NDArray[np.uint8]

# Percentiles of the volume that become black and white; a few bright vessels shouldn't darken the knee.
WINDOW = (1.0, 99.5)
# Every fourth pixel gives the same percentiles in a sixteenth of the time.
SAMPLE = 4
# Percent of the voxels that are darker than the values that `percentiles` gives.
PERCENTILES = (0, 0.5, 1, 2, 5, 25, 50, 75, 90, 95, 98, 99, 99.5, 100)
# Used as divisor if a volume is blank or a map is empty.
TINY = float(np.finfo(np.float32).tiny)
NOTICE = "research use only"
# What pictures say if no evidence reaches the threshold, or if there is no threshold.
NO_REGION = "No region above the threshold"
OWN_SCALE = "Scaled by this study's own peak"
# The notice has this share of a picture's width, and at least this many pixels if the picture has as many.
NOTICE_WIDTH, NOTICE_PIXELS = 0.45, 130
FONT = cv2.FONT_HERSHEY_SIMPLEX


class Scale(NamedTuple):
    """What all slices of a volume share.

    Attributes:
        black: The voxel value that becomes black.
        white: The voxel value that becomes white.
        full: The map's value at full brightness.
        threshold: The lowest value of the map that is coloured.
        said: What every picture must say of the colours; empty if nothing.
    """

    black: float
    white: float
    full: float
    threshold: float
    said: str

    @classmethod
    def of(cls, voxels: FloatArray, bounds: Bounds) -> "Scale":
        """The scale of a volume `[slices, rows, columns]`, for a map with these bounds."""
        black, white = np.percentile(voxels[:, ::SAMPLE, ::SAMPLE], WINDOW)
        said = OWN_SCALE if bounds.threshold is None else NO_REGION if bounds.is_dark else ""
        return cls(float(black), float(white), bounds.full, bounds.threshold or 0.0, said)


def percentiles(voxels: FloatArray) -> dict[str, float]:
    """Voxel values of a volume `[slices, rows, columns]`, by percent of the voxels that are darker."""
    values = np.percentile(voxels[:, ::SAMPLE, ::SAMPLE], PERCENTILES)
    return {f"{percent:g}": float(value) for percent, value in zip(PERCENTILES, values, strict=True)}


def grey(plane: FloatArray, scale: Scale) -> Picture:
    """A slice of the volume `[R, C]` in grey, uint8 `[R, C]`."""
    levels: FloatArray = (plane - scale.black) / max(scale.white - scale.black, TINY)
    return np.round(255 * levels.clip(0, 1)).astype(np.uint8)


def glow(plane: FloatArray, scale: Scale) -> FloatArray:
    """The evidence for the class in a slice of the map, `[R, C]`, up to 1 (full brightness); 0 below the threshold."""
    levels: FloatArray = (plane / max(scale.full, TINY)).clip(0, 1).astype(np.float32)
    levels[plane < np.float32(scale.threshold)] = 0
    return levels


def heatmap(plane: FloatArray) -> Picture:
    """A slice of `glow` `[R, C]` as BGRA `[R, C, 4]`. Stronger evidence is brighter and less transparent."""
    levels = np.round(255 * plane).astype(np.uint8)
    return np.dstack([cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO), levels])


def mixed(slice_: Picture, plane: FloatArray, opacity: float) -> Picture:
    """The heatmap over a grey slice, BGR `[R, C, 3]`.

    Args:
        slice_: The slice in grey, `[R, C]`.
        plane: Its evidence, as `glow` gives it.
        opacity: The opacity of full brightness, from 0 to 1.
    """
    coloured = heatmap(plane)
    weight = opacity * coloured[..., 3:] / 255
    both = np.round((1 - weight) * slice_[..., None] + weight * coloured[..., :3]).astype(np.uint8)
    return np.ascontiguousarray(both)


def overlay(slice_: Picture, plane: FloatArray, opacity: float, said: str = "") -> Picture:
    """The same, with the notice burnt in, below what else must be said of the colours."""
    picture = mixed(slice_, plane, opacity)
    bottom = picture.shape[0] - 1
    for text in (NOTICE, said):
        if text:
            bottom -= _write(picture, text, bottom)
    return picture


def png(picture: Picture) -> bytes:
    """The bytes of a PNG file."""
    encoded, buffer = cv2.imencode(".png", picture)
    if not encoded:
        raise ValueError(f"a picture of shape {picture.shape} can't be encoded as PNG")
    return buffer.tobytes()


def contact_sheet(pictures: list[Picture], captions: list[str], columns: int = 6) -> Picture:
    """BGR pictures of one size side by side, each under its caption."""
    margin = 18
    tiles = []
    for picture, caption in zip(pictures, captions, strict=True):
        tile = cv2.copyMakeBorder(picture, margin, 2, 2, 2, cv2.BORDER_CONSTANT)
        tiles.append(cv2.putText(tile, caption, (4, margin - 5), FONT, 0.4, (255, 255, 255), 1, cv2.LINE_AA))
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % columns)
    return np.vstack([np.hstack(tiles[first : first + columns]) for first in range(0, len(tiles), columns)])


def _write(picture: Picture, text: str, bottom: int) -> int:
    """Write a line above row `bottom`, in white with a black edge: readable on fat and on air. Returns its height."""
    (width, height), _ = cv2.getTextSize(text, FONT, 1.0, 1)
    (usual, _), _ = cv2.getTextSize(NOTICE, FONT, 1.0, 1)
    available = picture.shape[1]
    of_notice = min(max(NOTICE_WIDTH * available, NOTICE_PIXELS), available - 6) / usual
    scale = min(of_notice, (available - 6) / width)
    left, base = 3, bottom - 3 - round(0.2 * scale * height)
    edge = [(left + right, base + down) for right in (-1, 0, 1) for down in (-1, 0, 1)]
    for place, grey_value in [*((place, 0) for place in edge), ((left, base), 255)]:
        cv2.putText(picture, text, place, FONT, scale, (grey_value,) * 3, 1, cv2.LINE_AA)
    return int(1.2 * scale * height) + 5
