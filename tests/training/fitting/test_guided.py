"""The second loss: a trunk learns where the ligament is, and classifies as before."""

from dataclasses import replace

import numpy as np
import pytest
from keras import ops
from sklearn.metrics import roc_auc_score

from data_prep.tables.exams import read_exams
from data_prep.workers import Workers
from tests.training.tiny import TINY_DEMO
from training.config.config import load_config
from training.config.place import Place
from training.data.examples import Examples
from training.data.ligaments import WithLigaments, shares_of_cells
from training.fitting.fit import Phase, fit
from training.fitting.guided import GuidedNetwork, grid_of, guided_objective, ligament_loss
from training.fitting.losses import set_loss
from training.fitting.network import fit_network, untrained_network
from training.fitting.seeds import fix_seed

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


@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_masks_change_what_the_trunk_learns_if_the_second_loss_counts(weight):
    """Two runs with the same seed, slices and classes differ only in where the ligament is said to be."""
    config, _ = load_config("demo", CHANGES)
    random = np.random.default_rng(0)
    slices = [random.random((2, 64, 64), np.float32) for _ in range(2)]
    trunks = []
    for rows in (slice(0, 32), slice(32, 64)):
        fix_seed(1)
        network = untrained_network(config, config.recipe)
        mask = np.zeros((2, 64, 64), bool)
        mask[:, rows] = True
        targets = WithLigaments(np.eye(2, dtype=np.float32), [mask, mask], grid_of(network))
        examples = Examples(slices, targets, np.ones(2, np.float32))
        phase = Phase("fit", 1, 1e-2, examples, examples)
        fit(GuidedNetwork(network.network), phase, guided_objective(set_loss, weight), config.fit, seed=1)
        trunks.append(network.network.trunk.get_weights())
    assert any((one != other).any() for one, other in zip(*trunks, strict=True)) == bool(weight)


def test_the_cells_of_the_ligament_are_found():
    """It is where the slices are bright."""
    config, _ = load_config("demo", [*CHANGES, "fit.batch_exams=4"])
    fix_seed(2)
    network = untrained_network(config, config.recipe)
    random = np.random.default_rng(1)
    slices, masks = [], []
    for _ in range(8):
        mask = np.zeros((1, 64, 64), bool)
        top, left = random.integers(0, 40, 2)
        mask[0, top : top + 20, left : left + 20] = True
        masks.append(mask)
        slices.append(np.where(mask, 0.9, 0.2).astype(np.float32))
    targets = WithLigaments(np.tile(np.eye(2, dtype=np.float32), (4, 1)), masks, grid_of(network))
    examples = Examples(slices, targets, np.ones(8, np.float32))
    guided = GuidedNetwork(network.network)
    truth = np.concatenate([shares_of_cells(mask, targets.grid).ravel() for mask in masks]) > 0.5

    def area() -> float:
        found = np.concatenate([np.ravel(guided(one[None])["ligament"]) for one in slices])
        return float(roc_auc_score(truth, found))

    before = area()
    fit(guided, Phase("fit", 30, 1e-2, examples, examples), guided_objective(set_loss, 1.0), config.fit, seed=1)
    assert area() > max(0.95, before)


@pytest.mark.slow
def test_some_exams_may_not_know_their_ligament_and_the_classifier_gets_no_new_weights(knees, tmp_path):
    parts = splits(read_exams(knees / "exams.csv"))
    place = Place(tmp_path / "inputs", tmp_path / "run", Workers(1))
    config, _ = load_config("demo", CHANGES)
    config = replace(config, warm_up=None)
    partly = {**parts, "train": [replace(parts["train"][0], mask=None, box=None), *parts["train"][1:]]}
    network = fit_network(config, partly, place).classifier.network
    assert len(network.get_weights()) == len(network.trunk.get_weights()) + 2  # the head, and nothing more
    without = [replace(exam, mask=None, box=None) for exam in parts["train"]]
    with pytest.raises(ValueError, match="ligament_weight needs to know where the ligament is"):
        fit_network(config, {**parts, "train": without}, place)


def test_settings_that_do_not_go_with_it_are_refused():
    with pytest.raises(ValueError, match="cache_frozen"):
        load_config("demo", [*CHANGES, "fit.cache_frozen=true", 'fit.trainable_from="conv5"'])
    with pytest.raises(ValueError, match="restarts"):
        load_config("demo", [*CHANGES, "fit.restarts=1"])
