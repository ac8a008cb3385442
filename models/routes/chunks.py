"""The trunk's forward pass in chunks of slices, so that its memory doesn't grow with the number of slices.

Keras keeps the output of every layer until a pass is over. VGG16 takes about 100 MB for each slice of 224 x 224 pixels.
"""

import keras
import numpy as np
from keras import ops

from data_prep.volume import FloatArray

# Pixels that go through a trunk at one time: 8 slices of 224 x 224, or 32 of 112 x 112.
CHUNK_PIXELS = 8 * 224 * 224


def forward(trunk: keras.Model, slices: FloatArray) -> FloatArray:
    """The features of slices, without training: float32 `[S, H, W]` -> float32 `[S, h, w, C]`.

    Up to `CHUNK_PIXELS` pixels in all, the result has the same bits as that of one pass; beyond, the last bits may
    differ.
    """
    count = max(CHUNK_PIXELS // (slices.shape[1] * slices.shape[2]), 1)
    parts = [
        ops.convert_to_numpy(trunk(slices[start : start + count], training=False)).astype(np.float32)
        for start in range(0, len(slices), count)
    ]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
