"""Every row of the published experiment, with a trunk that trains in seconds: it learns, and its bundle serves."""

import re
from dataclasses import replace
from pathlib import Path

import keras
import pytest

from data_prep.prepare.load import load_exam
from data_prep.tables.exams import Exam, read_exams
from data_prep.workers import Workers
from models.bundle import load_bundle
from models.predictor import Predictor
from models.trunks import build_trunk, cut_in_two, train_from
from training.config.config import PRESETS, load_config
from training.config.place import Place
from training.config.published import Experiment, Experiments
from training.config.svc_fit import KERNELS
from training.train import train

pytestmark = pytest.mark.slow

EXPERIMENTS = Experiments.read()
ROWS = {row.name: row for row in EXPERIMENTS.row if not row.waits_for}
PUBLISHED_PRESETS = sorted({row.preset for row in ROWS.values()})
# Low cuts of the trunks that have no narrow form, narrow forms of the others.
TINY_TRUNKS = {
    "alexnet": ["trunk.width=0.0625"],
    "vgg16": ["trunk.cut='block1_conv2'", "recipe.size=[32, 32]"],
    "vgg19": ["trunk.cut='block1_conv2'", "recipe.size=[32, 32]"],
    "resnet50": ["trunk.cut='conv2_block1_out'", "recipe.size=[32, 32]"],
    "squeezenet": ["trunk.width=0.0625", "trunk.cut='fire2'"],
}
TRAINABLE_FROM = {
    "vgg16": "block1_conv2",
    "vgg19": "block1_conv2",
    "resnet50": "conv2_block1_1_conv",
    "squeezenet": "fire2_squeeze",
}


def made_small(row: Experiment, *changes: str) -> list[str]:
    """The row's changes and those that make it train in seconds: it keeps its trunk, head and phases."""
    changes = (*row.set, *changes)
    config, _ = load_config(row.preset, list(changes))
    small = ["recipe.size=[64, 64]", "recipe.extent_mm=[24.0, 68.0, 68.0]", "trunk.weights='random'"]
    small += TINY_TRUNKS[config.trunk.name]
    if config.route != "svc":
        small += ["fit.epochs=1", "fit.restarts=0", "fit.batch_exams=4"]
    if config.fit.trainable_from:
        small.append(f"fit.trainable_from='{TRAINABLE_FROM[config.trunk.name]}'")
    if config.warm_up:
        small += ["warm_up.epochs=1", "warm_up.size=[48, 48]"]
    if config.head_first:
        small.append("head_first.epochs=1")
    return [*changes, *small]


@pytest.fixture(scope="module")
def exams(knees) -> list[Exam]:
    """The twelve knees, so split and labelled that every class is learnt from: one more complete rupture is partial."""
    learnt_from = {0, 1, 2, 3, 5, 7}
    table = read_exams(knees / "exams.csv")
    table[7] = replace(table[7], four_class=frozenset({"partial rupture or strain"}))
    return [replace(exam, split="train" if index in learnt_from else "val") for index, exam in enumerate(table)]


@pytest.fixture(scope="module")
def ready(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("ready")


def trained(row: Experiment, changes: list[str], exams: list[Exam], ready: Path, out: Path) -> Predictor:
    keras.utils.clear_session()
    config, text = load_config(row.preset, changes)
    train(config, text, exams, out, "a test", Place(ready, out.parent / "run", Workers(jobs=1)))
    return Predictor(load_bundle(out))


def bundleable(row: Experiment) -> bool:
    config, _ = load_config(row.preset, list(row.set))
    return not config.svc or config.svc.kind in KERNELS


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if bundleable(row)])
def test_it_trains_and_its_bundle_answers(name, exams, ready, tmp_path):
    predictor = trained(ROWS[name], made_small(ROWS[name]), exams, ready, tmp_path / "bundle")
    prediction = predictor.predict(load_exam(exams[0]))
    assert len(prediction.probabilities) == (2 if "binary" in name else 4)
    assert prediction.probabilities.sum() == pytest.approx(1)
    assert prediction.method.exact == (name != "vgg16-dense")


@pytest.mark.parametrize("name", ["vgg16", "vgg16-augmented"])
def test_what_two_cores_compute_once_is_served_like_any_other(name, exams, ready, tmp_path):
    changes = made_small(ROWS[name], *EXPERIMENTS.changes(ROWS[name], "reduced"))
    config, _ = load_config("vgg16", changes)
    assert config.fit.cache_frozen
    assert config.keeps_copies == (name == "vgg16-augmented")
    predictor = trained(ROWS[name], changes, exams, ready, tmp_path / "bundle")
    assert predictor.predict(load_exam(exams[0])).method.exact


@pytest.mark.parametrize("size", ["full", "reduced", "quick"])
@pytest.mark.parametrize("preset", PUBLISHED_PRESETS)
def test_every_row_s_layers_exist_in_its_trunk(preset, size):
    rows = [row for row in ROWS.values() if row.preset == preset]
    assert rows or preset == "demo"
    for row in rows:
        config, _ = load_config(preset, [*row.set, *EXPERIMENTS.changes(row, size)])
        trunk = build_trunk(config.trunk, (64, 64), config.recipe.channels)
        train_from(trunk, config.fit.trainable_from)
        learns = [layer.trainable for layer in trunk.layers if layer.weights]
        assert learns == sorted(learns), "what learns comes after what is frozen"
        assert any(learns) == (config.fit.trainable_from != "none")
        if config.fit.cache_frozen:
            below, above = cut_in_two(trunk, config.fit.trainable_from)
            assert below.output.shape[1:] == above.input.shape[1:]


@pytest.mark.parametrize("preset", PUBLISHED_PRESETS)
def test_a_preset_s_header_is_a_lab_note(preset):
    lines = (PRESETS / f"{preset}.toml").read_text(encoding="utf-8").splitlines()
    header = " ".join(line.removeprefix("#").strip() for line in lines if line.startswith("#"))
    assert f"python -m training.train {preset} --exams exams.csv --out bundles/{preset} " in header
    assert re.search(r"Published.*: .*Expected time: .*Figures here, .*: ", header)
