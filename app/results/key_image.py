"""The decisive slice as a picture that explains itself: a Secondary Capture (PS3.3 A.8.1).

Below the slice with its heatmap stands what was found, what the colours mean, and what made them. No text covers the
knee.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import cv2
import numpy as np

from app.contract.version import VERSION
from app.results import render
from app.results.common import MANUFACTURER, NOTICE, Result, finish
from app.results.evidence import Evidence
from app.results.overlays import OPACITY, coloured, put_in_place

FONT = cv2.FontFace("sans")
# The slice is enlarged by a whole factor, until its longer side has at least this many pixels.
SIDE = 768
# The picture is at least this wide, so that the text has room.
WIDTH = 640
SIDES = {"L": "Left knee", "R": "Right knee", "unknown": "Side not known"}
WHITE, GREY, AMBER = (255, 255, 255), (170, 170, 170), (60, 190, 255)
# The grey that the colour scale lies on, like tissue of medium brightness.
TISSUE = 90
# Warnings of the answer that the picture repeats.
WARNINGS = ("synthetic-training", "missing-slices")
# A probability nearer to 0 or 1 isn't written as 0.00 or 1.00.
NEAREST = 0.005


class Line(NamedTuple):
    """A line of text.

    Attributes:
        text: The text.
        height: Its height as a share of the usual line's.
        colour: BGR.
    """

    text: str
    height: float = 1.0
    colour: tuple[int, int, int] = WHITE


def key_image(result: Result, evidence: Evidence) -> bytes:
    """Make the key image.

    Args:
        result: The answered study.
        evidence: The explained class's map.

    Returns:
        The bytes of a DICOM file.
    """
    index, (_, row_mm, column_mm) = result.decisive(evidence), result.volume.spacing_mm
    factor, left = _factor(result), _margin(result)
    spacing = row_mm / factor, column_mm / factor
    dataset = coloured(result, "key-image", picture(result, evidence), index, spacing)
    put_in_place(dataset, result, index, ((0.5 - left) / factor - 0.5, 0.5 / factor - 0.5))
    return finish(dataset, result)


def picture(result: Result, evidence: Evidence) -> render.Picture:
    """The picture, BGR `[R, C, 3]`."""
    voxels, index = result.volume.voxels, result.decisive(evidence)
    scale = render.Scale.of(voxels, evidence.bounds)
    slice_ = render.mixed(render.grey(voxels[index], scale), render.glow(evidence.values[index], scale), OPACITY)
    enlarged = cv2.resize(slice_, None, fx=_factor(result), fy=_factor(result), interpolation=cv2.INTER_LINEAR)
    width, left = max(enlarged.shape[1], WIDTH), _margin(result)
    knee = cv2.copyMakeBorder(enlarged, 0, 0, left, width - enlarged.shape[1] - left, cv2.BORDER_CONSTANT)
    parts = [_text(list(_found(result, evidence)), width)]
    if evidence.bounds.peak > 0 and not evidence.bounds.is_dark:
        parts += [bar(evidence, width)]
    parts += [_text(list(_explained(result, evidence)), width)]
    return np.vstack([knee, *parts])


def _factor(result: Result) -> int:
    _, rows, columns = result.volume.shape
    return max(1, -(-SIDE // max(rows, columns)))


def _margin(result: Result) -> int:
    """Pixels at the left of the enlarged slice."""
    return max(0, WIDTH - _factor(result) * result.volume.shape[2]) // 2


def _found(result: Result, evidence: Evidence) -> Iterator[Line]:
    """What was found, and where."""
    found, codes = result.answer["result"], {warning["code"] for warning in result.answer["warnings"]}
    chances, predicted = found["probabilities"], found["predicted"]
    how = "not calibrated" if "not-calibrated" in codes else "calibrated"
    yield Line(f"ACL: {predicted}, probability {chance(chances[predicted])} ({how})", 1.4)
    if len(chances) > 2:
        yield Line(", ".join(f"{name} {chance(value)}" for name, value in chances.items()))
    if point := found.get("operating_point"):
        yield Line(point["message"])
    yield Line(f"{SIDES[result.volume.laterality]}, {result.place(result.decisive(evidence))}")
    if evidence.bounds.is_dark:
        yield Line(f"{render.NO_REGION}: nothing is coloured", colour=AMBER)


def _explained(result: Result, evidence: Evidence) -> Iterator[Line]:
    """What the colours mean, and what made them."""
    answer, bounds = result.answer, evidence.bounds
    name, scale = answer["explanation"]["class"], answer["explanation"].get("scale", {})
    meaning = "the share of the model's score (logit) that comes from each mm2 of the slice"
    yield Line(f"Colour shows evidence for {name!r}: {meaning}.")
    if bounds.threshold is None:
        yield Line(f"{render.OWN_SCALE}: brightness can't be compared between studies.", colour=AMBER)
    else:
        lowest, full = bounds.density(bounds.threshold), bounds.density(bounds.full)
        yield Line(
            f"Nothing is coloured below {lowest:.2g}{_unreached(scale)}. "
            f"Full brightness is {full:.2g} logit/mm2{_reached(scale)}."
        )
    for warning in answer["warnings"]:
        if warning["code"] in WARNINGS:
            yield Line(warning["message"], colour=AMBER)
    yield Line(NOTICE, 1.4, AMBER)
    bundle = answer["bundle"]
    yield Line(
        f"{MANUFACTURER} {VERSION}, model {result.model} ({bundle['route']}, {bundle['sha256'][:12]})", 0.9, GREY
    )


def _unreached(scale: dict[str, Any]) -> str:
    """Who stays below the threshold, if the answer knows it."""
    exams = scale.get("threshold_exams")
    return f", as in {exams['below']} of {exams['exams']} healthy validation knees" if exams else ""


def _reached(scale: dict[str, Any]) -> str:
    """Who reaches full brightness, if the answer knows it of the explained class."""
    if not scale.get("exams") or scale.get("quantile") is None:
        return ""
    return f", which {1 - scale['quantile']:.0%} of {scale['exams']} injured validation knees reach"


def chance(value: float) -> str:
    """A probability with two decimals."""
    if value > 1 - NEAREST:
        return "above 0.99"
    return "below 0.01" if value < NEAREST else f"{value:.2f}"


def bar(evidence: Evidence, width: int) -> render.Picture:
    """The colour scale with its values, `[R, width, 3]`: colours over grey, as in the slice."""
    bounds, usual = evidence.bounds, _height(width)
    lowest = bounds.threshold or 0.0
    first, last = f"{bounds.density(lowest):.2g}", f"{bounds.density(bounds.full):.2g} logit/mm2"
    left, right = usual + _size(first, width), width - usual - _size(last, width)
    ramp = np.tile(np.linspace(lowest / bounds.full, 1, right - left, dtype=np.float32), (usual, 1))
    band = np.zeros((2 * usual + round(0.3 * usual), width, 3), np.uint8)  # letters such as g reach below the ramp
    band[usual : 2 * usual, left:right] = render.mixed(np.full(ramp.shape, TISSUE, np.uint8), ramp, OPACITY)
    base = 2 * usual - round(0.15 * usual)
    _put(band, Line(first), usual // 2, base, width)
    _put(band, Line(last), right + usual // 2, base, width)
    return band


def _text(lines: list[Line], width: int) -> render.Picture:
    """Lines on black, `[R, width, 3]`; those that are too long are continued in the next row."""
    rows = [Line(part, line.height, line.colour) for line in lines for part in _wrapped(line, width)]
    usual = _height(width)
    panel = np.zeros((round(1.6 * usual * sum(row.height for row in rows)) + usual, width, 3), np.uint8)
    base = usual // 2
    for row in rows:
        base += round(1.6 * usual * row.height)
        _put(panel, row, usual // 2, base - round(0.3 * usual), width)
    return panel


def _wrapped(line: Line, width: int) -> list[str]:
    parts, available = [""], width - _height(width)
    for word in line.text.split():
        longer = f"{parts[-1]} {word}".strip()
        if parts[-1] and _size(longer, width, line.height) > available:
            parts.append(word)
        else:
            parts[-1] = longer
    return parts


def _height(width: int) -> int:
    """The usual size of text, in pixels, for a picture of this width."""
    return round(width / 42)


def _size(text: str, width: int, height: float = 1.0) -> int:
    """The width of a text, in pixels."""
    box = cv2.getTextSize((0, 0), text, (0, 0), FONT, round(height * _height(width)))
    return int(box[0] + box[2])


def _put(picture: render.Picture, line: Line, left: int, base: int, width: int) -> None:
    cv2.putText(picture, line.text, (left, base), line.colour, FONT, round(line.height * _height(width)))
