import signal
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from data_prep.prepare.cache import CachedInputs
from models.trunks import Trunk, build_trunk
from tests import warm
from training.data import features
from training.data.features import averaged, cached_features, compute

pytestmark = pytest.mark.slow

TRUNK = Trunk(cut="conv2", width=1 / 16)
LENGTHS = (3, 7, 1, 5)


def network(trunk: Trunk = TRUNK, seed: int = 0) -> keras.Model:
    keras.utils.set_random_seed(seed)
    return build_trunk(trunk, (31, 31), "gray")


def ready(folder: Path, seed: int = 0) -> CachedInputs:
    """Exams of unequal length under names of their own, as `make_inputs` would leave them."""
    random = np.random.default_rng(seed)
    folder.mkdir(exist_ok=True)
    paths = tuple(folder / f"{seed}-{exam}.npy" for exam in range(len(LENGTHS)))
    for path, length in zip(paths, LENGTHS, strict=True):
        np.save(path, random.random((length, 31, 31), np.float32))
    return CachedInputs(paths)


def computed(monkeypatch, *arguments) -> int:
    """How many exams `cached_features` sends through the trunk."""
    sent = []
    with monkeypatch.context() as patch:
        patch.setattr(features, "compute", lambda *given: (sent.append(one) or one for one in compute(*given)))
        cached_features(*arguments)
    return len(sent)


@pytest.mark.parametrize("batch", [1, 4, 16, 32])
def test_features_are_the_trunks_mean_over_space_in_full_batches(tmp_path, monkeypatch, batch):
    trunk, exams = network(), ready(tmp_path)
    sizes = []
    plain = keras.Model.predict_on_batch
    monkeypatch.setattr(keras.Model, "predict_on_batch", lambda model, x: sizes.append(len(x)) or plain(model, x))
    found = list(compute(averaged(trunk), exams, batch))
    assert sizes == [batch] * -(-sum(LENGTHS) // batch)
    assert [len(exam) for exam in found] == list(LENGTHS)
    for slices, exam in zip(exams, found, strict=True):
        expected = np.mean(trunk(np.array(slices), training=False), axis=(1, 2))
        assert exam == pytest.approx(expected, rel=1e-4, abs=1e-6)


def test_what_is_there_is_not_computed_again(tmp_path, monkeypatch):
    arguments = network(), TRUNK, ready(tmp_path / "ready"), tmp_path / "features"
    first = cached_features(*arguments)
    assert computed(monkeypatch, *arguments) == 0
    for before, after in zip(first, cached_features(*arguments), strict=True):
        assert np.array_equal(before, after)


def test_other_pixels_weights_or_layers_never_meet_old_features(tmp_path, monkeypatch):
    exams, cache = ready(tmp_path / "ready"), tmp_path / "features"
    cached_features(network(), TRUNK, exams, cache)
    deeper = replace(TRUNK, cut="pool2")
    for arguments in (
        (network(), TRUNK, ready(tmp_path / "ready", seed=1), cache),
        (network(seed=1), TRUNK, exams, cache),
        (network(deeper), deeper, exams, cache),
    ):
        assert computed(monkeypatch, *arguments) == len(LENGTHS)


def test_the_same_weights_from_elsewhere_are_the_same_trunk(tmp_path, monkeypatch):
    exams, cache = ready(tmp_path / "ready"), tmp_path / "features"
    cached_features(network(), TRUNK, exams, cache)
    assert computed(monkeypatch, network(), replace(TRUNK, weights="random"), exams, cache) == 0


def test_exams_of_equal_pixels_are_computed_once(tmp_path, monkeypatch):
    exams = ready(tmp_path / "ready")
    twice = CachedInputs(exams.paths + exams.paths)
    assert computed(monkeypatch, network(), TRUNK, twice, tmp_path / "features") == len(LENGTHS)
    assert len(cached_features(network(), TRUNK, twice, tmp_path / "features")) == 2 * len(LENGTHS)


KILLED = """
import os, signal, sys
from pathlib import Path
from tests.training.data.test_features import TRUNK, network, ready
from training.data import features
plain = features.compute
def dying(*given):
    for exam, found in enumerate(plain(*given)):
        if exam == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        yield found
features.compute = dying
folder = Path(sys.argv[1])
features.cached_features(network(), TRUNK, ready(folder / "ready"), folder / "features")
"""


def test_a_run_that_was_killed_goes_on_where_it_stopped(tmp_path, monkeypatch):
    assert warm.run("-c", KILLED, str(tmp_path)).returncode == -signal.SIGKILL
    arguments = network(), TRUNK, ready(tmp_path / "ready"), tmp_path / "features"
    assert computed(monkeypatch, *arguments) == len(LENGTHS) - 2
    undisturbed = cached_features(*arguments[:3], tmp_path / "undisturbed")
    for exam, expected in zip(cached_features(*arguments), undisturbed, strict=True):
        assert exam == pytest.approx(expected, rel=1e-5, abs=1e-7)
