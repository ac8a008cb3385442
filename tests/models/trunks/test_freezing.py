import keras
import numpy as np
import pytest

from models.trunks import Trunk, build_trunk, cut_in_two, train_from

pytestmark = pytest.mark.slow


def trained(network: keras.Model) -> list[str]:
    """Names of the layers that have something to learn."""
    return [layer.name for layer in network.layers if layer.trainable_variables]


def test_what_the_named_layer_computes_from_is_frozen():
    network = build_trunk(Trunk("alexnet", "conv5", width=1 / 16), (63, 63), "gray")
    train_from(network, "conv4")
    assert trained(network) == ["conv4", "conv5"]
    train_from(network, "pool2")
    assert trained(network) == ["conv3", "conv4", "conv5"]


def test_all_and_none():
    network = build_trunk(Trunk("alexnet", "conv2", width=1 / 16), (63, 63), "gray")
    train_from(network, "none")
    assert trained(network) == []
    train_from(network, "")
    assert trained(network) == ["conv1", "conv2"]


def test_a_branch_beside_the_named_layer_is_trained():
    network = build_trunk(Trunk("squeezenet", "fire3", width=1 / 16), (63, 63), "gray")
    train_from(network, "fire3_expand3x3")
    assert set(trained(network)) == {"fire3_expand1x1", "fire3_expand3x3"}


def test_an_unknown_layer_is_answered_with_those_there_are():
    network = build_trunk(Trunk("alexnet", "conv1", width=1 / 16), (63, 63), "gray")
    with pytest.raises(ValueError, match=r'alexnet has no layer \'conv2\'; train from "" .*, pad1, conv1$'):
        train_from(network, "conv2")


def test_frozen_normalisation_keeps_its_statistics_and_training_changes_only_the_rest():
    network = build_trunk(Trunk("resnet50", "conv2_block1_out"), (32, 32), "gray")
    train_from(network, "conv2_block1_3_conv")
    before = {weight.path: np.array(weight) for weight in network.weights}
    network.compile(optimizer="sgd", loss="mse")
    planes = np.random.default_rng(0).random((2, 32, 32), np.float32)
    network.fit(planes, np.ones((2, *network.output_shape[1:])), verbose=0)
    changed = {weight.path.split("/")[0] for weight in network.weights if np.any(before[weight.path] != weight)}
    beside = {"conv2_block1_0_conv", "conv2_block1_0_bn"}
    assert changed == {"conv2_block1_3_conv", "conv2_block1_3_bn", *beside}


@pytest.mark.parametrize(
    ("name", "cut", "layer"),
    [
        ("alexnet", "conv5", "conv4"),
        ("alexnet", "conv5", "none"),
        ("squeezenet", "fire3", "fire3_expand3x3"),
        ("resnet50", "conv3_block1_out", "conv3_block1_1_conv"),
    ],
)
def test_the_two_halves_are_the_whole(name, cut, layer):
    network = build_trunk(Trunk(name, cut), (63, 63), "gray")
    below, above = cut_in_two(network, layer)
    slices = np.random.default_rng(0).random((2, 63, 63), np.float32)
    assert np.array_equal(above(below(slices)), network(slices))
    train_from(network, layer)
    assert not below.trainable_variables
    assert len(above.trainable_variables) == len(network.trainable_variables)


def test_where_a_path_goes_around_the_layer_there_is_no_cut():
    network = build_trunk(Trunk("resnet50", "conv2_block2_out"), (32, 32), "gray")
    with pytest.raises(ValueError, match="resnet50 can't be cut in two before 'conv2_block2_2_conv': another path"):
        cut_in_two(network, "conv2_block2_2_conv")
    with pytest.raises(ValueError, match="no layer 'conv9'"):
        cut_in_two(network, "conv9")
