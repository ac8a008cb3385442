"""3D U-Net: Çiçek 2016, "3D U-Net: Learning Dense Volumetric Segmentation from Sparse Annotation" (arXiv:1606.06650).

As in the paper: two 3x3x3 convolutions with batch normalisation and ReLU at each level, of which the second has twice
the filters of the first, so that filters are doubled before each max pooling; up-convolutions 2x2x2 that keep the
number of channels; skip connections; a 1x1x1 convolution at the end. Published: width 32, depth 3, isotropic, with
19,069,955 parameters, to which the scales of batch normalisation come. MedicalZoo's networks begin with 8 filters. Same
padding instead of none.

The variant "anisotropic" is for 18 to 40 slices that are several times as thick as a pixel is wide. Its first two
levels don't reach other slices: kernels are 1x3x3, pooling and up-convolutions 1x2x2. Below them, a pixel is about as
wide as a slice is thick. Isensee 2021 (doi:10.1038/s41592-020-01008-z) adapts kernels to the spacing in this way.
"""

import keras

from models.segment.networks.architecture import FLAT_LEVELS, Architecture
from models.segment.networks.blocks import convolution, logits


def unet3d(volume: keras.KerasTensor, architecture: Architecture) -> keras.KerasTensor:
    """Logits `[B, S, H, W, classes]` of volumes `[B, S, H, W, channels]`. Width: the first convolution's filters."""
    width, depth = architecture.width, architecture.depth
    flat = FLAT_LEVELS if architecture.chosen == "anisotropic" else 0
    skips = []
    for level in range(depth):
        filters = width * 2**level
        volume = _level(volume, (filters, 2 * filters), level < flat, f"down{level}")
        skips.append(volume)
        volume = keras.layers.MaxPooling3D(_step(level < flat), name=f"down{level}_pool")(volume)
    volume = _level(volume, (width * 2**depth, width * 2 ** (depth + 1)), depth < flat, "bottom")
    for level in reversed(range(depth)):
        step, filters = _step(level < flat), width * 2 ** (level + 1)
        grow = keras.layers.Conv3DTranspose(
            volume.shape[-1], step, step, use_bias=False, kernel_initializer="he_normal", name=f"up{level}_grow"
        )
        volume = keras.layers.Concatenate(name=f"up{level}_join")([skips[level], grow(volume)])
        volume = _level(volume, (filters, filters), level < flat, f"up{level}")
    return logits(volume, architecture.classes)


def _step(flat: bool) -> tuple[int, int, int]:
    return (1 if flat else 2, 2, 2)


def _level(volume: keras.KerasTensor, filters: tuple[int, int], flat: bool, name: str) -> keras.KerasTensor:
    for index, count in enumerate(filters, start=1):
        volume = convolution(volume, count, (1 if flat else 3, 3, 3), f"{name}_conv{index}")
    return volume
