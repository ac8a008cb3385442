import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.bench import epoch as bench
from tests.bench.keras_side import config_for, examples, network_for
from tests.bench.task import AUGMENTATION, LEARNING_RATE, WEIGHT_DECAY, Task
from training.fitting.fit import Objective, Phase, fit
from training.fitting.losses import LOSSES

TORCH = importlib.util.find_spec("torch") is not None
SIZE = (64, 64)
# Rounding apart, two libraries compute the same.
ROUNDING = 1e-4
# Adam's first step divides each gradient by its own size. Where there is hardly any, rounding decides, and so many of a
# layer's weights may end elsewhere, by more than so much of a step.
UNSURE, PART = 0.01, 0.1

sides = pytest.mark.parametrize(
    "side", ["keras", pytest.param("torch", marks=pytest.mark.skipif(not TORCH, reason="PyTorch isn't installed"))]
)


@pytest.fixture(scope="module")
def task() -> Task:
    return bench.some_task(exams=2, slices=3, size=SIZE)


def test_both_sides_do_what_the_preset_says():
    config = config_for(SIZE)
    assert (config.augmentation, config.fit.learning_rate) == (AUGMENTATION, LEARNING_RATE)
    assert (config.fit.weight_decay, config.fit.optimiser, config.fit.batch_exams) == (WEIGHT_DECAY, "adamw", 1)
    assert (config.fit.loss, config.fit.dropout, config.fit.trainable_from) == ("set", 0, "")


def test_a_task_comes_back_from_its_folder(task, tmp_path):
    task.write(tmp_path)
    back = Task.read(tmp_path)
    assert back.held_out == 1
    for before, after in ((task.exams, back.exams), (task.weights, back.weights), (task.allowed, back.allowed)):
        assert all(np.array_equal(*pair) for pair in zip(before, after, strict=True))


@pytest.mark.slow
@sides
def test_a_side_says_what_an_epoch_took(task, tmp_path, side):
    task.write(tmp_path)
    command = [sys.executable, "-m", f"tests.bench.{side}_side", str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2], check=False)
    assert result.returncode == 0, result.stderr
    took = json.loads(result.stdout.splitlines()[-1])
    assert 0 < took["seconds"] < 60
    assert 0 <= took["training_mb"] < took["peak_mb"] < 4000


def test_both_sides_are_the_same_network(task):
    torch = pytest.importorskip("torch", reason="PyTorch isn't installed")
    from tests.bench.torch_side import MRNet

    network, theirs = network_for(SIZE), MRNet(classes=2)
    theirs.set_weights(task.weights)
    for slices in task.exams:
        ours = np.array(network(slices[None])[0])
        assert theirs(torch.tensor(slices)).detach().numpy() == pytest.approx(ours, rel=ROUNDING, abs=ROUNDING)


def test_both_sides_learn_the_same_from_an_exam(task):
    pytest.importorskip("torch", reason="PyTorch isn't installed")
    from tests.bench.torch_side import MRNet, make_optimiser, step

    config, network, theirs = config_for(SIZE), network_for(SIZE), MRNet(classes=2)
    theirs.set_weights(task.weights)
    lesson = examples(task, 1)
    phase = Phase("fit", 1, LEARNING_RATE, lesson, lesson)
    fit(network, phase, Objective(LOSSES[config.fit.loss]), config.fit, config.seed)
    step(theirs, make_optimiser(theirs), task.exams[0], task.allowed[0])

    taken_over = MRNet(classes=2)
    taken_over.set_weights(network.get_weights())
    for ours, expected in zip(taken_over.parameters(), theirs.parameters(), strict=True):
        far = np.abs((ours - expected).detach().numpy()) > PART * LEARNING_RATE
        assert far.mean() <= UNSURE


def test_without_pytorch_it_says_how_to_get_it(monkeypatch, capsys):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    bench._epochs(exams=2, rounds=1)
    assert "pip install -r requirements-bench.txt" in capsys.readouterr().out
