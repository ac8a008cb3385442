"""The slices that the report shows: the decisive one and those that contribute most, plain and with the heatmap."""

from typing import Any, NamedTuple

import cv2
import numpy as np

from app.results import render
from app.results.common import Result
from app.results.evidence import Evidence
from app.results.key_image import bar
from app.results.overlays import OPACITY

SLICES = 3
# Pixels of the longer side of a picture, at least; and of the colour scale's width.
SIDE, SCALE_WIDTH = 400, 900


class Picture(NamedTuple):
    """A slice, twice.

    Attributes:
        caption: What it is.
        plain: PNG without colours.
        coloured: PNG with the heatmap.
    """

    caption: str
    plain: bytes
    coloured: bytes


def pictures(result: Result, evidence: Evidence) -> list[Picture]:
    """The key slices in the order of the volume."""
    scale = render.Scale.of(result.volume.voxels, evidence.bounds)
    contributions = result.contributions
    decisive = result.decisive(evidence)
    by_share = sorted(contributions, key=lambda at: (at != decisive, -round(contributions[at], 2), abs(at - decisive)))
    return [
        _picture(result, evidence, index, scale, f"contribution {contributions[index]:+.2f}")
        for index in sorted(by_share[:SLICES])
    ]


def colour_scale(evidence: Evidence) -> bytes:
    """The colour scale as PNG; empty if nothing is coloured."""
    if evidence.bounds.peak <= 0 or evidence.bounds.is_dark:
        return b""
    drawn = bar(evidence, SCALE_WIDTH)
    shown = drawn[drawn.any(axis=(1, 2)).argmax() :]
    return render.png(np.pad(shown, ((6, 6), (0, 0), (0, 0))))


def explained(result: Result, evidence: Evidence) -> list[str]:
    """What the pictures show."""
    bounds, name = evidence.bounds, result.answer["explanation"]["class"]
    said = [
        f"The colours show evidence for {name!r}: the share of the model's score (logit) that comes from each mm2. "
        "Evidence isn't a boundary of an injury."
    ]
    if bounds.threshold is None:
        return [*said, f"{render.OWN_SCALE}: brightness can't be compared between studies."]
    lowest, full = bounds.density(bounds.threshold), bounds.density(bounds.full)
    if bounds.is_dark:
        return [*said, f"{render.NO_REGION} ({lowest:.2g} logit/mm2), so nothing is coloured."]
    return [*said, f"Nothing is coloured below {lowest:.2g}; full brightness is {full:.2g} logit/mm2."]


def _picture(result: Result, evidence: Evidence, index: int, scale: render.Scale, said: str) -> Picture:
    grey, glow = render.grey(result.volume.voxels[index], scale), render.glow(evidence.values[index], scale)
    coloured = render.mixed(grey, glow, OPACITY)
    caption = f"{result.place(index).capitalize()}, {said}"
    return Picture(caption, *(render.png(_square(one, result)) for one in (grey, coloured)))


def _square(picture: render.Picture, result: Result) -> Any:
    """A picture with square pixels, as wide and high as the slice is in mm."""
    (rows, columns), (_, row_mm, column_mm) = picture.shape[:2], result.volume.spacing_mm
    size_mm = columns * column_mm, rows * row_mm
    factor = SIDE / max(size_mm)
    width, height = (max(1, round(factor * one)) for one in size_mm)
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_CUBIC)
