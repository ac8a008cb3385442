import keras
import numpy as np
import pytest

from models.trunks import Trunk, build_trunk, load_imagenet
from models.trunks.applications import APPLICATIONS

pytestmark = pytest.mark.slow

VGG16 = Trunk("vgg16", "block1_conv2", "imagenet")


@pytest.fixture
def empty_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("CRUCIATE_WEIGHTS", str(tmp_path))
    return tmp_path


def stand_in(monkeypatch, network: keras.Model | Exception) -> list[str]:
    """VGG16 without a download: answers with `network`, and tells what weights it was asked for."""
    asked = []

    def application(include_top: bool, weights: str) -> keras.Model:
        assert not include_top
        asked.append(weights)
        if isinstance(network, Exception):
            raise network
        return network

    monkeypatch.setitem(APPLICATIONS, "vgg16", application)
    return asked


def vgg16_of(value: float) -> keras.Model:
    network = keras.applications.VGG16(include_top=False, weights=None)
    network.set_weights([np.full(weight.shape, value) for weight in network.weights])
    return network


@pytest.mark.parametrize(
    ("name", "file", "contents"),
    [
        ("alexnet", "alexnet_imagenet_features.npz", "torchvision's alexnet"),
        ("squeezenet", "squeezenet1_1_imagenet_features.npz", "torchvision's squeezenet1_1"),
    ],
)
def test_a_missing_file_is_one_sentence_that_says_where_to_get_it(empty_folder, name, file, contents):
    trunk = Trunk(name, "pool5", "imagenet")
    with pytest.raises(
        FileNotFoundError, match=rf"^no {file}: make it from {contents} .*models\.convert.* set CRUCIATE_WEIGHTS to .*$"
    ):
        load_imagenet(build_trunk(trunk, (63, 63), "torch"), trunk)


def test_squeezenet_finds_its_arrays_by_torchvisions_places(empty_folder):
    """Kernels of one value each, told apart by it; the layers by their index in torchvision's `features`."""
    trunk = Trunk("squeezenet", "fire4_squeeze", "imagenet")
    network = build_trunk(trunk, (63, 63), "torch")
    keys = [f"{index}_{part}" for index in (3, 4) for part in ("squeeze", "expand1x1", "expand3x3")]
    convolutions = [layer for layer in network.layers if layer.weights]
    arrays = {}
    for value, (key, layer) in enumerate(zip(["0", *keys, "6_squeeze"], convolutions, strict=True)):
        arrays[f"{key}_weight"] = np.full(layer.kernel.shape, value, np.float32)
        arrays[f"{key}_bias"] = np.full(layer.bias.shape, -value, np.float32)
    np.savez(empty_folder / "squeezenet1_1_imagenet_features.npz", **arrays)
    load_imagenet(network, trunk)
    assert network.get_layer("fire3_expand3x3").bias[0] == -6
    assert [float(layer.kernel[0, 0, 0, 0]) for layer in convolutions] == list(range(8))


def test_without_a_file_keras_is_asked_to_download(empty_folder, monkeypatch):
    network = build_trunk(VGG16, (32, 32), "caffe")
    asked = stand_in(monkeypatch, vgg16_of(0.25))
    load_imagenet(network, VGG16)
    assert asked == ["imagenet"]
    assert all(np.all(np.array(weight) == 0.25) for weight in network.weights)


def test_a_file_at_hand_is_preferred_to_a_download(empty_folder):
    vgg16_of(0.5).save_weights(empty_folder / "vgg16_imagenet_notop.weights.h5")
    network = build_trunk(VGG16, (32, 32), "caffe")
    load_imagenet(network, VGG16)
    assert all(np.all(np.array(weight) == 0.5) for weight in network.weights)


def test_no_file_and_no_network_is_one_sentence(empty_folder, monkeypatch):
    network = build_trunk(VGG16, (32, 32), "caffe")
    stand_in(monkeypatch, Exception("URL fetch failure"))
    sentence = r"^no vgg16_imagenet_notop\.weights\.h5, and no download from Keras \(URL fetch failure\): set .*$"
    with pytest.raises(FileNotFoundError, match=sentence):
        load_imagenet(network, VGG16)


def test_a_broken_file_is_not_called_missing(empty_folder):
    (empty_folder / "vgg16_imagenet_notop.weights.h5").write_bytes(b"not a weights file")
    with pytest.raises(OSError, match="file signature not found"):
        load_imagenet(build_trunk(VGG16, (32, 32), "caffe"), VGG16)
