"""The localiser's mask as a second channel: what it is made of, what it changes, and that maps still add up."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data_prep.augment import Augmentation
from data_prep.boxes import bounding_box
from data_prep.network_input.coarse import Coarse
from data_prep.network_input.located import Located
from data_prep.network_input.network_input import NetworkInput
from data_prep.network_input.recipe import Recipe
from data_prep.prepare.load import ligament_mask, load_exam
from data_prep.tables.exams import read_exams
from data_prep.workers import Workers
from models.bundle import load_bundle
from models.files.manifest import BundleError
from models.predictor import Predictor
from models.segment.localiser import LOCALISERS
from models.trunks import Trunk, build_trunk
from tests.conftest import COMPLETENESS, make_volume
from training.config.config import load_config
from training.config.place import Place
from training.data.examples import prepare
from training.fitting.learn import learn
from training.train import train

RECIPE = Recipe((1000.0, 32.0, 32.0), (64, 64), mask_channel=True)
CHANGES = [
    "recipe.size=[64, 64]",
    "recipe.mask_channel=true",
    "trunk.width=0.0625",
    "fit.epochs=1",
    "fit.batch_exams=3",
    "warm_up.epochs=1",
]


class Bright:
    """Takes the brightest hundredth of the voxels for the ligament: wrong, and the same in every process."""

    kind = "bright"
    sha256 = "b"

    def locate(self, coarse: Coarse) -> Located:
        mask = coarse.voxels > np.percentile(coarse.voxels, 99)
        return Located(bounding_box(mask), mask)

    def save(self, folder: Path) -> None:
        (folder / "bright.txt").write_text("99")

    @classmethod
    def load(cls, folder: Path) -> "Bright":
        return cls()


def test_the_second_channel_is_the_mask_with_a_soft_edge_and_the_first_one_is_the_slice():
    voxels = np.random.default_rng(1).random((10, 64, 64))
    mask = np.zeros(voxels.shape, bool)
    mask[4, 24:40, 8:20] = True
    coarse = Coarse.of(make_volume(1000 * voxels))
    made = NetworkInput.of(coarse, RECIPE, Located(bounding_box(mask), mask))
    plain = NetworkInput.of(coarse, replace(RECIPE, mask_channel=False))
    assert np.array_equal(made.slices[..., 0], plain.slices)
    assert made.footprint == plain.footprint  # the block stays where it is
    soft = made.slices[..., 1]
    assert soft.sum() == pytest.approx(mask.sum(), rel=0.02)  # a pixel of the slice is a voxel here
    assert soft[4, 32, 14] > 0.8
    assert 0.3 < soft[4, 24, 14] < 0.7  # at the edge
    assert not soft[[3, 5]].any()
    assert not NetworkInput.of(coarse, RECIPE).slices[..., 1].any()  # nothing was found


def test_a_change_moves_slice_and_mask_together_and_leaves_the_mask_its_values():
    both = np.zeros((3, 40, 40, 2), np.float32)
    both[1, 10:16, 20:30] = 1
    changes = Augmentation(rotation_degrees=30, shift=0.1, gamma=0.5, noise=0.2, shading=0.5)
    draw = changes.draw((3, 40, 40), np.random.default_rng(2))
    moved = draw.slices(both)
    assert np.array_equal(moved[..., 0], draw.slices(both[..., 0]))
    assert moved[..., 1].max() == pytest.approx(1)
    assert np.array_equal(moved[..., 1] >= 0.5, draw.mask(both[..., 1] > 0))


@pytest.mark.parametrize(
    ("name", "channels", "made"), [("alexnet", "gray", 2), ("vgg16", "caffe", 3), ("alexnet", "torch", 3)]
)
def test_every_trunk_sees_the_mask(name, channels, made):
    """In three channels the mask takes the place of the last one."""
    cut = {"alexnet": "conv1", "vgg16": "block1_conv1"}[name]
    network = build_trunk(Trunk(name, cut), (64, 64, 2), channels)
    assert network.get_layer(cut).kernel.shape[-2] == made
    both = np.zeros((1, 64, 64, 2), np.float32)
    with_mask = both.copy()
    with_mask[..., 1] = 1
    assert (np.asarray(network(both)) != np.asarray(network(with_mask))).any()
    if channels == "gray":
        return
    plain = build_trunk(Trunk(name, cut), (64, 64), channels)
    plain.set_weights(network.get_weights())
    grey = np.random.default_rng(0).random((1, 64, 64), np.float32)
    same = np.asarray(network(np.stack([grey, grey], axis=-1)))
    assert same == pytest.approx(np.asarray(plain(grey)), abs=1e-4)


@pytest.mark.slow
def test_training_and_prediction_see_the_same_mask_and_maps_add_up(knees, tmp_path, monkeypatch):
    monkeypatch.setitem(LOCALISERS, Bright.kind, Bright)
    exams = read_exams(knees / "exams.csv")
    config, text = load_config("demo", CHANGES)
    place = Place(tmp_path / "inputs", tmp_path / "run", Workers(1), localiser=Bright())
    train(config, text, exams, tmp_path / "bundle", "a test", place)
    bundle = load_bundle(tmp_path / "bundle")
    predictor = Predictor(bundle)
    inputs = prepare(exams[:2], bundle.scheme, config.recipe, place.inputs, place.workers, place.around).inputs
    for exam, slices in zip(exams[:2], inputs, strict=True):
        found = predictor.predict(load_exam(exam))
        assert slices.shape[1:] == (64, 64, 2)
        by_hand = bundle.classifier.logits(bundle.classifier.features(np.asarray(slices)))
        assert found.logits.tolist() == by_hand.tolist()
        summed = found.maps.sum(axis=(1, 2, 3)) + found.bias
        assert summed == pytest.approx(found.logits, abs=COMPLETENESS * float(np.abs(found.logits).max()))
        blind = np.asarray(slices).copy()
        blind[..., 1] = 0
        assert bundle.classifier.logits(bundle.classifier.features(blind)).tolist() != by_hand.tolist()
        assert "of the knee" in " ".join(notice.message for notice in found.notices)  # the block isn't moved
    manifest = (tmp_path / "bundle" / "manifest.json").read_text()
    assert "bright" in manifest
    (tmp_path / "bundle" / "manifest.json").write_text(manifest.replace('"localiser": "bright"', '"was": "bright"'))
    with pytest.raises(BundleError, match="needs the mask of a localiser"):
        load_bundle(tmp_path / "bundle")


@pytest.mark.slow
def test_a_warm_up_sees_the_true_mask(knees, tmp_path):
    exam = read_exams(knees / "exams.csv")[0]
    config, _ = load_config("demo", CHANGES)
    recipe = replace(config.recipe, extent_mm=(30.0, 28.0, 28.0), size=(46, 46))
    (slices,) = prepare(
        [exam], load_bundle(Path("models/bundles/demo")).scheme, recipe, tmp_path, Workers(1), "ligament"
    ).inputs
    volume = load_exam(exam)
    share = slices[..., 1].sum() * volume.spacing_mm[0] * (28 / 46) ** 2
    assert 0.6 < share / (ligament_mask(exam, volume.shape).sum() * np.prod(volume.spacing_mm)) <= 1.05


def test_training_without_a_localiser_is_refused(tmp_path):
    config, _ = load_config("demo", CHANGES)
    with pytest.raises(ValueError, match="--localiser"):
        learn(config, [], Place(tmp_path, tmp_path))
