"""U-Net: Ronneberger, Fischer, Brox 2015, "U-Net: Convolutional Networks for Biomedical Image Segmentation".

arXiv:1505.04597. As in the paper: two 3x3 convolutions with ReLU at each level, 2x2 max pooling on the way down, twice
the filters at each level, an up-convolution 2x2 that halves the filters, the skip connection joined to it, and a 1x1
convolution at the end. Published: width 64, depth 4.

Otherwise than in the paper:
- Same padding instead of none, so that the output has the input's size. Outside the image everything is zero.
- Batch normalisation after each 3x3 convolution, which has no bias then. The paper has none; most later U-Nets do.
- No dropout at the lowest level.
"""

import keras

from models.segment.networks.architecture import Architecture
from models.segment.networks.blocks import logits, twice


def unet(image: keras.KerasTensor, architecture: Architecture) -> keras.KerasTensor:
    """Logits `[B, H, W, classes]` of images `[B, H, W, channels]`. Width: the filters of the first level."""
    width, depth = architecture.width, architecture.depth
    skips = []
    for level in range(depth):
        image = twice(image, width * 2**level, f"down{level}")
        skips.append(image)
        image = keras.layers.MaxPooling2D(2, name=f"down{level}_pool")(image)
    image = twice(image, width * 2**depth, "bottom")
    for level in reversed(range(depth)):
        filters = width * 2**level
        up = keras.layers.Conv2DTranspose(filters, 2, 2, kernel_initializer="he_normal", name=f"up{level}_grow")(image)
        image = keras.layers.Concatenate(name=f"up{level}_join")([skips[level], up])
        image = twice(image, filters, f"up{level}")
    return logits(image, architecture.classes)
