import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import distance_transform_edt
from scipy.special import log_softmax, softmax
from sklearn.metrics import log_loss

from training.fitting.mask_losses import BORDER_REACH, BORDER_SIGMA, BORDER_WEIGHT, MASK_LOSSES, border_weights

pytestmark = pytest.mark.slow

losses = pytest.mark.parametrize("name", MASK_LOSSES)
CLASSES = 3
# float32 against float64.
ROUNDING = 1e-5


def example(seed: int = 0, shape: tuple[int, ...] = (2, 3, 8, 6)) -> tuple[np.ndarray, np.ndarray]:
    """Masks with unknown pixels, and logits."""
    random = np.random.default_rng(seed)
    target = random.integers(-1, CLASSES, shape).astype(np.float32)
    return target, random.normal(0, 2, (*shape, CLASSES)).astype(np.float32)


def value(name: str, target: np.ndarray, logits: np.ndarray) -> np.ndarray:
    return np.array(MASK_LOSSES[name](target, logits))


def of_known(target: np.ndarray, logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Classes and logits of an example's known pixels."""
    return target[target >= 0].astype(int), logits[target >= 0].astype(float)


@losses
@pytest.mark.parametrize("shape", [(2, 8, 6), (3, 2, 8, 6)], ids=["slices", "volumes"])
def test_one_loss_for_each_example(name, shape):
    loss = MASK_LOSSES[name](*example(shape=shape))
    assert tuple(loss.shape) == shape[:1]
    assert keras.backend.standardize_dtype(loss.dtype) == "float32"


def test_cross_entropy_is_scikit_learns():
    target, logits = example()
    expected = []
    for masks, scores in zip(target, logits, strict=True):
        classes, known = of_known(masks, scores)
        expected.append(log_loss(classes, softmax(known, axis=-1), labels=range(CLASSES)))
    assert value("cross-entropy", target, logits) == pytest.approx(expected, rel=ROUNDING)


def test_focal_loss_by_its_definition():
    target, logits = example()
    expected = []
    for masks, scores in zip(target, logits, strict=True):
        classes, known = of_known(masks, scores)
        log = log_softmax(known, axis=-1)[np.arange(len(classes)), classes]
        expected.append(-((1 - np.exp(log)) ** 2 * log).mean())
    assert value("focal", target, logits) == pytest.approx(expected, rel=ROUNDING)


def test_dice_worked_out_by_hand():
    """Four pixels: structure 1 is there once, structure 2 twice; each pixel has the probabilities below."""
    shares = np.array([[0.2, 0.6, 0.2], [0.1, 0.1, 0.8], [0.5, 0.1, 0.4], [0.7, 0.2, 0.1]])
    target = np.array([[[1.0, 2.0], [2.0, 0.0]]])
    first = (2 * 0.6 + 1) / (1 + 1.0 + 1)  # predicted: 0.6 + 0.1 + 0.1 + 0.2
    second = (2 * (0.8 + 0.4) + 1) / (2 + 1.5 + 1)  # predicted: 0.2 + 0.8 + 0.4 + 0.1
    logits = np.log(shares).reshape(1, 2, 2, 3)
    assert value("dice", target, logits) == pytest.approx([1 - (first + second) / 2], rel=ROUNDING)


def test_dice_of_large_structures_is_keras_own():
    """The pixel that is added to both sides of the fraction hardly counts then."""
    target, logits = example(shape=(2, 200, 200))
    target = np.maximum(target, 0)
    structures = np.eye(CLASSES, dtype=np.float32)[target.astype(int)][..., 1:]
    expected = keras.losses.dice(structures, softmax(logits, axis=-1)[..., 1:], axis=(1, 2))
    assert value("dice", target, logits) == pytest.approx(np.array(expected).mean(axis=-1), abs=1e-4)


def test_bce_dice_is_the_sum_of_scikit_learns_log_loss_and_dice():
    target, logits = example()
    expected = []
    for masks, scores in zip(target, logits, strict=True):
        classes, known = of_known(masks, scores)
        expected.append(np.mean([log_loss(classes == k, softmax(known, axis=-1)[:, k]) for k in range(1, CLASSES)]))
    expected += value("dice", target, logits)
    assert value("bce-dice", target, logits) == pytest.approx(expected, rel=1e-4)


def borders(mask: np.ndarray) -> np.ndarray:
    """Pixels with a known neighbour of another class above, below, left or right."""
    found = np.zeros(mask.shape, bool)
    for axis in (0, 1):
        for step in (-1, 1):
            beside = np.roll(mask, step, axis)
            differs = (beside != mask) & (beside >= 0) & (mask >= 0)
            edge: list[slice | int] = [slice(None), slice(None)]
            edge[axis] = 0 if step == 1 else -1
            differs[tuple(edge)] = False  # np.roll brings the other end
            found |= differs
    return found


@settings(max_examples=20)
@given(seed=st.integers(0, 1000), unknown=st.booleans())
def test_border_weights_are_those_of_scipys_distances(seed, unknown):
    random = np.random.default_rng(seed)
    mask = np.zeros((40, 48), np.float32)
    for structure in (1, 2):
        row, column, height, width = random.integers((0, 0, 2, 2), (30, 38, 12, 12))
        mask[row : row + height, column : column + width] = structure
    if unknown:
        mask[:, : random.integers(1, 20)] = -1
    if not borders(mask).any():
        return
    distance = distance_transform_edt(~borders(mask))
    expected = 1 + BORDER_WEIGHT * np.exp(-(distance**2) / (2 * BORDER_SIGMA**2))
    weights = np.array(border_weights(mask[None, None]))[0, 0]
    near = distance <= BORDER_REACH
    assert weights[near] == pytest.approx(expected[near], rel=1e-4)
    assert (weights[~near] < 1.12).all()


def test_a_slice_without_a_border_has_weights_of_1():
    assert np.array(border_weights(np.ones((1, 2, 9, 7), np.float32))).tolist() == np.ones((1, 2, 9, 7)).tolist()


def test_borders_are_those_within_a_slice():
    volume = np.stack([np.zeros((5, 5)), np.ones((5, 5))]).astype(np.float32)[None]
    assert np.array(border_weights(volume)).max() == 1


def test_the_boundary_loss_is_the_weighted_mean_of_the_entropy():
    target, logits = example(3, (2, 9, 9))
    weights = np.array(border_weights(target)) * (target >= 0)
    log = np.take_along_axis(log_softmax(logits, axis=-1), np.maximum(target, 0).astype(int)[..., None], -1)[..., 0]
    expected = -(weights * log).sum(axis=(1, 2)) / weights.sum(axis=(1, 2))
    assert value("boundary", target, logits) == pytest.approx(expected, rel=ROUNDING)


@losses
@settings(max_examples=15)
@given(seed=st.integers(0, 1000))
def test_unknown_pixels_do_not_matter(name, seed):
    target, logits = example(seed)
    others = np.random.default_rng(seed + 1).normal(0, 50, logits.shape).astype(np.float32)
    changed = np.where((target < 0)[..., None], others, logits)
    assert value(name, target, changed) == pytest.approx(value(name, target, logits), rel=ROUNDING)


@losses
def test_an_example_without_a_known_pixel_costs_nothing(name):
    target, logits = example()
    target[0] = -1
    loss = value(name, target, logits)
    assert loss[0] == 0
    assert loss[1] > 0


@losses
def test_a_perfect_prediction_costs_nearly_nothing_and_a_wrong_one_much(name):
    target = example()[0]
    right = 20 * np.eye(CLASSES, dtype=np.float32)[np.maximum(target, 0).astype(int)]
    assert value(name, target, right).max() < 1e-3
    assert value(name, target, -right).min() > 0.5


@losses
def test_a_missing_structure_that_is_not_predicted_costs_nearly_nothing(name):
    target = np.zeros((1, 4, 4), np.float32)
    logits = np.broadcast_to(np.array([20.0, 0, 0], np.float32), (1, 4, 4, CLASSES))
    assert value(name, target, logits).max() < 1e-3


@losses
def test_half_precision_logits_are_summed_in_float32(name):
    target, logits = example()
    loss = MASK_LOSSES[name](target, (1000 * logits).astype(np.float16))
    assert keras.backend.standardize_dtype(loss.dtype) == "float32"
    assert np.isfinite(np.array(loss)).all()


@losses
def test_keras_can_train_with_it(name):
    """A network of one pixel that sees the class: Keras must accept shapes, and the loss must have a gradient."""
    keras.utils.set_random_seed(0)
    target = np.maximum(example()[0], 0)
    image = np.eye(CLASSES, dtype=np.float32)[target.astype(int)]
    network = keras.Sequential([keras.Input((3, 8, 6, CLASSES)), keras.layers.Dense(CLASSES)])
    network.compile(keras.optimizers.Adam(0.2), MASK_LOSSES[name], jit_compile=False)
    history = network.fit(image, target, epochs=15, verbose=0).history["loss"]
    assert history[-1] < history[0] / 2
