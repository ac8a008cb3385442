"""SE-RegUNet: a RegNetY encoder and a U-shaped decoder with squeeze-and-excitation.

From Scientific Reports 2024, doi:10.1038/s41598-024-57198-5, made for coronary angiograms. The decoder's widths aren't
published. Chosen here:
- Each step up doubles rows and columns by an up-convolution 2x2, joins the encoder's output of that size, and has two
  3x3 convolutions with batch normalisation and ReLU, then squeeze-and-excitation at a quarter of its width.
- The last step, to full resolution, joins the image itself, so that edges needn't pass the stem's stride.
- The decoder has `width` filters at full resolution, and twice as many at each level below: 16, 32, 64, 128, 256 for
  width 16.
- The encoder starts from random weights; ours has no ImageNet weights. Strided convolutions pad as Keras does.
- The paper's input (unsharp masking and CLAHE) is made by the recipe, one channel for each filter.
"""

import keras

from models.segment.networks.architecture import Architecture
from models.segment.networks.blocks import logits, squeeze_excite, twice
from models.segment.networks.regnety import regnety

SQUEEZED = 4


def seregunet(image: keras.KerasTensor, architecture: Architecture) -> keras.KerasTensor:
    """Logits `[B, H, W, classes]` of images `[B, H, W, channels]`.

    Width: the decoder's filters at full resolution. Depth: the encoder's stages that are used, 4 as published.
    """
    levels = [image, *regnety(image, architecture.chosen, architecture.depth)]
    image = levels.pop()
    while levels:
        level = len(levels) - 1
        filters = architecture.width * 2**level
        up = keras.layers.Conv2DTranspose(filters, 2, 2, kernel_initializer="he_normal", name=f"up{level}_grow")(image)
        image = keras.layers.Concatenate(name=f"up{level}_join")([levels.pop(), up])
        image = twice(image, filters, f"up{level}")
        image = squeeze_excite(image, max(filters // SQUEEZED, 1), f"up{level}_se")
    return logits(image, architecture.classes)
