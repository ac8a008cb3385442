"""What every viewer is asked: is the strongest colour at the map's peak, and is a picture the one in the file?"""

import argparse
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from tests.viewers.browser import NotSeen, missing
from tests.viewers.screen import Picture, similarity, strongest
from tests.viewers.studies import STUDIES, Answered

# As for pointing: how far the brightest region may be from the map's peak.
NEAR_MM = 5.0
# A picture is recognised from this correlation: text of the viewer covers its edges.
ALIKE = 0.9
BUNDLE = Path("models/bundles/demo")
# The service starts on a study when no more instances have come for so long.
QUIET_S = "1"


@dataclass(frozen=True)
class Seen:
    """What one result looked like.

    Attributes:
        study: The study's name, of `STUDIES`.
        kind: The kind of result.
        right: Whether it was shown as it should be.
        what: What was seen, in words.
    """

    study: str
    kind: str
    right: bool
    what: str


class Page(Protocol):
    """A viewer's page that shows a series."""

    def slices(self) -> int:
        """How many slices it has."""

    def show_slice(self, index: int) -> None:
        """Go to a slice, counted from 0."""

    def image(self) -> Picture:
        """What it draws of images, RGB, without texts."""

    def in_mm(self, x: float, y: float) -> npt.NDArray[np.float64]:
        """The patient's coordinates of a pixel of `image`, `[3]`."""


def options(parser: argparse.ArgumentParser, arguments: list[str] | None) -> argparse.Namespace:
    """The command line, with what every viewer needs. It makes the folder for the screenshots."""
    parser.add_argument("--out", type=Path, required=True, help="folder for the screenshots")
    parser.add_argument("--bundle", type=Path, default=BUNDLE)
    parser.add_argument("--study", action="append", choices=STUDIES, help="look at this study only (repeatable)")
    found = parser.parse_args(arguments)
    if absent := missing():
        parser.error(f"these programs aren't installed: {', '.join(absent)} (Debian: chromium, chromium-driver)")
    found.out.mkdir(parents=True, exist_ok=True)
    found.study = found.study or STUDIES
    return found


def told(seen: Iterable[Seen], out: Path) -> int:
    """Print what is seen, while it is seen, and write it to `seen.json`. Returns the exit status."""
    kept = []
    for one in seen:
        print(f"{'right' if one.right else 'WRONG':7}{one.study:9}{one.kind:11}{one.what}", flush=True)
        kept.append(one)
    (out / "seen.json").write_text(json.dumps([asdict(one) for one in kept], indent=2) + "\n", encoding="utf-8")
    return 0 if all(one.right for one in kept) else 1


def coloured(page: Page, study: Answered) -> str:
    """The strongest region of all slices is at the map's peak; nothing is coloured if the evidence is too weak."""
    found = []
    for index in range(page.slices()):
        page.show_slice(index)
        if region := strongest(page.image()):
            found.append((region.strength, index, page.in_mm(region.x, region.y)))
    if not study.glows:
        page.show_slice(page.slices() // 2)
        require(not found, f"coloured in {len(found)} slices, though no evidence reaches the threshold")
        return "nothing is coloured: no evidence reaches the threshold"
    require(found, "nothing is coloured")
    _, index, place = max(found, key=lambda one: one[0])
    page.show_slice(index)
    distance = float(np.linalg.norm(place - study.peak_mm))
    seen = f"coloured in {len(found)} slices, strongest {distance:.1f} mm from the map's peak"
    require(distance <= NEAR_MM, seen)
    return seen


def picture(page: Page, study: Answered) -> str:
    """The picture in the file is on the screen."""
    alike = similarity(page.image(), study.key_image)
    require(alike >= ALIKE, f"the screen doesn't show the picture in the file (correlation {alike:.2f})")
    return f"the picture in the file (correlation {alike:.2f})"


def require(right: object, otherwise: str) -> None:
    """Raise NotSeen if something isn't right."""
    if not right:
        raise NotSeen(otherwise)
