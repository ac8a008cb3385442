"""The second loss: a trunk learns where the ligament is, and classifies as before."""

from dataclasses import replace

import numpy as np
import pytest
from keras import ops

from data_prep.tables.exams import read_exams
from data_prep.workers import Workers
from tests.training.tiny import TINY_DEMO
from training.config.config import load_config
from training.config.place import Place
from training.fitting.guided import GuidedNetwork, grid_of, ligament_loss
from training.fitting.network import fit_network, untrained_network

CHANGES = [*TINY_DEMO, "fit.ligament_weight=1.0"]


def splits(exams):
    return {name: [exam for exam in exams if exam.split == name] for name in ("train", "val")}


def test_the_loss_is_that_of_a_hand_computed_example_and_leaves_out_what_is_unknown():
    shares = np.array([1.0, 0.5, 0.0, 0.0], np.float32).reshape(1, 1, 2, 2)
    logits = np.array([2.0, 0.0, -1.0, 3.0], np.float32).reshape(1, 1, 2, 2)
    soft = np.logaddexp(0, [-2.0, 0.0]), np.logaddexp(0, [0.0, -1.0, 3.0])
    missed = (soft[0][0] + 0.5 * soft[0][1]) / 1.5
    wrong = (0.5 * soft[1][0] + soft[1][1] + soft[1][2]) / 2.5
    both = np.concatenate([shares, np.full_like(shares, -1.0)])
    loss = ops.convert_to_numpy(ligament_loss(both, np.concatenate([logits, logits])))
    assert loss == pytest.approx([(missed + wrong) / 2, 0.0], rel=1e-6)


def test_a_guided_network_gives_the_logits_of_the_classifier_and_one_value_for_each_cell():
    config, _ = load_config("demo", CHANGES)
    classifier = untrained_network(config, config.recipe)
    exams = np.random.default_rng(0).random((2, 3, 64, 64), np.float32)
    found = GuidedNetwork(classifier.network)(exams)
    assert np.array_equal(found["classes"], classifier.network(exams))
    rows, columns, _ = grid_of(classifier)
    assert found["ligament"].shape == (2, 3, rows, columns)


@pytest.mark.slow
def test_the_trunk_learns_from_the_second_loss_and_no_exam_needs_to_know_its_ligament(knees, tmp_path):
    """With equal labels for all there is nothing else to learn from: without ligaments known, nothing is learnt."""
    exams = read_exams(knees / "exams.csv")
    parts = splits(exams)
    place = Place(tmp_path / "inputs", tmp_path / "run", Workers(1))
    trained = {}
    for weight in (0.0, 1.0):
        config, _ = load_config("demo", [*TINY_DEMO, f"fit.ligament_weight={weight}"])
        fitted = fit_network(replace(config, warm_up=None), parts, place)
        trained[weight] = fitted.classifier.network.trunk.get_weights()
        assert len(fitted.classifier.network.get_weights()) == len(trained[weight]) + 2  # the head, and nothing more
    assert any((a != b).any() for a, b in zip(*trained.values(), strict=True))
    partly = {**parts, "train": [replace(parts["train"][0], mask=None, box=None), *parts["train"][1:]]}
    config, _ = load_config("demo", CHANGES)
    fit_network(replace(config, warm_up=None), partly, place)
    without = [replace(exam, mask=None, box=None) for exam in parts["train"]]
    with pytest.raises(ValueError, match="ligament_weight needs to know where the ligament is"):
        fit_network(replace(config, warm_up=None), {**parts, "train": without}, place)


def test_settings_that_do_not_go_with_it_are_refused():
    with pytest.raises(ValueError, match="cache_frozen"):
        load_config("demo", [*CHANGES, "fit.cache_frozen=true", 'fit.trainable_from="conv5"'])
    with pytest.raises(ValueError, match="restarts"):
        load_config("demo", [*CHANGES, "fit.restarts=1"])
