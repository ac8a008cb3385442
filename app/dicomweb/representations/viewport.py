"""The region of a picture that a viewport shows, in the viewport's size (PS3.18 8.3.5)."""

import cv2
import numpy as np
from werkzeug.exceptions import BadRequest

from app.dicomweb.representations.view import Viewport
from app.results.render import Picture

OUTSIDE = "The region of the viewport lies outside the image."


def fitted(picture: Picture, viewport: Viewport) -> Picture:
    """Cut out the region, flip it, and scale it to the largest size that fits, with the same ratio of its sides.

    Args:
        picture: uint8 `[rows, columns]` or `[rows, columns, channels]`.
        viewport: The viewport. A region that ends outside the image ends at its edge.

    Returns:
        The same kind of array; one of its sides is the viewport's, the other one isn't longer than the viewport's.

    Raises:
        BadRequest: The region begins outside the image.
    """
    rows, columns = picture.shape[:2]
    left, right = _ends(viewport.left, viewport.across, columns)
    top, bottom = _ends(viewport.top, viewport.down, rows)
    region = picture[top:bottom, left:right]
    region = region[:, ::-1] if (viewport.across or 0) < 0 else region
    region = region[::-1] if (viewport.down or 0) < 0 else region
    scale = min(viewport.width / (right - left), viewport.height / (bottom - top))
    width = min(max(round(scale * (right - left)), 1), viewport.width)
    height = min(max(round(scale * (bottom - top)), 1), viewport.height)
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(np.ascontiguousarray(region), (width, height), interpolation=interpolation), np.uint8)


def _ends(start: float, length: float | None, most: int) -> tuple[int, int]:
    """First and last place of the region along one side, in whole pixels; at least one pixel."""
    if start >= most:
        raise BadRequest(OUTSIDE)
    first = min(round(start), most - 1)
    last = most if length is None else min(round(start + abs(length)), most)
    return first, max(last, first + 1)
