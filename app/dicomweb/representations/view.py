"""How a client wants an image to be shown: window, viewport and quality (PS3.18 8.3.5)."""

import math
import re
from collections.abc import Iterable, Mapping
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict
from werkzeug.exceptions import BadRequest

# The longest side of an image that is stored (`Limits.frame_side`) is the longest that is drawn.
MOST_SIDE = 4096
# Of JPEG, if the client names none.
QUALITY = 95
THUMBNAIL = 128
NUMBER = re.compile(r"[+-]?[0-9]{1,12}(\.[0-9]{0,12})?(e[+-]?[0-9]{1,2})?", re.IGNORECASE)
WHOLE = re.compile("[0-9]{1,6}")
# Keywords of the parameter, and those of VOILUTFunction (PS3.3 C.11.2).
FUNCTIONS: dict[str, Literal["LINEAR", "LINEAR_EXACT", "SIGMOID"]] = {
    "linear": "LINEAR",
    "linear-exact": "LINEAR_EXACT",
    "sigmoid": "SIGMOID",
}
# At a smaller width the function LINEAR isn't defined (PS3.3 C.11.2.1.2).
NARROWEST_LINEAR = 1.0
WINDOW_TEXT = (
    "window must be centre,width,function, such as 500,1000,linear; the function is linear, linear-exact or sigmoid. "
    "The width must be more than 0, and at least 1 if the function is linear."
)
VIEWPORT_TEXT = (
    f"viewport must be width,height in whole pixels from 1 to {MOST_SIDE}, such as 512,512. The region of the image "
    "may follow: left,top,width,height."
)
THUMBNAIL_TEXT = f"The viewport of a thumbnail must be width,height in whole pixels from 1 to {MOST_SIDE}: 128,128."
QUALITY_TEXT = "quality must be a whole number from 1 to 100."
RENDERED = ("accept", "window", "viewport", "quality")
OF_THUMBNAIL = ("accept", "viewport")
# Other parameters of rendered resources (PS3.18 table 8.3.5-1); what a client makes up isn't repeated to it.
STANDARD = frozenset({*RENDERED, "annotation", "charset", "iccprofile"})


class _Parameter(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Window(_Parameter):
    """A window in the units of the Modality LUT's output.

    Attributes:
        function: A value of VOILUTFunction.
    """

    centre: float
    width: float
    function: Literal["LINEAR", "LINEAR_EXACT", "SIGMOID"]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse `centre,width,function`. Raises BadRequest."""
        centre, width, function, *rest = (*text.split(","), "", "", "")
        middle, span, kind = _number(centre), _number(width), FUNCTIONS.get(function.strip().lower())
        if any(rest) or middle is None or span is None or kind is None:
            raise BadRequest(WINDOW_TEXT)
        if span <= 0 or (kind == "LINEAR" and span < NARROWEST_LINEAR):
            raise BadRequest(WINDOW_TEXT)
        return cls(centre=middle, width=span, function=kind)


class Viewport(_Parameter):
    """A rectangle of the client's screen, and the region of the image that it shows.

    Attributes:
        width: Columns of pixels that the picture may have.
        height: Rows of pixels that the picture may have.
        left: First column of the region.
        top: First row of the region.
        across: Columns of the region, negative if it is flipped horizontally; None: up to the image's right edge.
        down: Rows of the region, negative if it is flipped vertically; None: up to the image's lower edge.
    """

    width: int
    height: int
    left: float = 0.0
    top: float = 0.0
    across: float | None = None
    down: float | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse `vw,vh,sx,sy,sw,sh`; values after the second may be left out. Raises BadRequest."""
        sides, region = text.split(",")[:2], text.split(",")[2:]
        if len(sides) < 2 or len(region) > 4 or not all(map(_is_side, sides)):
            raise BadRequest(VIEWPORT_TEXT)
        left, top, across, down = [*map(_number, region), None, None, None, None][:4]
        if any(one.strip() and _number(one) is None for one in region) or 0 in (across, down):
            raise BadRequest(VIEWPORT_TEXT)
        width, height = map(int, sides)
        # Only the absolute values of the corner count (PS3.18 8.3.5.1.3).
        return cls(width=width, height=height, left=abs(left or 0), top=abs(top or 0), across=across, down=down)


class View(_Parameter):
    """How an image is drawn.

    Attributes:
        window: Replaces the header's; None: the header's.
        viewport: None: every pixel of the image is one of the picture.
        quality: Of JPEG, from 1 to 100.
    """

    window: Window | None = None
    viewport: Viewport | None = None
    quality: int = QUALITY

    @classmethod
    def rendered(cls, arguments: Mapping[str, str]) -> Self:
        """From the query of a rendered resource. Raises BadRequest."""
        window, viewport, quality = (arguments.get(name) for name in ("window", "viewport", "quality"))
        if quality is not None and not (WHOLE.fullmatch(quality) and 1 <= int(quality) <= 100):
            raise BadRequest(QUALITY_TEXT)
        return cls(
            window=None if window is None else Window.parse(window),
            viewport=None if viewport is None else Viewport.parse(viewport),
            quality=QUALITY if quality is None else int(quality),
        )

    @classmethod
    def thumbnail(cls, arguments: Mapping[str, str]) -> Self:
        """From the query of a thumbnail, whose viewport has no region. Raises BadRequest."""
        text = arguments.get("viewport", f"{THUMBNAIL},{THUMBNAIL}")
        sides = text.split(",")
        if len(sides) != 2 or not all(map(_is_side, sides)):
            raise BadRequest(THUMBNAIL_TEXT)
        return cls(viewport=Viewport.parse(text))


def ignored(names: Iterable[str], known: Iterable[str]) -> str | None:
    """A sentence about parameters that have no effect (PS3.18 8.3); None if there are none."""
    others = dict.fromkeys(name for name in names if name not in known)
    named = sorted(STANDARD.intersection(others))
    unnamed = len(others) - len(named)
    listed = [*named, *([f"{unnamed} other{'s' if unnamed > 1 else ''}"] if unnamed else [])]
    return f"Ignored, because they are not supported here: {', '.join(listed)}." if listed else None


def _is_side(text: str) -> bool:
    return WHOLE.fullmatch(text) is not None and 1 <= int(text) <= MOST_SIDE


def _number(text: str) -> float | None:
    """A decimal number; None for anything else."""
    number = float(text) if NUMBER.fullmatch(text) else math.nan
    return number if math.isfinite(number) else None
