"""Looking ahead: what folds share is on disk before they start, and learning adds nothing to it."""

from dataclasses import replace
from pathlib import Path

import pytest

from data_prep.tables.exams import read_exams
from data_prep.workers import Workers
from tests.training.tiny import TINY_TRUNK, paths_of
from training.config.config import load_config
from training.config.place import Place
from training.fitting.learn import learn, look_ahead
from training.fitting.network import phases_of

pytestmark = pytest.mark.slow

BRIEF = ["fit.epochs=1", "augmentation={}"]
KEPT = ['fit.trainable_from="conv5"', "fit.cache_frozen=true", "fit.oversample=true", "fit.epochs=1"]
CROPS = ["extent_mm=[20.0, 36.0, 36.0]", "size=[48, 48]", "epochs=1", "learning_rate=1e-3"]


def made(place: Place) -> set[Path]:
    return {path.relative_to(place.inputs) for path in place.inputs.rglob("*.npy")}


@pytest.mark.parametrize(
    ("preset", "changes", "folders"),
    [
        ("vgg16-svc", ['scheme="binary"'], {".", "features"}),
        ("mrnet", [*BRIEF, 'fit.trainable_from="conv5"', "fit.cache_frozen=true"], {".", "frozen"}),
        ("mrnet", [*BRIEF, *(f"warm_up.{crop}" for crop in CROPS)], {"."}),
    ],
)
def test_nothing_is_left_to_be_made_by_a_fold(knees, tmp_path, preset, changes, folders):
    exams = read_exams(knees / "exams.csv")
    config, _ = load_config(preset, [*TINY_TRUNK, *changes])
    place = Place(inputs=tmp_path / "inputs", run=tmp_path / "run", workers=Workers(1))
    look_ahead(config, exams, place)
    before = made(place)
    assert {str(path.parent) for path in before} == folders
    probabilities = learn(config, exams, place).probabilities([exam for exam in exams if exam.split == "test"])
    assert probabilities.shape == (4, 2)
    assert probabilities.sum(axis=1) == pytest.approx(1)
    assert made(place) == before


def test_folds_of_the_table_s_proportions_find_their_copies_too(knees, tmp_path):
    """Three healthy exams to two torn ones, and five to three: each torn one has a copy."""
    labels = {"train": ["healthy"] * 3 + ["unhealthy"] * 2, "val": ["healthy"] * 2 + ["unhealthy"]}
    table = read_exams(knees / "exams.csv")
    exams = [
        replace(exam, binary=frozenset({label}))
        for split, binary in labels.items()
        for exam, label in zip((exam for exam in table if exam.split == split), binary, strict=True)
    ]
    config, _ = load_config("mrnet", [*TINY_TRUNK, *KEPT, "augmentation={gamma=0.3}"])
    place = Place(inputs=tmp_path / "inputs", run=tmp_path / "run", workers=Workers(1))
    look_ahead(config, exams, place)
    before = made(place)
    assert len(before) == 2 * (len(exams) + 3)
    learn(config, exams, place)
    assert made(place) == before


def test_copies_are_learnt_from_and_never_scored(knees, tmp_path):
    splits = {"train": [], "val": []}
    for exam in read_exams(knees / "exams.csv"):
        if exam.split in splits:
            splits[exam.split].append(replace(exam, binary=frozenset({"healthy"})))
    splits["train"][0] = replace(splits["train"][0], binary=frozenset({"unhealthy"}))
    config, _ = load_config("mrnet", [*TINY_TRUNK, *KEPT, "augmentation={gamma=0.3}"])
    place = Place(inputs=tmp_path / "inputs", run=tmp_path / "run", workers=Workers(1))
    phase = phases_of(config, splits, place)[-1]
    # One torn knee to four healthy ones: it and three copies.
    assert phase.learn.allowed.sum(axis=0).tolist() == [4, 4]
    assert len(set(paths_of(phase.learn.inputs))) == 8
    assert len(phase.held_out.inputs) == len(splits["val"])


def test_a_table_without_validation_exams_is_refused(knees, tmp_path):
    exams = [exam for exam in read_exams(knees / "exams.csv") if exam.split != "val"]
    config, _ = load_config("vgg16-svc", TINY_TRUNK)
    with pytest.raises(ValueError, match="no exam of split 'val' in the table, which has 5 train, 4 test"):
        learn(config, exams, Place(tmp_path / "inputs", tmp_path / "run", Workers(1)))
