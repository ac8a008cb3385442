"""What can be seen in a screenshot: where it is coloured, and whether it shows a given picture.

Grey is what scanners make; colour is what we add. A map is drawn in colours, so colour is evidence that can be seen.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]

# The difference between the largest and the smallest of red, green and blue from which a pixel looks coloured.
COLOURED = 40
# The strongest region is where colour has at least this share of the strongest colour.
STRONG = 0.7
# From this value, green with little red and blue is a line that the viewer draws.
GREEN = 140
# Lines are dashed: gaps of fewer pixels belong to the line.
GAP = 7
# Fewer pixels than this are the edges of letters and lines.
SMALLEST = 30


@dataclass(frozen=True)
class Region:
    """The coloured region that is strongest.

    Attributes:
        x: Its centre, in pixels from the left.
        y: Its centre, in pixels from the top.
        pixels: How many pixels it has.
        strength: The strongest colour in it, 0 to 255.
    """

    x: float
    y: float
    pixels: int
    strength: int


def decoded(png: bytes) -> Picture:
    """A PNG file as RGB `[rows, columns, 3]`."""
    picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    if picture is None:
        raise ValueError("this isn't a PNG file")
    return np.ascontiguousarray(picture[..., ::-1])


def colour(picture: Picture) -> npt.NDArray[np.int16]:
    """How coloured each pixel is: 0 for every grey, `[rows, columns]`."""
    wide = picture.astype(np.int16)
    return wide.max(-1) - wide.min(-1)


def strongest(picture: Picture) -> Region | None:
    """The strongest coloured region, RGB `[rows, columns, 3]`; None if nothing looks coloured."""
    strength = colour(picture)
    # A median over 5 x 5 pixels removes thin lines and letters.
    strength = cv2.medianBlur(strength.astype(np.uint8), 5).astype(np.int16)
    highest = int(strength.max())
    if highest < COLOURED:
        return None
    mask = (strength >= max(COLOURED, STRONG * highest)).astype(np.uint8)
    _, labels, statistics, centres = cv2.connectedComponentsWithStats(mask, connectivity=8)
    row, column = np.unravel_index(int(strength.argmax()), strength.shape)
    region = int(labels[row, column])
    pixels = int(statistics[region, cv2.CC_STAT_AREA])
    if pixels < SMALLEST:
        return None
    x, y = centres[region]
    return Region(float(x), float(y), pixels, highest)


def outlined(picture: Picture, x: float, y: float) -> bool:
    """Whether a green line goes around a place, as OHIF draws outlines, or through it."""
    open_ = cv2.dilate(_green(picture), np.ones((GAP, GAP), np.uint8)) == 0
    _, labels = cv2.connectedComponents(open_.astype(np.uint8), connectivity=4)
    column, row = round(x), round(y)
    if not open_[row, column]:
        return True
    edge = {*labels[0], *labels[-1], *labels[:, 0], *labels[:, -1]}
    return bool(labels[row, column] not in edge)


def green(picture: Picture) -> int:
    """How many pixels have the green of OHIF's outlines."""
    return int(np.count_nonzero(_green(picture)))


def _green(picture: Picture) -> Picture:
    red, green_, blue = np.moveaxis(picture.astype(np.int16), -1, 0)
    return ((green_ > GREEN) & (green_ - red > GREEN // 2) & (green_ - blue > GREEN // 2)).astype(np.uint8)


def similarity(picture: Picture, wanted: Picture) -> float:
    """How well the screen shows a picture: the highest correlation of grey values, in any place and size.

    Args:
        picture: The screenshot of a viewport, RGB.
        wanted: What should be seen, RGB or grey, upright; viewers fit it into the viewport's height or width.

    Returns:
        1 if it is the same picture, about 0 if it is another one or nothing.
    """
    grey = _grey(picture)
    fit = min(grey.shape[0] / wanted.shape[0], grey.shape[1] / wanted.shape[1])
    scores = [0.0]
    for share in np.linspace(0.8, 1.0, 21):
        size = max(1, round(wanted.shape[1] * fit * share)), max(1, round(wanted.shape[0] * fit * share))
        template = cv2.resize(_grey(wanted), size, interpolation=cv2.INTER_AREA)
        found = cv2.matchTemplate(grey, template, cv2.TM_CCOEFF_NORMED)
        scores.append(float(np.nan_to_num(found, posinf=0.0, neginf=0.0).max()))
    return max(scores)


def _grey(picture: Picture) -> Picture:
    if picture.ndim == 2:
        return picture
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8)
