"""What a trunk sees of grey slices: the channel conventions of a recipe."""

import keras
import numpy as np

from data_prep.preprocess import Channels

# ImageNet statistics that the pretrained weights expect: torchvision's (RGB in 0..1) and Caffe's (BGR in 0..255).
TORCH_MEAN, TORCH_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CAFFE_MEAN = (103.939, 116.779, 123.68)


def as_channels(pixels: keras.KerasTensor, channels: Channels) -> keras.KerasTensor:
    """Slices `[n, H, W]` in 0..1 -> `[n, H, W, 1]` in -1..1 ("gray") or `[n, H, W, 3]` ("torch", "caffe")."""
    grey = keras.layers.Reshape((*pixels.shape[1:], 1), name="grey")(pixels)
    if channels == "gray":
        return keras.layers.Rescaling(2.0, -1.0, name="centred")(grey)
    three = keras.layers.Concatenate(name="three_channels")([grey] * 3)
    if channels == "torch":
        variance = np.square(TORCH_DEVIATION)
        return keras.layers.Normalization(mean=TORCH_MEAN, variance=variance, name="imagenet")(three)
    bytes_ = keras.layers.Rescaling(255.0, name="bytes")(three)
    return keras.layers.Normalization(mean=CAFFE_MEAN, variance=(1.0,) * 3, name="caffe")(bytes_)
