"""Losses. Labels are sets of classes: `allowed` `[B, K]`, 1 for each class in the set.

Every loss is `[B]`, in float32 for logits of any precision, and 0 for a label that allows every class.
"""

from collections.abc import Callable

import keras
import numpy as np
from keras import ops

# The exponent of the focal loss: how quickly the weight of well predicted exams falls. The paper's best value.
FOCUS = 2.0

Loss = Callable[[keras.KerasTensor, keras.KerasTensor], keras.KerasTensor]


def set_loss(allowed: keras.KerasTensor, logits: keras.KerasTensor) -> keras.KerasTensor:
    """Minus the log of the probability that the model gives the label's set of classes, `[B]`.

    -log(sum of p_k over the set). With one class in every set this is cross-entropy.
    """
    logits = ops.cast(logits, "float32")
    excluded = ops.where(allowed > 0, 0.0, -1e9)
    return ops.logsumexp(logits, axis=-1) - ops.logsumexp(logits + excluded, axis=-1)


def focal_loss(allowed: keras.KerasTensor, logits: keras.KerasTensor) -> keras.KerasTensor:
    """-(1 - p)^2 log(p) for the probability p of the set: easy exams count little (Lin 2017, arXiv:1708.02002)."""
    loss = set_loss(allowed, logits)
    return (1 - ops.exp(-loss)) ** FOCUS * loss


def ordinal_loss(allowed: keras.KerasTensor, logits: keras.KerasTensor) -> keras.KerasTensor:
    """A loss that is larger for classes farther from the truth: a yes-or-no question for each step between classes.

    The sum over k = 1..K-1 of the cross-entropy of "is the class at least k?", where P(at least k) is the sum of the
    softmax from k upwards (McCullagh 1980, doi:10.1111/j.2517-6161.1980.tb01109.x; questions as in Niu 2016,
    doi:10.1109/CVPR.2016.532). A question is left out if the label allows classes on both sides of it. With two classes
    this is `set_loss`.
    """
    total = 0.0
    for above in np.tri(allowed.shape[-1], k=-1, dtype=np.float32).T[:-1]:
        some_above = ops.max(allowed * above, axis=-1, keepdims=True)
        some_below = ops.max(allowed * (1 - above), axis=-1, keepdims=True)
        total = total + set_loss(some_above * above + some_below * (1 - above), logits)
    return total


LOSSES: dict[str, Loss] = {"set": set_loss, "focal": focal_loss, "ordinal": ordinal_loss}
