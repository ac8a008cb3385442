"""Samples: always the same for a seed and an index, in range, and with labels that lie on what the picture shows."""

import dataclasses

import cv2
import numpy as np
import pytest

from data_prep.phantom.tissues import STRUCTURES
from data_prep.randomise import LabelMap, Randomiser, Ranges

PLAIN = Ranges(
    with_ligament_share=1.0,
    thickness_mm=(0.0, 0.0),
    usual_mm=(140.0, 140.0),
    tight_share=0.0,
    wide_share=0.0,
    off_centre=0.0,
    rotation_degrees=(0.0, 0.0),
    scale=(1.0, 1.0),
    shear_degrees=(0.0, 0.0),
    bend_mm=(0.0, 0.0),
    turned_share=0.0,
    texture=(0.0, 0.0),
    unsuppressed_share=0.0,
    bias=(0.0, 0.0),
    low_matrix=(1.0, 1.0),
    blur_pixels=(0.0, 0.0),
    noise=(0.0, 0.0),
    gamma=0.0,
    ghost_share=0.0,
    void_share=0.0,
    border_share=0.0,
    text_share=0.0,
    arrow_share=0.0,
    jpeg_share=0.0,
)
"""Nothing is drawn but the slice and the contrast."""


def test_a_sample_depends_on_seed_and_index_only(knees: list[LabelMap]) -> None:
    first, again = Randomiser(knees, seed=3, size=(64, 64)), Randomiser(list(knees), seed=3, size=(64, 64))
    ninth = list(first.samples(0, 10))[9]
    for one, other in zip(ninth, again.sample(9), strict=True):
        assert np.array_equal(one, other)
    assert not np.array_equal(ninth[0], dataclasses.replace(first, seed=4).sample(9)[0])
    assert not np.array_equal(ninth[0], first.sample(8)[0])


def test_samples_are_pictures_in_0_to_1_with_labels_of_the_structures(knees: list[LabelMap]) -> None:
    structures = tuple(STRUCTURES)
    seen = set()
    for picture, labels in Randomiser(knees, structures, (64, 64)).samples(0, 60):
        assert (picture.dtype, picture.shape) == (np.float32, (64, 64))
        assert (labels.dtype, labels.shape) == (np.uint8, (64, 64))
        assert np.isfinite(picture).all()
        assert 0 <= picture.min() <= picture.max() <= 1
        assert labels.max() <= len(structures)
        seen |= set(np.unique(labels).tolist())
    assert seen == set(range(len(structures) + 1))


def test_the_ligament_is_in_as_many_samples_as_asked_for(knees: list[LabelMap]) -> None:
    shown = dataclasses.replace(PLAIN, usual_mm=(80.0, 80.0))
    for share, expected in ((1.0, (1.0, 1.0)), (0.0, (0.0, 0.6))):
        randomiser = Randomiser(knees, size=(64, 64), ranges=dataclasses.replace(shown, with_ligament_share=share))
        with_it = np.mean([labels.any() for _, labels in randomiser.samples(0, 40)])
        assert expected[0] <= with_it <= expected[1]


def test_labels_lie_on_what_the_picture_shows(knees: list[LabelMap]) -> None:
    """Without textures and noise, the edges of the bones' labels are where the picture has its steps."""
    names = ("femur", "tibia")
    randomiser = Randomiser(knees, names, (128, 128), dataclasses.replace(PLAIN, random_share=1.0))
    steps_on_edges, steps = [], []
    for picture, labels in randomiser.samples(0, 20):
        step = np.hypot(cv2.Sobel(picture, cv2.CV_32F, 1, 0), cv2.Sobel(picture, cv2.CV_32F, 0, 1))
        edge = cv2.morphologyEx((labels > 0).astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
        steps_on_edges.append(step[edge].mean())
        steps.append(step.mean())
    assert np.median(np.array(steps_on_edges) / np.array(steps)) > 2


def test_a_turned_sample_is_turned_with_its_labels(knees: list[LabelMap]) -> None:
    """The front is at the left in a sample that isn't turned; labels of the patella are then left of the tibia's."""

    def to_the_left(turned_share: float) -> list[bool]:
        ranges = dataclasses.replace(PLAIN, turned_share=turned_share)
        found = []
        for _, labels in Randomiser(knees, ("patella", "tibia"), (64, 64), ranges).samples(0, 60):
            patella, tibia = (np.nonzero(labels == value)[1] for value in (1, 2))
            if len(patella) and len(tibia):
                found.append(bool(patella.mean() < tibia.mean()))
        return found

    straight, turned = to_the_left(0.0), to_the_left(1.0)
    assert len(straight) > 10
    assert all(straight)
    assert 0.1 < np.mean(turned) < 0.9


def test_no_contrast_can_be_learnt(knees: list[LabelMap]) -> None:
    """The ligament is darker than the tibia in some samples, and brighter in others."""
    randomiser = Randomiser(knees, ("acl", "tibia"), (64, 64), dataclasses.replace(PLAIN, usual_mm=(90.0, 90.0)))
    darker = []
    for picture, labels in randomiser.samples(0, 80):
        if (labels == 1).sum() > 10 and (labels == 2).sum() > 10:
            darker.append(np.median(picture[labels == 1]) < np.median(picture[labels == 2]))
    assert len(darker) > 40
    assert 0.2 < np.mean(darker) < 0.8


def test_a_structure_that_does_not_exist_is_named(knees: list[LabelMap]) -> None:
    with pytest.raises(ValueError, match="no structure 'ligament'"):
        Randomiser(knees, ("ligament",)).sample(0)
