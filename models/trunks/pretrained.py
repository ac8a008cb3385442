"""ImageNet weights: from the folder that CRUCIATE_WEIGHTS names, or from Keras' own download."""

import os
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt

from models.trunks.applications import APPLICATIONS
from models.trunks.trunk import Trunk

TORCHVISION_FILES = {
    "alexnet": "alexnet_imagenet_features.npz",
    "squeezenet": "squeezenet1_1_imagenet_features.npz",
}
# The files' kernels are HWIO: conv1_kernel, conv1_bias, ... and 0_weight, 0_bias, 3_squeeze_weight, ...
PUBLISHED = {"alexnet": "alexnet", "squeezenet": "squeezenet1_1"}
OTHERWISE = 'or train with weights = "random"'
# Indices of SqueezeNet's blocks in torchvision's `features`. The names of their arrays begin with them.
SQUEEZENET_INDEX = {
    "conv1": 0,
    "fire2": 3,
    "fire3": 4,
    "fire4": 6,
    "fire5": 7,
    "fire6": 9,
    "fire7": 10,
    "fire8": 11,
    "fire9": 12,
}
Weights = list[npt.NDArray[np.float32]]


def load_imagenet(network: keras.Model, trunk: Trunk) -> None:
    """Load ImageNet weights into a trunk.

    Raises:
        FileNotFoundError: If the weights aren't there; the message says where to get them.
    """
    published = _from_keras(trunk.name) if trunk.name in APPLICATIONS else _from_torchvision(trunk.name)
    for layer in network.layers:
        if layer.weights:
            layer.set_weights(published(layer.name))


def _from_torchvision(name: str) -> Callable[[str], Weights]:
    """A function that gives the arrays of one layer of AlexNet or SqueezeNet: kernel (HWIO) and bias."""
    path = _folder() / TORCHVISION_FILES[name]
    if not path.is_file():
        raise FileNotFoundError(
            f"no {path.name}: make it from torchvision's {PUBLISHED[name]} (.pth or .safetensors) with "
            f"`python -m models.convert FILE --out FOLDER` and set CRUCIATE_WEIGHTS to that folder, {OTHERWISE}"
        )
    with np.load(path) as archive:
        arrays = dict(archive)
    if name == "alexnet":
        return lambda layer: [arrays[f"{layer}_kernel"], arrays[f"{layer}_bias"]]
    return lambda layer: [arrays[f"{_squeezenet_key(layer)}_{array}"] for array in ("weight", "bias")]


def _squeezenet_key(layer: str) -> str:
    """`fire2_squeeze` -> `3_squeeze`, `conv1` -> `0`."""
    block, *part = layer.split("_")
    return "_".join([str(SQUEEZENET_INDEX[block]), *part])


def _from_keras(name: str) -> Callable[[str], Weights]:
    """A function that gives the arrays of one layer of a network of keras.applications."""
    path = _folder() / f"{name}_imagenet_notop.weights.h5"
    try:
        network = APPLICATIONS[name](include_top=False, weights=str(path) if path.is_file() else "imagenet")
    except Exception as failed:  # Keras' download raises a plain Exception
        if path.is_file():
            raise
        raise FileNotFoundError(
            f"no {path.name}, and no download from Keras ({failed}): set CRUCIATE_WEIGHTS to a folder that has it "
            f"(keras.applications' {name} without its top, saved by `save_weights`), {OTHERWISE}"
        ) from failed
    return lambda layer: network.get_layer(layer).get_weights()


def _folder() -> Path:
    return Path(os.environ.get("CRUCIATE_WEIGHTS", ""))
