"""The checks fail if a viewer shows colour at the wrong place, colour that shouldn't be there, or another picture."""

import cv2
import numpy as np
import pytest
from pydicom.dataset import Dataset

from tests.viewers.browser import NotSeen
from tests.viewers.checks import NEAR_MM, Seen, coloured, picture, told
from tests.viewers.studies import Answered


class Screen:
    """A viewer that shows these pictures; a pixel has a millimetre, slices are 3 mm apart."""

    def __init__(self, *pictures):
        self.pictures, self.shown = pictures, 0

    def slices(self):
        return len(self.pictures)

    def show_slice(self, index):
        self.shown = index

    def image(self):
        return self.pictures[self.shown]

    def in_mm(self, x, y):
        return np.array([x, y, 3.0 * self.shown])


def grey():
    return np.repeat(np.random.default_rng(1).integers(0, 200, (90, 120, 1), np.uint8), 3, axis=2)


def spot(x, y):
    return cv2.circle(grey(), (x, y), 8, (250, 140, 10), -1)


def answered(peak_mm, peak=0.9, key_image=None):
    answer = {"explanation": {"scale": {"peak": peak, "threshold": 0.5}}}
    return Answered("torn", "1.2", answer, np.array(peak_mm, float), "1.2.3", {}, key_image, Dataset())


def test_the_strongest_colour_is_at_the_peak():
    assert "coloured in 1 slices" in coloured(Screen(grey(), spot(60, 40)), answered([60, 40, 3]))
    assert coloured(Screen(grey(), grey()), answered([60, 40, 3], peak=0.4)).startswith("nothing is coloured")


@pytest.mark.parametrize(
    ("screen", "study", "reason"),
    [
        (Screen(grey(), spot(60, 40)), answered([60, 40 + NEAR_MM + 1, 3]), "6.0 mm from the map's peak"),
        (Screen(spot(60, 40), grey()), answered([60, 40, 6]), "6.0 mm from the map's peak"),
        (Screen(grey(), grey()), answered([60, 40, 3]), "nothing is coloured"),
        (Screen(grey(), spot(60, 40)), answered([60, 40, 3], peak=0.4), "coloured in 1 slices, though"),
    ],
)
def test_colour_elsewhere_missing_or_below_the_threshold_is_told(screen, study, reason):
    with pytest.raises(NotSeen, match=reason):
        coloured(screen, study)


def test_another_picture_is_told():
    shown = cv2.GaussianBlur(grey(), (9, 9), 3)
    assert "correlation 1.00" in picture(Screen(shown), answered([0, 0, 0], key_image=shown))
    with pytest.raises(NotSeen, match="doesn't show the picture"):
        picture(Screen(np.ascontiguousarray(shown[::-1])), answered([0, 0, 0], key_image=shown))


def test_what_is_wrong_is_in_the_status_and_in_the_file(tmp_path, capsys):
    right, wrong = Seen("torn", "map", True, "fine"), Seen("torn", "sr", False, "no outline")
    assert told([right], tmp_path) == 0
    assert told([right, wrong], tmp_path) == 1
    assert "WRONG  torn     sr         no outline" in capsys.readouterr().out
    assert '"no outline"' in (tmp_path / "seen.json").read_text()
