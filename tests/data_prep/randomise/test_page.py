"""What files and figures add: borders take the labels with them; text, arrows and JPEG leave labels alone."""

import dataclasses

import numpy as np

from data_prep.randomise import Ranges
from data_prep.randomise.page import bordered, compressed, published, with_arrows, with_text
from tests.data_prep.randomise.test_sample import PLAIN

PICTURE = np.full((96, 96), 0.4, np.float32)
LABELS = np.ones((96, 96), np.uint8)


def test_what_a_border_covers_is_background() -> None:
    covered = 0
    for seed in range(10):
        picture, labels = bordered(PICTURE, LABELS, Ranges(), np.random.default_rng(seed))
        assert np.array_equal(labels == 1, picture == np.float32(0.4))
        assert labels[40:56, 40:56].all()
        covered += not labels.all()
    assert covered >= 8


def test_text_stays_near_the_edges() -> None:
    for seed in range(5):
        changed = with_text(PICTURE, np.random.default_rng(seed)) > 0.45
        assert changed.any()
        assert not changed[32:60, 20:70].any()


def test_arrows_are_bright_and_small() -> None:
    for seed in range(5):
        changed = with_arrows(PICTURE, np.random.default_rng(seed)) > 0.45
        assert 0 < changed.mean() < 0.2


def test_low_quality_loses_more() -> None:
    picture = np.random.default_rng(1).random((64, 64)).astype(np.float32)
    lost = [np.abs(compressed(picture, quality) - picture).mean() for quality in (20, 95)]
    assert lost[0] > 3 * lost[1] > 0


def test_without_any_change_everything_stays() -> None:
    picture, labels = published(PICTURE, LABELS, PLAIN, np.random.default_rng(2))
    assert picture is PICTURE
    assert labels is LABELS
    everything = dataclasses.replace(PLAIN, border_share=1.0, text_share=1.0, arrow_share=1.0, jpeg_share=1.0)
    picture, labels = published(PICTURE, LABELS, everything, np.random.default_rng(2))
    assert 0 <= picture.min() <= picture.max() <= 1
