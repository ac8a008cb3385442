"""RegNetY: Radosavovic 2020, "Designing Network Design Spaces" (arXiv:2003.13678), as an encoder.

A stem (3x3 with stride 2, 32 filters) and four stages of blocks. A block is 1x1, 3x3 in groups, squeeze-and-excitation
at a quarter of the block's input width, 1x1, and the block's input is added (after a 1x1 where its shape differs). The
first block of a stage has stride 2. Without the classification head of 1000 classes, 4GF has 19,557,656 parameters that
are trained; 400MF has 3,903,144, and 4,344,144 with it.
"""

from typing import NamedTuple

import keras

from models.segment.networks.blocks import convolution, squeeze_excite

STEM = 32
SQUEEZED = 0.25  # of the block's input width


class Stages(NamedTuple):
    """Blocks and width of each stage; channels of a group."""

    depths: tuple[int, ...]
    widths: tuple[int, ...]
    group: int


STAGES = {
    "4gf": Stages((2, 6, 12, 2), (128, 192, 512, 1088), 64),
    "400mf": Stages((1, 3, 6, 6), (48, 104, 208, 440), 8),
}


def regnety(image: keras.KerasTensor, variant: str, depth: int) -> list[keras.KerasTensor]:
    """The outputs of the stem and of the first `depth` stages: each has half the rows and columns of the one before.

    Args:
        image: `[B, H, W, C]`.
        variant: One of `STAGES`.
        depth: How many stages.
    """
    stages = STAGES[variant]
    outputs = [convolution(image, STEM, 3, "stem", stride=2)]
    for stage, (blocks, width) in enumerate(zip(stages.depths[:depth], stages.widths, strict=False), start=1):
        image = outputs[-1]
        for block in range(1, blocks + 1):
            image = _block(image, width, stages.group, 2 if block == 1 else 1, f"stage{stage}_block{block}")
        outputs.append(image)
    return outputs


def _block(image: keras.KerasTensor, width: int, group: int, stride: int, name: str) -> keras.KerasTensor:
    around, entering = image, image.shape[-1]
    image = convolution(image, width, 1, f"{name}_a")
    image = convolution(image, width, 3, f"{name}_b", stride=stride, groups=width // group)
    image = squeeze_excite(image, round(SQUEEZED * entering), f"{name}_se")
    image = convolution(image, width, 1, f"{name}_c", active=False)
    if stride != 1 or entering != width:
        around = convolution(around, width, 1, f"{name}_around", stride=stride, active=False)
    return keras.layers.ReLU(name=f"{name}_relu")(keras.layers.Add(name=f"{name}_add")([around, image]))
