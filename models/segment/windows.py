"""Stand-in until the networks' windows are merged."""

import keras
import numpy as np
from keras import ops

from data_prep.volume import FloatArray
from models.segment.networks.architecture import Architecture


def logits(network: keras.Model, architecture: Architecture, given: FloatArray) -> FloatArray:
    """[S,H,W,C] -> [S,H,W,classes]."""
    return np.concatenate(
        [ops.convert_to_numpy(network(given[i : i + 4], training=False)) for i in range(0, len(given), 4)]
    )
