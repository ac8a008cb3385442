import keras
import numpy as np
import pytest

from models.trunks import Trunk, build_trunk, load_imagenet
from models.trunks.channels import TORCH_DEVIATION, TORCH_MEAN

pytestmark = pytest.mark.slow

# Two ways of adding up the same products in float32 differ by less than this, relative to the largest feature.
ROUNDING = 1e-4


def difference(ours: keras.KerasTensor, expected: np.ndarray | keras.KerasTensor) -> float:
    """The largest one, relative to the largest feature."""
    ours, expected = np.array(ours), np.array(expected)
    assert ours.shape == expected.shape
    return np.abs(ours - expected).max() / np.abs(expected).max()


def grey(size: tuple[int, int]) -> np.ndarray:
    """Two slices of noise in 0..1."""
    return np.random.default_rng(0).random((2, *size), np.float32)


def convolve(image: np.ndarray, kernel: np.ndarray, bias: np.ndarray, stride: int = 1, padding: int = 0) -> np.ndarray:
    """A plain convolution with ReLU, written from its definition: image `[H, W, C]`, kernel `[k, k, C, F]`."""
    image = np.pad(image, ((padding, padding), (padding, padding), (0, 0)))
    size = kernel.shape[0]
    windows = np.lib.stride_tricks.sliding_window_view(image, (size, size), axis=(0, 1))[::stride, ::stride]
    return np.maximum(np.einsum("hwcij,ijcf->hwf", windows, kernel, optimize=True) + bias, 0)


