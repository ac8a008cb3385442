"""VGG16 and VGG19 (Simonyan 2014, arXiv:1409.1556) and ResNet50 (He 2015, arXiv:1512.03385) from keras.applications."""

from collections.abc import Callable, Iterator

import keras

APPLICATIONS: dict[str, Callable[..., keras.Model]] = {
    "vgg16": keras.applications.VGG16,
    "vgg19": keras.applications.VGG19,
    "resnet50": keras.applications.ResNet50,
}


def application(name: str, image: keras.KerasTensor) -> Iterator[keras.Layer]:
    """The convolutional layers under Keras' names, applied to `image` `[n, H, W, C]`, with random weights."""
    network = APPLICATIONS[name](include_top=False, weights=None, input_tensor=image)
    before = keras.Model(network.inputs, image).layers
    return (layer for layer in network.layers if layer not in before)
