"""Converts torchvision's ImageNet weights of AlexNet or SqueezeNet 1.1, for presets that start from them.

    python -m models.convert FILE --out FOLDER

FILE is what torchvision publishes (`alexnet-owt-*.pth`, `squeezenet1_1-*.pth`) or the same as `.safetensors`. The
result is written to FOLDER; set CRUCIATE_WEIGHTS to that folder. PyTorch isn't needed, and nothing is unpickled.
"""

import argparse
import shlex
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from data_prep.files import replacing
from models.trunks.pretrained import SQUEEZENET_INDEX, TORCHVISION_FILES
from models.trunks.torch_file import read_tensors

Arrays = dict[str, npt.NDArray[np.float32]]
# Names of AlexNet's convolutions in torchvision's `features`, and their shapes (OIHW).
ALEXNET = {
    "conv1": ("features.0", (64, 3, 11, 11)),
    "conv2": ("features.3", (192, 64, 5, 5)),
    "conv3": ("features.6", (384, 192, 3, 3)),
    "conv4": ("features.8", (256, 384, 3, 3)),
    "conv5": ("features.10", (256, 256, 3, 3)),
}
# Channels of SqueezeNet 1.1's blocks (Iandola 2016, arXiv:1602.07360): of the narrow part and of each wide part.
FIRES = {"fire2": (16, 64), "fire3": (16, 64), "fire4": (32, 128), "fire5": (32, 128)}
FIRES |= {"fire6": (48, 192), "fire7": (48, 192), "fire8": (64, 256), "fire9": (64, 256)}


def squeezenet_layers() -> dict[str, tuple[str, tuple[int, ...]]]:
    """For each layer's name in Cruciate's archive: its name in torchvision's `features` and its kernel's OIHW shape."""
    layers: dict[str, tuple[str, tuple[int, ...]]] = {"0": ("features.0", (64, 3, 3, 3))}
    channels = 64
    for block, (squeezed, expanded) in FIRES.items():
        index = SQUEEZENET_INDEX[block]
        for part, kernel in (
            ("squeeze", (squeezed, channels, 1, 1)),
            ("expand1x1", (expanded, squeezed, 1, 1)),
            ("expand3x3", (expanded, squeezed, 3, 3)),
        ):
            layers[f"{index}_{part}"] = (f"features.{index}.{part}", kernel)
        channels = 2 * expanded
    return layers


def converted(tensors: Mapping[str, npt.NDArray[np.generic]]) -> tuple[str, Arrays]:
    """Convert torchvision's tensors.

    Args:
        tensors: Tensors by name.

    Returns:
        The network's name, and the arrays of Cruciate's archive by name (kernels HWIO).

    Raises:
        ValueError: For tensors of another network.
    """
    tensors = {name.removeprefix("module."): array for name, array in tensors.items()}  # DataParallel adds the prefix
    name = "squeezenet" if any(".squeeze." in key for key in tensors) else "alexnet"
    layers = squeezenet_layers() if name == "squeezenet" else ALEXNET
    kernel_name = "weight" if name == "squeezenet" else "kernel"
    arrays: Arrays = {}
    for ours, (theirs, shape) in layers.items():
        kernel = _tensor(tensors, f"{theirs}.weight", shape)
        arrays[f"{ours}_{kernel_name}"] = np.ascontiguousarray(kernel.transpose(2, 3, 1, 0))
        arrays[f"{ours}_bias"] = _tensor(tensors, f"{theirs}.bias", shape[:1])
    return name, arrays


def _tensor(
    tensors: Mapping[str, npt.NDArray[np.generic]], name: str, shape: tuple[int, ...]
) -> npt.NDArray[np.float32]:
    if name not in tensors:
        raise ValueError(f"it has no {name}, so it is neither torchvision's alexnet nor its squeezenet1_1")
    array = tensors[name]
    if array.shape != shape or array.dtype.kind != "f":
        raise ValueError(f"its {name} is {array.dtype} {list(array.shape)}, not floats {list(shape)}")
    if not np.isfinite(array).all():
        raise ValueError(f"its {name} holds values that aren't finite numbers")
    return array.astype(np.float32)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m models.convert", description=__doc__)
    parser.add_argument("file", type=Path, help="torchvision's .pth, or .safetensors")
    parser.add_argument("--out", type=Path, required=True, help="the folder for CRUCIATE_WEIGHTS")
    options = parser.parse_args(arguments)
    try:
        name, arrays = converted(read_tensors(options.file))
        path = options.out / TORCHVISION_FILES[name]
        with replacing(path) as partial, partial.open("wb") as stream:
            np.savez(stream, allow_pickle=False, **arrays)
    except ValueError as error:
        parser.exit(2, f"{parser.prog}: {options.file.name}: {error}\n")
    except OSError as error:
        parser.exit(2, f"{parser.prog}: {error}\n")
    print(f"{name}'s weights are in {path}\nuse them:  export CRUCIATE_WEIGHTS={shlex.quote(str(options.out))}")


if __name__ == "__main__":
    main()
