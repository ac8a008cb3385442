"""A segmenter and its bundle: masks in source voxels, and a changed file is refused."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data_prep.network_input.recipe import Recipe
from models.files.manifest import BundleError, sha256, write_json
from models.segment.networks.architecture import Architecture
from models.segment.networks.registry import build
from models.segment.plausible import Plausible
from models.segment.recipe import Filter, SegmentRecipe
from models.segment.segmenter import Segmenter
from tests.models.segment.bright import RECIPE, UNET, bright

pytestmark = pytest.mark.slow

SPACING_MM = (3.0, 0.5, 0.5)
PLAUSIBLE = Plausible((100.0, 5000.0), (0.3, 0.7), (0.3, 0.7), (1.0, 5.0))


def knee(shape: tuple[int, int, int] = (6, 100, 120)) -> tuple[np.ndarray, np.ndarray]:
    """Noise with a bright block; the block's mask."""
    mask = np.zeros(shape, bool)
    mask[2:5, 40:70, 50:62] = True
    voxels = 300 * np.random.default_rng(0).random(shape, np.float32)
    return np.where(mask, np.float32(1000), voxels), mask


def dice(one: np.ndarray, other: np.ndarray) -> float:
    return 2 * float((one & other).sum()) / float(one.sum() + other.sum())


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    return bright(plausible=PLAUSIBLE)


