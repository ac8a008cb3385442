import numpy as np
import pytest

from data_prep.augment import Augmentation
from tests.training.data.test_mask_examples import CROPS, VOLUMES, config, examples
from training.config.mask_augmentation import MaskAugmentation
from training.data.annotated_inputs import UNKNOWN
from training.data.mask_batches import MaskBatches, changed, oriented

# A change that moves what is in the image.
TURNED = ["augmentation.rotation_degrees=20.0", "augmentation.shift=0.2"]


def test_an_unchanged_crop_is_what_the_examples_say():
    made = examples(config(*CROPS), exams=2)
    images, labels, weights = MaskBatches(made, 8, None, seed=1)[0]
    assert images.shape == (8, 1, 16, 16, 1)
    assert labels.shape == (8, 1, 16, 16)
    assert labels.dtype == images.dtype == np.float32
    assert np.array_equal(images[3], made.inputs[3])
    assert np.array_equal(labels[3], made.targets.labels[3])
    assert weights.tolist() == [1.0] * 8


def test_the_mask_moves_with_the_image():
    settings = config(*TURNED)
    made = examples(settings, exams=6)
    images, labels, _ = MaskBatches(made, 6, settings.augmentation, seed=1)[0]
    known = labels != UNKNOWN
    assert not known.all()  # what came in from beyond the edge
    for image, truth in zip(images[..., 0], labels, strict=True):
        bright = image[truth == 1].mean() - image[truth == 0].mean()
        assert bright > 0.3  # the band is still where its mask is
    assert not np.array_equal(images, MaskBatches(made, 6, None, seed=1)[0][0])


def test_every_epoch_has_new_changes_and_the_same_seed_the_same_ones():
    settings = config(*TURNED, *CROPS, "augmentation.orientations=true")
    made = examples(settings, exams=2)
    first, again, later = (MaskBatches(made, 4, settings.augmentation, 1, epoch=epoch) for epoch in (0, 0, 1))
    assert all(np.array_equal(one, other) for one, other in zip(first[0], again[0], strict=True))
    assert not np.array_equal(first[0][0], later[0][0])
    first.on_epoch_end()
    assert all(np.array_equal(one, other) for one, other in zip(first[0], later[0], strict=True))


def test_eight_orientations_are_drawn_for_image_and_mask_alike():
    settings = config("augmentation.orientations=true")
    made = examples(settings, exams=1)
    seen = set()
    for epoch in range(60):
        images, labels, _ = MaskBatches(made, 1, settings.augmentation, 1, epoch=epoch)[0]
        turns = [turn for turn in range(8) if np.array_equal(oriented(made.inputs[0], turn), images[0])]
        assert len(turns) == 1
        assert np.array_equal(oriented(made.targets.labels[0], turns[0]), labels[0])
        seen.update(turns)
    assert seen == set(range(8))


def test_categories_come_equally_often_and_an_epoch_may_be_shorter():
    settings = config("augmentation.oversample=true")
    made = examples(settings, exams=4, slices=5)  # three slices of each show the band, two don't
    assert np.bincount(made.targets.kinds).tolist() == [8, 12]
    whole = MaskBatches(made, 4, settings.augmentation, 1, oversample=True)
    kinds = np.concatenate([(whole[index][1] == 1).any(axis=(1, 2, 3)) for index in range(len(whole))])
    assert kinds.sum() * 2 == len(kinds) == 24
    few = MaskAugmentation(oversample=True, an_epoch=10)
    short = MaskBatches(made, 4, few, 1, oversample=True)
    assert [len(short[index][0]) for index in range(len(short))] == [4, 4, 2]
    assert len(MaskBatches(made, 4, None, 1)) == 5  # figures are of all examples


def test_missing_slices_are_repeated_and_unknown():
    settings = config(*VOLUMES, "architecture.depth=3", "augmentation.crops=1", "augmentation.crop_size=[8, 16, 16]")
    assert settings.network.multiple == (2, 8, 8)
    made = examples(settings, exams=2, slices=5)
    images, labels, _ = MaskBatches(made, 2, None, seed=1)[0]
    assert images.shape == (2, 6, 16, 16, 1)
    assert np.array_equal(images[:, 5], images[:, 4])
    assert (labels[:, 5] == UNKNOWN).all()
    assert (labels[:, 4] != UNKNOWN).all()


def test_blanked_slices_are_unknown():
    made = examples(config(), exams=1, slices=6)
    volume = np.concatenate(made.images)
    labels = np.concatenate(made.labels)
    draw = Augmentation(drop=0.5).draw((6, 32, 32), np.random.default_rng(2))
    images, moved = changed(volume, labels, draw)
    assert 0 < draw.kept.sum() < 6
    assert (moved[~draw.kept] == UNKNOWN).all()
    assert np.array_equal(moved[draw.kept], labels[draw.kept])
    assert not images[~draw.kept].any()


@pytest.mark.parametrize("turn", range(8))
def test_an_orientation_keeps_every_pixel(turn):
    slices = np.arange(2 * 3 * 3).reshape(2, 3, 3)
    turned = oriented(slices, turn)
    assert np.array_equal(np.sort(turned, axis=None), np.sort(slices, axis=None))
    assert np.array_equal(turned[0].ravel() // 9, np.zeros(9))  # slices stay in their order
