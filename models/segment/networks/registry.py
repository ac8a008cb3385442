"""The segmentation networks. A new one needs one file, one line here, and its name in `Network` (architecture.py).

tests/models/segment/networks/test_contract.py tests every one of them.
"""

from collections.abc import Callable

import keras

from models.segment.networks.architecture import Architecture
from models.segment.networks.seregunet import seregunet
from models.segment.networks.unet import unet
from models.segment.networks.unet3d import unet3d
from models.segment.networks.xnet import xnet

NETWORKS: dict[str, Callable[[keras.KerasTensor, Architecture], keras.KerasTensor]] = {
    "unet": unet,
    "xnet": xnet,
    "se-regunet": seregunet,
    "unet3d": unet3d,
}


def build(architecture: Architecture) -> keras.Model:
    """Build a network with random weights.

    Returns:
        The network: float32 `[B, H, W, channels]` in 0..1 -> logits float32 `[B, H, W, classes]`; a volumetric one has
        `S` before `H`. It takes every size that is a multiple of `architecture.multiple`.
    """
    size = (None,) * (3 if architecture.volumetric else 2)
    image = keras.Input((*size, architecture.channels), name="image")
    logits = NETWORKS[architecture.network](image, architecture)
    return keras.Model(image, logits, name=architecture.network.replace("-", "_"))
