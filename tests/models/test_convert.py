"""torchvision's files become the archives that `CRUCIATE_WEIGHTS` is searched for."""

from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from models.convert import ALEXNET, main, squeezenet_layers
from models.trunks import Trunk, build_trunk, load_imagenet
from models.trunks.pretrained import TORCHVISION_FILES
from tests.models.trunks.torch_files import write_legacy, write_zip

LAYERS: dict[str, Any] = {"alexnet": ALEXNET, "squeezenet": squeezenet_layers()}
KERNEL = {"alexnet": "kernel", "squeezenet": "weight"}


def published(name: str) -> dict[str, np.ndarray]:
    """Random tensors under torchvision's names, with a classifier that nobody asks for."""
    random = np.random.default_rng(0)
    tensors = {"classifier.1.weight": random.random((4, 4), np.float32)}
    for theirs, shape in LAYERS[name].values():
        tensors[f"{theirs}.weight"] = random.random(shape, np.float32)
        tensors[f"{theirs}.bias"] = random.random(shape[:1], np.float32)
    return tensors


def as_safetensors(path, tensors):
    save_file(tensors, path)
    return path


WRITERS = {".pth": write_zip, ".old.pth": write_legacy, ".safetensors": as_safetensors}


@pytest.mark.slow
@pytest.mark.parametrize("suffix", WRITERS)
@pytest.mark.parametrize("name", LAYERS)
def test_the_archive_fills_the_trunk(tmp_path, monkeypatch, capsys, name, suffix):
    tensors = published(name)
    path = WRITERS[suffix](tmp_path / f"weights{suffix}", tensors)
    main([str(path), "--out", str(tmp_path / "out")])
    assert f"export CRUCIATE_WEIGHTS={tmp_path / 'out'}" in capsys.readouterr().out
    monkeypatch.setenv("CRUCIATE_WEIGHTS", str(tmp_path / "out"))
    trunk = Trunk(name, "conv5" if name == "alexnet" else "fire9", "imagenet")
    network = build_trunk(trunk, (63, 63), "torch")
    load_imagenet(network, trunk)
    first = next(layer for layer in network.layers if layer.name == "conv1")
    kernel, bias = first.get_weights()
    assert np.array_equal(kernel, tensors["features.0.weight"].transpose(2, 3, 1, 0))
    assert np.array_equal(bias, tensors["features.0.bias"])


@pytest.mark.parametrize("name", LAYERS)
def test_the_published_weights_come_back_as_they_were(tmp_path, weights_folder, name):
    """Our archive turned into torchvision's tensors and converted again is our archive."""
    archive = dict(np.load(weights_folder / TORCHVISION_FILES[name]))
    tensors = {}
    for ours, (theirs, _) in LAYERS[name].items():
        tensors[f"{theirs}.weight"] = np.ascontiguousarray(archive[f"{ours}_{KERNEL[name]}"].transpose(3, 2, 0, 1))
        tensors[f"{theirs}.bias"] = archive[f"{ours}_bias"]
    main([str(write_zip(tmp_path / "a.pth", tensors)), "--out", str(tmp_path)])
    again = dict(np.load(tmp_path / TORCHVISION_FILES[name]))
    assert again.keys() == archive.keys()
    assert all(np.array_equal(again[key], archive[key]) for key in archive)


def without(name: str) -> dict[str, np.ndarray]:
    tensors = published("alexnet")
    del tensors[name]
    return tensors


@pytest.mark.parametrize(
    ("tensors", "reason"),
    [
        (without("features.10.bias"), "no features.10.bias"),
        ({"conv1.weight": np.zeros((64, 3, 7, 7), np.float32)}, "no features.0.weight"),  # a ResNet
        (
            published("alexnet") | {"features.0.weight": np.zeros((64, 3, 3, 3), np.float32)},
            "not floats [64, 3, 11, 11]",
        ),
        (published("squeezenet") | {"features.0.weight": np.zeros((96, 3, 7, 7), np.float32)}, "[96, 3, 7, 7]"),  # 1.0
        (published("alexnet") | {"features.0.bias": np.full(64, np.nan, np.float32)}, "aren't finite numbers"),
        (published("alexnet") | {"features.0.bias": np.zeros(64, np.int64)}, "not floats [64]"),
    ],
)
def test_another_network_is_refused_in_one_sentence(tmp_path, capsys, tensors, reason):
    with pytest.raises(SystemExit) as ended:
        main([str(write_zip(tmp_path / "a.pth", tensors)), "--out", str(tmp_path / "out")])
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert said.count("\n") == 1
    assert reason in said
    assert "a.pth" in said
    assert not (tmp_path / "out").exists()


def test_a_file_that_is_not_there_is_one_sentence(tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main([str(tmp_path / "none.pth"), "--out", str(tmp_path)])
    assert ended.value.code == 2
    assert "none.pth" in capsys.readouterr().err
