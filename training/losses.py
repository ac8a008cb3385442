"""What a network is punished for."""

import keras
from keras import ops


def set_loss(allowed: keras.KerasTensor, logits: keras.KerasTensor) -> keras.KerasTensor:
    """Minus the log of the probability that the model gives the label's set of classes, `[B]`.

    allowed: `[B, K]`, 1 for each class in the set. With one class in every set this is cross-entropy.
    """
    excluded = ops.where(allowed > 0, 0.0, -1e9)
    return ops.logsumexp(logits, axis=-1) - ops.logsumexp(logits + excluded, axis=-1)