def pool(image: np.ndarray, ceil_mode: bool = False) -> np.ndarray:
    """Maxima of 3 x 3 with stride 2; `ceil_mode` as in PyTorch: a last window may hang over the edge."""
    over = [(length - 3) % 2 if ceil_mode else 0 for length in image.shape[:2]]
    image = np.pad(image, ((0, over[0]), (0, over[1]), (0, 0)), constant_values=-np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(image, (3, 3), axis=(0, 1))[::2, ::2]
    return windows.max(axis=(-2, -1))


def alexnet_by_definition(image: np.ndarray, arrays: dict[str, np.ndarray]) -> np.ndarray:
    for layer, (stride, padding) in enumerate([(4, 2), (1, 2), (1, 1), (1, 1), (1, 1)], start=1):
        image = convolve(image, arrays[f"conv{layer}_kernel"], arrays[f"conv{layer}_bias"], stride, padding)
        if layer in (1, 2, 5):
            image = pool(image)
    return image


def squeezenet_by_definition(image: np.ndarray, arrays: dict[str, np.ndarray]) -> np.ndarray:
    """By the places that torchvision's `features` give their modules: a pool at 2, 5 and 8."""

    def conv(name: str, image: np.ndarray, **options: int) -> np.ndarray:
        return convolve(image, arrays[f"{name}_weight"], arrays[f"{name}_bias"], **options)

    image = conv("0", image, stride=2)
    for index in range(2, 13):
        if index in (2, 5, 8):
            image = pool(image, ceil_mode=True)
        else:
            squeezed = conv(f"{index}_squeeze", image)
            wide = conv(f"{index}_expand1x1", squeezed), conv(f"{index}_expand3x3", squeezed, padding=1)
            image = np.concatenate(wide, axis=-1)
    return image


@pytest.mark.weights
@pytest.mark.parametrize(
    ("trunk", "file", "definition"),
    [
        (Trunk("alexnet", "pool5", "imagenet"), "alexnet_imagenet_features.npz", alexnet_by_definition),
        (Trunk("squeezenet", "fire9", "imagenet"), "squeezenet1_1_imagenet_features.npz", squeezenet_by_definition),
    ],
    ids=["alexnet", "squeezenet"],
)
# After SqueezeNet's first layer: rows even, so that a window hangs over the edge, and columns odd; then the reverse.
@pytest.mark.parametrize("size", [(69, 64), (96, 81)])
def test_a_trunk_with_imagenet_weights_equals_its_definition(
    weights_folder, monkeypatch, trunk, file, definition, size
):
    monkeypatch.setenv("CRUCIATE_WEIGHTS", str(weights_folder))
    network = build_trunk(trunk, size, "torch")
    load_imagenet(network, trunk)
    planes = grey(size)
    with np.load(weights_folder / file) as arrays:
        expected = [definition((plane[..., None] - TORCH_MEAN) / TORCH_DEVIATION, arrays) for plane in planes]
    assert difference(network(planes), expected) < ROUNDING


@pytest.mark.weights
def test_vgg16_with_imagenet_weights_equals_keras_own(weights_folder, monkeypatch):
    monkeypatch.setenv("CRUCIATE_WEIGHTS", str(weights_folder))
    trunk = Trunk("vgg16", "block5_conv3", "imagenet")
    ours = build_trunk(trunk, (64, 48), "caffe")
    load_imagenet(ours, trunk)
    path = weights_folder / "vgg16_imagenet_notop.weights.h5"
    whole = keras.applications.VGG16(include_top=False, weights=str(path), input_shape=(64, 48, 3))
    theirs = keras.Model(whole.input, whole.get_layer("block5_conv3").output)
    colour = np.repeat(255 * grey((64, 48))[..., None], 3, axis=-1)
    assert difference(ours(grey((64, 48))), theirs(keras.applications.vgg16.preprocess_input(colour))) < ROUNDING


@pytest.mark.parametrize(
    ("trunk", "theirs"),
    [
        (Trunk("vgg19", "block5_pool"), keras.applications.VGG19),
        (Trunk("resnet50", "conv5_block3_out"), keras.applications.ResNet50),
    ],
    ids=["vgg19", "resnet50"],
)
def test_a_whole_trunk_is_the_network_that_keras_has(trunk, theirs):
    ours = build_trunk(trunk, (64, 48), "caffe")
    theirs = theirs(include_top=False, weights=None, input_shape=(64, 48, 3))
    theirs.set_weights(ours.get_weights())
    colour = np.repeat(255 * grey((64, 48))[..., None], 3, axis=-1)
    assert difference(ours(grey((64, 48))), theirs(keras.applications.resnet50.preprocess_input(colour))) < ROUNDING


@pytest.mark.parametrize(
    ("trunk", "size", "grid"),
    [
        (Trunk("alexnet", "pool5"), 224, (6, 6, 256)),
        (Trunk("alexnet", "pool5"), 256, (7, 7, 256)),
        (Trunk("squeezenet", "fire9"), 224, (13, 13, 512)),
        (Trunk("squeezenet", "fire9", width=0.25), 256, (15, 15, 128)),
        (Trunk("vgg16", "block4_conv3"), 224, (28, 28, 512)),
        (Trunk("vgg19", "block5_pool"), 224, (7, 7, 512)),
        (Trunk("resnet50", "conv4_block6_out"), 224, (14, 14, 1024)),
    ],
    ids=lambda value: value.name if isinstance(value, Trunk) else str(value),
)
def test_a_trunk_has_the_published_grid(trunk, size, grid):
    assert build_trunk(trunk, (size, size), "torch").output_shape == (None, *grid)


def test_channel_conventions():
    """What a network sees of black and white, told by a trunk that is nothing but its first layers."""
    plane = np.stack([np.zeros((63, 63)), np.ones((63, 63))]).astype(np.float32)
    seen = {}
    for channels in ("gray", "torch", "caffe"):
        network = build_trunk(Trunk(cut="pad1"), (63, 63), channels)
        seen[channels] = np.array(network(plane))[:, 10, 10]
    assert seen["gray"].tolist() == [[-1], [1]]
    assert seen["torch"] == pytest.approx((np.array([[0.0] * 3, [1.0] * 3]) - TORCH_MEAN) / TORCH_DEVIATION, abs=1e-5)
    assert seen["caffe"] == pytest.approx(np.array([[0.0] * 3, [255.0] * 3]) - (103.939, 116.779, 123.68), abs=1e-3)


def test_random_weights_take_a_single_channel():
    network = build_trunk(Trunk("vgg16", "block1_conv1"), (32, 32), "gray")
    assert network.get_layer("block1_conv1").kernel.shape == (3, 3, 1, 64)


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("alexnet", "pad1, conv1", "pool5"),
        ("squeezenet", "conv1, pool1_pad", "fire9"),
        ("vgg16", "block1_conv1, block1_conv2", "block5_pool"),
        ("resnet50", "conv1_pad, conv1_conv", "conv5_block3_out"),
    ],
)
def test_an_unknown_layer_is_answered_with_those_there_are(name, first, last):
    with pytest.raises(ValueError, match=f"{name} has no layer 'conv9'; cut it at one of {first}, .*, {last}$"):
        build_trunk(Trunk(name, "conv9"), (63, 63), "gray")


@pytest.mark.parametrize(("name", "needed", "other"), [("alexnet", "torch", "caffe"), ("vgg16", "caffe", "gray")])
def test_imagenet_weights_have_one_channel_convention(name, needed, other):
    with pytest.raises(ValueError, match=f"{name} with ImageNet weights needs channels '{needed}'.*not '{other}'"):
        build_trunk(Trunk(name, weights="imagenet"), (63, 63), other)


def test_what_cannot_be_scaled_says_so():
    with pytest.raises(ValueError, match="vgg16 has width 1 only; alexnet and squeezenet can be scaled"):
        Trunk("vgg16", width=0.5)
    with pytest.raises(ValueError, match="ImageNet weights fit a trunk of width 1 only"):
        Trunk("squeezenet", weights="imagenet", width=0.5)