@pytest.fixture(scope="module")
def saved(segmenter, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("segmenters") / "bright"
    segmenter.save(folder)
    return folder


def test_labels_lie_on_the_structure_in_source_voxels(segmenter):
    voxels, mask = knee()
    labels = segmenter.labels(voxels, SPACING_MM)
    assert (labels.dtype, labels.shape) == (np.uint8, voxels.shape)
    assert dice(labels == 1, mask) > 0.9


def test_the_block_may_be_larger_or_smaller_than_the_image():
    voxels, mask = knee()
    for extent in (40.0, 200.0):
        recipe = replace(RECIPE, recipe=Recipe((1000.0, extent, extent), (128, 128), window=(0.0, 100.0)))
        found = bright(recipe=recipe).labels(voxels, SPACING_MM) == 1
        assert dice(found, mask) > (0.8 if extent == 200.0 else 0.95)


def test_slices_outside_the_block_are_background(segmenter):
    voxels, _ = knee()
    recipe = replace(RECIPE, recipe=replace(RECIPE.recipe, extent_mm=(6.0, 64.0, 64.0)))
    found = segmenter.probabilities(voxels, SPACING_MM)
    few = bright(recipe=recipe).probabilities(voxels, SPACING_MM)
    assert (found.probabilities.shape, few.probabilities.shape) == ((1, 6, 64, 64), (1, 2, 64, 64))
    assert not few.plane(0).any()
    assert few.plane(2).max() > 0.9


def test_a_picture_without_pixel_size_is_segmented(segmenter):
    voxels, mask = knee()
    found = segmenter.labels(voxels[3:4], None)
    assert dice(found == 1, mask[3:4]) > 0.8


def test_the_likeliest_structure_wins_and_must_reach_the_threshold():
    voxels, mask = knee()
    two = replace(UNET, classes=3)
    segmenter = bright(two, ("acl", "pcl"))
    logits = segmenter.network.get_layer("logits")
    kernel, bias = logits.get_weights()
    bias[2] = 3.0  # everything is the second structure, except where the first is likelier
    logits.set_weights([kernel, bias])
    labels = segmenter.labels(voxels, SPACING_MM)
    assert dice(labels == 1, mask) > 0.9
    assert (labels == 2).mean() > 0.9
    for label, name in ((1, "acl"), (2, "pcl")):
        np.testing.assert_array_equal(segmenter.mask(name, voxels, SPACING_MM), labels == label)
    sure = replace(segmenter, threshold=0.99).labels(voxels, SPACING_MM)
    assert not (sure == 2).any()  # 0.91 isn't enough


@pytest.mark.parametrize("name", ["unet", "unet3d"])
def test_a_network_gives_the_same_after_saving_and_loading(name, tmp_path):
    architecture = Architecture(name, channels=2, width=8, depth=2, classes=3)
    small = SegmentRecipe(Recipe((1000.0, 64.0, 64.0), (32, 32)), (Filter(), Filter(clahe_clip=2.0)))
    segmenter = Segmenter(architecture, small, ("femur", "acl"), build(architecture), 0.4)
    segmenter.save(tmp_path / "bundle")
    loaded = Segmenter.load(tmp_path / "bundle")
    voxels, _ = knee()
    np.testing.assert_array_equal(
        loaded.probabilities(voxels, SPACING_MM).probabilities,
        segmenter.probabilities(voxels, SPACING_MM).probabilities,
    )
    assert (loaded.structures, loaded.threshold, loaded.recipe) == (("femur", "acl"), 0.4, small)
    assert loaded.sha256 == segmenter.sha256


def test_what_was_loaded_is_saved_as_the_same_files(saved, tmp_path):
    loaded = Segmenter.load(saved)
    assert loaded.plausible == PLAUSIBLE
    assert loaded.provenance["command"] == "none"
    loaded.save(tmp_path / "again")
    assert sha256(tmp_path / "again" / "manifest.json") == sha256(saved / "manifest.json")


def test_the_digest_depends_on_what_answers_depend_on(segmenter):
    others = [bright(level=0.8), replace(segmenter, threshold=0.6), bright(recipe=replace(RECIPE, assumed_mm=80.0))]
    assert len({segmenter.sha256, *(one.sha256 for one in others)}) == 4
    assert bright().sha256 == segmenter.sha256


def _change_weights(folder: Path) -> None:
    (folder / "other").mkdir()
    bright(level=0.5).write_files(folder / "other")
    shutil.move(folder / "other" / "segmenter.npz", folder / "segmenter.npz")


def _with(**values):
    def change(folder: Path) -> None:
        manifest = json.loads((folder / "manifest.json").read_text())
        write_json(folder / "manifest.json", manifest | values)

    return change


def _described(change):
    """The manifest describes the changed files."""

    def changed(folder: Path) -> None:
        change(folder)
        manifest = json.loads((folder / "manifest.json").read_text())
        files = {name: sha256(folder / name) for name in manifest["files"]}
        write_json(folder / "manifest.json", manifest | {"files": files})

    return changed


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda folder: (folder / "manifest.json").unlink(), "no readable manifest.json"),
        (lambda folder: (folder / "recipe.json").unlink(), r"not the files that .*: recipe\.json"),
        (_change_weights, r"not the files that .*: segmenter\.npz"),
        (_described(_change_weights), "golden volume gives"),
        (_described(lambda folder: (folder / "recipe.json").write_text("{}")), "can't be rebuilt"),
        (_with(schema=99), "schema 99, but this version reads 1"),
        (_with(kind="classifier"), "isn't that of a segmenter"),
        (_with(structures=["acl", "pcl"]), "2 classes .* can't know acl, pcl"),
        (_with(structures=["spleen"]), "unknown structures: spleen"),
        (_with(threshold=1.5), "threshold must be between 0 and 1"),
        (_with(architecture={"network": "unet", "channels": 2, "width": 2, "depth": 1}), "can't be rebuilt"),
        (_with(architecture={"network": "vnet", "width": 2, "depth": 1}), "can't be rebuilt"),
        (_with(plausible={"volume_mm3": [1.0]}), "can't be rebuilt"),
    ],
)
def test_a_bundle_that_does_not_fit_is_refused(saved, tmp_path, change, says):
    folder = tmp_path / "bundle"
    shutil.copytree(saved, folder)
    change(folder)
    with pytest.raises(BundleError, match=f"bundle: .*{says}"):
        Segmenter.load(folder)


def test_a_classifiers_bundle_is_no_segmenter(tiny_bundle):
    with pytest.raises(BundleError, match=r"schema 2|isn't that of a segmenter"):
        Segmenter.load(tiny_bundle)


def test_somebodys_files_are_never_replaced(segmenter, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(BundleError, match="holds other files"):
        segmenter.save(tmp_path)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"structures": ("acl", "pcl")}, "can't know acl, pcl"),
        ({"recipe": replace(RECIPE, filters=(Filter(), Filter()))}, "1 input channels, but its recipe makes 2"),
        ({"recipe": replace(RECIPE, recipe=replace(RECIPE.recipe, size=(63, 64)))}, "63 x 64"),
        ({"threshold": 0.0}, "threshold"),
    ],
)
def test_parts_that_do_not_fit_are_refused(segmenter, change, says):
    with pytest.raises(ValueError, match=says):
        replace(segmenter, **change)
