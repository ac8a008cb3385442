"""Losses of masks. `target` holds class numbers, float32 `[B, ..., H, W]`, and -1 for pixels whose class isn't known.

`logits` are `[B, ..., H, W, classes]`; class 0 is the background, the others are structures. Every loss is `[B]`, in
float32 for logits of any precision. Unknown pixels count nothing; an example without a known pixel has loss 0.
"""

import keras
from keras import ops

from training.fitting.losses import FOCUS, Loss

# Of the U-Net paper (arXiv:1505.04597, equation 2): how much more a border counts, and how wide it is, in pixels.
BORDER_WEIGHT = 10.0
BORDER_SIGMA = 5.0
# Farther away from a border than three sigmas the added weight would be less than 0.12.
BORDER_REACH = 15
# Added above and below Dice's fraction line, in pixels: a structure that is neither there nor predicted has loss 0, and
# one that is predicted where there is none has a gradient.
SMOOTH = 1.0
FAR = 1e6


def cross_entropy(target: keras.KerasTensor, logits: keras.KerasTensor) -> keras.KerasTensor:
    """The mean cross-entropy of the known pixels, `[B]`."""
    return _mean(_pixel_entropy(target, logits), _known(target))


def boundary(target: keras.KerasTensor, logits: keras.KerasTensor) -> keras.KerasTensor:
    """Cross-entropy in which pixels near a border count more, `[B]`: the mean weighted by `border_weights`."""
    return _mean(_pixel_entropy(target, logits), _known(target) * border_weights(target))


def focal(target: keras.KerasTensor, logits: keras.KerasTensor) -> keras.KerasTensor:
    """The mean of -(1 - p)^2 log(p), p the probability of a pixel's class, `[B]` (Lin 2017, arXiv:1708.02002)."""
    pixels = keras.losses.categorical_focal_crossentropy(
        _one_hot(target, logits.shape[-1]), ops.cast(logits, "float32"), alpha=1.0, gamma=FOCUS, from_logits=True
    )
    return _mean(pixels, _known(target))


def dice(target: keras.KerasTensor, logits: keras.KerasTensor) -> keras.KerasTensor:
    """1 minus the mean Dice of the structures, `[B]` (Milletari 2016, arXiv:1606.04797, with squares left out).

    All pixels of an example, in all its slices, are counted together. Keras' own Dice isn't used because it has no
    gradient where a structure is missing.
    """
    known = _known(target)[..., None]
    structures = _one_hot(target, logits.shape[-1])[..., 1:] * known
    predicted = ops.softmax(ops.cast(logits, "float32"))[..., 1:] * known
    axes = tuple(range(1, len(target.shape)))
    both = ops.sum(structures * predicted, axis=axes)
    either = ops.sum(structures, axis=axes) + ops.sum(predicted, axis=axes)
    return ops.mean(1 - (2 * both + SMOOTH) / (either + SMOOTH), axis=-1) * ops.max(known, axis=(*axes, -1))


def bce_dice(target: keras.KerasTensor, logits: keras.KerasTensor) -> keras.KerasTensor:
    """Binary cross-entropy plus Dice, `[B]`.

    The cross-entropy is that of "is it this structure?", with the softmax's probability, averaged over structures.
    """
    structures = _one_hot(target, logits.shape[-1])[..., 1:]
    pixels = keras.losses.binary_crossentropy(structures, ops.softmax(ops.cast(logits, "float32"))[..., 1:])
    return _mean(pixels, _known(target)) + dice(target, logits)


def border_weights(target: keras.KerasTensor) -> keras.KerasTensor:
    """The weight of each pixel, as `target`: 1 + 10 exp(-d^2 / (2 * 5^2)), d the distance to the nearest border.

    Otherwise than in the U-Net paper: d is the distance to one border instead of the sum of those to the two nearest
    cells, because a knee has one ligament where their images have many cells that touch. The weights that balance the
    classes are 1. A border's pixels are those on both sides of it, where known neighbours above, below, left or right
    have another class. Distances are within the slice, and exact up to three sigmas.

    A Gaussian of the distance is a product of one along rows and one along columns, and d^2 = 1 + 3 + 5 + ...: each
    step of the loop goes one pixel further.
    """
    *before, rows, columns = ops.shape(target)
    slices = ops.reshape(target, (-1, rows, columns, 1))
    near = _borders(slices)
    for window in ((3, 1), (1, 3)):
        for step in range(1, BORDER_REACH + 1):
            fall = ops.exp(ops.cast((1 - 2 * step) / (2 * BORDER_SIGMA**2), "float32"))
            near = ops.maximum(near, fall * ops.max_pool(near, window, 1, "same"))
    return 1 + BORDER_WEIGHT * ops.reshape(near, (*before, rows, columns))


def _borders(slices: keras.KerasTensor) -> keras.KerasTensor:
    """1 where a known neighbour has another class, otherwise 0: `[N, H, W, 1]` of classes `[N, H, W, 1]`."""
    known = slices >= 0
    differs = ops.zeros_like(known)
    for window in ((3, 1), (1, 3)):
        highest = ops.max_pool(ops.where(known, slices, -FAR), window, 1, "same")
        lowest = -ops.max_pool(ops.where(known, -slices, -FAR), window, 1, "same")
        differs = ops.logical_or(differs, highest > lowest)
    return ops.cast(ops.logical_and(known, differs), "float32")


def _pixel_entropy(target: keras.KerasTensor, logits: keras.KerasTensor) -> keras.KerasTensor:
    """The cross-entropy of each pixel, as `target`; 0 where the class isn't known."""
    return keras.losses.sparse_categorical_crossentropy(
        target, ops.cast(logits, "float32"), from_logits=True, ignore_class=-1
    )


def _known(target: keras.KerasTensor) -> keras.KerasTensor:
    return ops.cast(target >= 0, "float32")


def _one_hot(target: keras.KerasTensor, classes: int) -> keras.KerasTensor:
    """`[..., classes]`; the background for unknown pixels."""
    return ops.one_hot(ops.cast(ops.maximum(target, 0), "int32"), classes, dtype="float32")


def _mean(pixels: keras.KerasTensor, weights: keras.KerasTensor) -> keras.KerasTensor:
    """The weighted mean of each example's pixels, `[B]`; 0 if no pixel has a weight."""
    axes = tuple(range(1, len(weights.shape)))
    return ops.sum(pixels * weights, axis=axes) / ops.maximum(ops.sum(weights, axis=axes), keras.config.epsilon())


MASK_LOSSES: dict[str, Loss] = {
    "cross-entropy": cross_entropy,
    "dice": dice,
    "bce-dice": bce_dice,
    "boundary": boundary,
    "focal": focal,
}
