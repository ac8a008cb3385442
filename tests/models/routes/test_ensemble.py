"""An ensemble owes what every route owes (see test_contract.py), and to be the mean of its members."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.labels import BINARY, FOUR_CLASS
from models.bundle import load_bundle, write_bundle
from models.calibration import Calibration
from models.routes.ensemble import Ensemble
from models.routes.machines import Linear
from models.routes.svc import SVC
from tests.conftest import COMPLETENESS
from tests.models.conftest import PROVENANCE, RECIPE, TEMPERATURES, TINY_TRUNK, some_slices, tiny_ensemble, tiny_mrnet

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def four_class_ensemble() -> Ensemble:
    return tiny_ensemble(FOUR_CLASS)


def test_it_is_the_mean_of_its_calibrated_members(scheme):
    ensemble = tiny_ensemble(scheme)
    explanation = ensemble.explain(some_slices(), ensemble.features(some_slices()))
    members = [tiny_mrnet(scheme, seed) for seed in (1, 2, 3)]
    alone = [member.explain(some_slices(), member.features(some_slices())) for member in members]
    for name in ("logits", "maps", "bias"):
        expected = sum(getattr(one, name) / t for one, t in zip(alone, TEMPERATURES, strict=True)) / 3
        assert getattr(explanation, name) == pytest.approx(expected, rel=1e-4, abs=1e-6)
    assert explanation.method.exact
    assert explanation.method.name == "cam"


def test_its_probabilities_are_the_geometric_mean(scheme):
    ensemble = tiny_ensemble(scheme)
    logits = ensemble.logits(ensemble.features(some_slices()))
    members = [tiny_mrnet(scheme, seed) for seed in (1, 2, 3)]
    alone = [
        Calibration(t).probabilities(member.logits(member.features(some_slices())))
        for member, t in zip(members, TEMPERATURES, strict=True)
    ]
    product = np.prod(alone, axis=0) ** (1 / 3)
    assert Calibration(1.0).probabilities(logits) == pytest.approx(product / product.sum(), rel=1e-4)


def test_shapes_types_and_agreement(scheme):
    ensemble = tiny_ensemble(scheme)
    features = ensemble.features(some_slices())
    explanation = ensemble.explain(some_slices(), features)
    assert features.dtype == explanation.logits.dtype == explanation.maps.dtype == explanation.bias.dtype == np.float32
    assert explanation.maps.shape == (len(scheme), 5, *features.shape[1:3])
    assert np.array_equal(ensemble.logits(features), explanation.logits)
    assert np.array_equal(features, ensemble.features(some_slices()))


@settings(max_examples=30)
@given(count=st.integers(1, 12), seed=st.integers(0, 1000), brightness=st.floats(0, 1))
def test_maps_and_bias_add_up_to_the_logit(four_class_ensemble, count, seed, brightness):
    features = four_class_ensemble.features(some_slices(count, seed) * np.float32(brightness))
    explanation = four_class_ensemble.explain(some_slices(), features)
    total = explanation.maps.sum(axis=(1, 2, 3), dtype=np.float64) + explanation.bias
    assert total == pytest.approx(explanation.logits.astype(np.float64), rel=COMPLETENESS)


def test_members_of_one_trunk_share_a_forward_pass():
    """Same seed, another head: half the features, the same answer."""
    first, second = tiny_mrnet(seed=1), tiny_mrnet(seed=1)
    kernel, bias = second.network.head.get_weights()
    second.network.head.set_weights([kernel[:, ::-1], bias])
    shared = Ensemble("mrnet", [first, second], (1.0, 1.0), RECIPE)
    features = shared.features(some_slices())
    assert np.array_equal(features, first.features(some_slices()))
    expected = (first.logits(features) + second.logits(features)) / 2
    assert shared.logits(features) == pytest.approx(expected)
    assert not np.allclose(first.logits(features), second.logits(features))


def test_a_bundle_of_it_serves(scheme, tmp_path):
    ensemble = tiny_ensemble(scheme)
    write_bundle(tmp_path, ensemble, "ensemble", RECIPE, Calibration(1.0), {"figures": []}, PROVENANCE, "")
    assert {path.name for path in tmp_path.glob("member*")} == {
        "members.json",
        *(f"member-{number}-model.weights.h5" for number in range(3)),
    }
    assert (
        "| route | ensemble of 3 x mrnet |\n| trunk | alexnet up to `conv5`" in (tmp_path / "MODEL_CARD.md").read_text()
    )
    again = load_bundle(tmp_path).classifier
    expected = ensemble.logits(ensemble.features(some_slices()))
    assert np.array_equal(again.logits(again.features(some_slices())), expected)
    assert again.architecture() == ensemble.architecture()
    assert again.grid_span() == ensemble.grid_span()


def test_equal_files_are_stored_once(tmp_path):
    twins = Ensemble("mrnet", [tiny_mrnet(seed=1), tiny_mrnet(seed=1)], (1.0, 1.0), RECIPE)
    twins.save(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"members.json", "member-0-model.weights.h5"}
    other = tiny_ensemble(seed=5, temperatures=(1.0, 1.0))
    assert other.features(some_slices()).shape != twins.features(some_slices()).shape
    other.load(tmp_path)
    assert np.array_equal(other.features(some_slices()), twins.features(some_slices()))


def fitted_svc(decision: float) -> SVC:
    """A linear SVC around the trunk of seed 1, fitted to nothing real."""
    keras.utils.set_random_seed(1)
    svc = SVC(TINY_TRUNK, "max", "linear", BINARY, RECIPE)
    channels = svc.machine.mean.size
    svc.machine = Linear(np.full(channels, 0.1), np.full((channels, 1), decision), np.array([decision]))
    return svc


def test_support_vectors_share_their_trunk_in_memory_and_on_disk(tmp_path):
    pair = Ensemble("svc", [fitted_svc(1.0), fitted_svc(-0.5)], (1.0, 2.0), RECIPE)
    features = pair.features(some_slices())
    assert features.shape == fitted_svc(1.0).features(some_slices()).shape
    explanation = pair.explain(some_slices(), features)
    total = explanation.maps.sum(axis=(1, 2, 3), dtype=np.float64) + explanation.bias
    assert total == pytest.approx(explanation.logits.astype(np.float64), rel=COMPLETENESS)
    pair.save(tmp_path)
    stored = {"members.json", "member-0-svc.npz", "member-1-svc.npz", "member-0-trunk.weights.h5"}
    assert {path.name for path in tmp_path.iterdir()} == stored


def test_members_must_be_of_a_kind():
    with pytest.raises(ValueError, match="one architecture"):
        Ensemble("mrnet", [tiny_mrnet(), OtherNetwork()], (1.0, 1.0), RECIPE)


class OtherNetwork:
    """Says that it is another network."""

    def architecture(self) -> dict[str, object]:
        return {"trunk": {"width": 1 / 32}}
