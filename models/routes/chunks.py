"""The trunk's forward pass in chunks of slices, so that its memory doesn't grow with the number of slices.

Keras keeps the output of every layer until a pass is over: 61 MB for each slice of 224 x 224 pixels in VGG16, 5 MB for
one of 256 x 256 in AlexNet, 149 MB for one of 224 x 224 in ResNet50. With chunks of as many slices as fit, a small
network isn't slowed down by the limit that a large one needs.
"""

import math

import keras
import numpy as np
from keras import ops

from data_prep.volume import FloatArray

# 8 slices of 224 x 224 in VGG16. TensorFlow's own buffers come on top: about 0.6 GB in all.
DEFAULT_MB = 500
BYTES_OF_A_VALUE = 4  # float32

_limit_mb = DEFAULT_MB


def limit_memory(megabytes: int) -> None:
    """Set how many megabytes the outputs of all layers may take, in every forward pass of this process from now on."""
    global _limit_mb  # a choice for the machine, like Keras' backend
    _limit_mb = megabytes


def slices_at_once(trunk: keras.Model) -> int:
    """How many slices a trunk gets at one time; at least one."""
    values = sum(math.prod(layer.output.shape[1:]) for layer in trunk.layers)
    return int(max(_limit_mb * 1_000_000 // (BYTES_OF_A_VALUE * values), 1))


def forward(trunk: keras.Model, slices: FloatArray) -> FloatArray:
    """The features of slices, without training: float32 `[S, H, W]` -> float32 `[S, h, w, C]`.

    For slices that go through the trunk at one time, the result has the same bits as that of one pass; for more, the
    last bits may differ.
    """
    count = slices_at_once(trunk)
    parts = [
        ops.convert_to_numpy(trunk(slices[start : start + count], training=False)).astype(np.float32)
        for start in range(0, len(slices), count)
    ]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
