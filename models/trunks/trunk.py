"""The description of a trunk (network, cut, weights), and the network that it describes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

import keras
from pydantic import Field

from data_prep.network_input.recipe import Channels
from data_prep.ranges import Positive
from models.trunks.alexnet import alexnet
from models.trunks.applications import APPLICATIONS, application
from models.trunks.channels import as_channels
from models.trunks.squeezenet import squeezenet

# Each yields its layers in order, after it has applied them: later layers may not be needed.
SCALABLE: dict[str, Callable[[keras.KerasTensor, float], Iterator[keras.Layer]]] = {
    "alexnet": alexnet,
    "squeezenet": squeezenet,
}
# Upper limit of `width`: more channels would need too much memory.
MOST_WIDE = 16.0


@dataclass(frozen=True)
class Trunk:
    """The description of a trunk.

    Attributes:
        name: The network.
        cut: Name of the last layer that is kept.
        weights: The weights that it starts from.
        width: Factor of the published channel counts, for AlexNet and SqueezeNet with random weights.

    Raises:
        ValueError: If `width` isn't 1 for another network, or with ImageNet weights.
    """

    name: Literal["alexnet", "vgg16", "vgg19", "resnet50", "squeezenet"] = "alexnet"
    cut: str = "pool5"
    weights: Literal["random", "imagenet"] = "random"
    width: Annotated[Positive, Field(le=MOST_WIDE)] = 1.0

    def __post_init__(self) -> None:
        if self.width != 1 and self.name not in SCALABLE:
            raise ValueError(f"{self.name} has width 1 only; {' and '.join(SCALABLE)} can be scaled")
        if self.width != 1 and self.weights == "imagenet":
            raise ValueError("ImageNet weights fit a trunk of width 1 only")


def build_trunk(trunk: Trunk, shape: tuple[int, ...], channels: Channels) -> keras.Model:
    """Build the network of a trunk, with random weights.

    Args:
        trunk: The description.
        shape: The shape of a slice, `Recipe.shape`.
        channels: The recipe's channel convention.

    Returns:
        The network: slices `[n, H, W]` in 0..1 (`[n, H, W, 2]` with a mask) -> features `[n, h, w, C]`.

    Raises:
        ValueError: For a layer that the trunk doesn't have, and for ImageNet weights with another channel convention
            than theirs.
    """
    published = "caffe" if trunk.name in APPLICATIONS else "torch"
    if trunk.weights == "imagenet" and channels != published:
        raise ValueError(f"{trunk.name} with ImageNet weights needs channels {published!r}, not {channels!r}")
    pixels = keras.Input(shape, name="slices")
    names = []
    for layer in _layers(trunk, as_channels(pixels, channels)):
        names.append(layer.name)
        if layer.name == trunk.cut:
            return keras.Model(pixels, layer.output, name=trunk.name)
    raise ValueError(f"{trunk.name} has no layer {trunk.cut!r}; cut it at one of {', '.join(names)}")


def _layers(trunk: Trunk, image: keras.KerasTensor) -> Iterator[keras.Layer]:
    if trunk.name in SCALABLE:
        return SCALABLE[trunk.name](image, trunk.width)
    return application(trunk.name, image)
