"""From grey slices to a trunk's input channels: the channel conventions of a recipe."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from data_prep.network_input.recipe import Channels

# ImageNet statistics that the pretrained weights expect: torchvision's (RGB), and Caffe's (BGR, of bytes 0..255).
TORCH_MEAN, TORCH_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CAFFE_MEAN, CAFFE_DEVIATION = tuple(mean / 255 for mean in (103.939, 116.779, 123.68)), (1 / 255,) * 3


def as_channels(pixels: keras.KerasTensor, channels: Channels) -> keras.KerasTensor:
    """Convert slices to a trunk's input channels.

    Args:
        pixels: `[n, H, W]` in 0..1, or `[n, H, W, 2]` with a mask.
        channels: The recipe's convention.

    Returns:
        `[n, H, W, 1]` in -1..1 for "gray", `[n, H, W, 3]` for "torch" and "caffe". With a mask, "gray" has a second
        channel; in three channels the mask replaces the last one, because pretrained weights have no fourth.
    """
    _, height, width, *planes = pixels.shape
    grey = keras.layers.Reshape((height, width, *(planes or [1])), name="grey")(pixels)
    if channels == "gray":
        return keras.layers.Rescaling(2.0, -1.0, name="centred")(grey)
    mean, deviation = (TORCH_MEAN, TORCH_DEVIATION) if channels == "torch" else (CAFFE_MEAN, CAFFE_DEVIATION)
    return InColour(tuple(1 / np.array(deviation)), tuple(-np.array(mean) / deviation), name=channels)(grey)


@keras.saving.register_keras_serializable("cruciate")
class InColour(keras.layers.Layer):  # type: ignore[misc]
    """Makes three channels `[n, H, W, 3]`, each `scale * grey + offset`, from grey `[n, H, W, 1]`.

    Of grey and mask, `[n, H, W, 2]`, the mask makes the last channel.

    It is a convolution, which takes a sixth of the time of copies and arithmetic on them.
    """

    def __init__(self, scale: Sequence[float], offset: Sequence[float], **rest: Any) -> None:
        super().__init__(**rest)
        self.scale, self.offset = tuple(map(float, scale)), tuple(map(float, offset))

    def call(self, grey: keras.KerasTensor) -> keras.KerasTensor:
        sources = np.zeros((grey.shape[-1], len(self.scale)))
        sources[np.minimum([0, 0, 1], grey.shape[-1] - 1), [0, 1, 2]] = self.scale
        kernel = ops.convert_to_tensor(sources[None, None], grey.dtype)
        return ops.conv(grey, kernel) + ops.convert_to_tensor(self.offset, grey.dtype)

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (*shape[:-1], len(self.scale))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "scale": self.scale, "offset": self.offset}
