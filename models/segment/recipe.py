"""From an image or volume to what a segmenter is given, and from labels to what it shall answer.

The block is the one of `data_prep.network_input.crop`. A segmenter may have several channels, each the same block with
other filters: SE-RegUNet's are unsharp masking and CLAHE with two clip limits.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from data_prep.network_input.crop import Spacing, crop
from data_prep.network_input.footprint import Footprint
from data_prep.network_input.recipe import Recipe
from data_prep.ranges import FromZero, Positive
from data_prep.volume import FloatArray

# The distance of slices whose spacing isn't known. Protocols of the knee have 3 to 4 mm.
ASSUMED_SLICE_MM = 3.5


@dataclass(frozen=True)
class Filter:
    """What one channel of the input goes through.

    Attributes:
        clahe_clip: As `Recipe.clahe_clip`; 0 switches it off.
        unsharp: As `Recipe.unsharp`; 0 switches it off.
    """

    clahe_clip: FromZero = 0.0
    unsharp: FromZero = 0.0


@dataclass(frozen=True)
class SegmentRecipe:
    """How a segmenter's input is made.

    Attributes:
        recipe: The block and its size. `extent_mm` such as (1000, 160, 160) takes every slice. Its `channels` isn't
            used: a segmenter's values are in 0..1.
        filters: One for each channel; none for a single channel with the recipe's own filters.
        assumed_mm: The width in mm that an image of unknown pixel size is taken to show, along its longer side.
    """

    recipe: Recipe
    filters: tuple[Filter, ...] = ()
    assumed_mm: Positive = 160.0

    @property
    def channels(self) -> int:
        """How many channels the input has."""
        return max(len(self.filters), 1)

    def spacing_mm(self, shape: tuple[int, ...]) -> Spacing:
        """The spacing that a volume `[S, R, C]` of unknown pixel size is taken to have."""
        pixel = self.assumed_mm / max(shape[1:])
        return ASSUMED_SLICE_MM, pixel, pixel


def inputs(voxels: FloatArray, spacing_mm: Spacing | None, recipe: SegmentRecipe) -> tuple[FloatArray, Footprint]:
    """Make a segmenter's input.

    Args:
        voxels: Float32 `[S, R, C]`.
        spacing_mm: Distance between neighbouring slices, rows and columns; None if the pixel size isn't known.
        recipe: How.

    Returns:
        Float32 `[s, H, W, channels]` in 0..1, and where it lies in the volume.

    Raises:
        UnsuitableStudy: The block would have too many pixels.
    """
    spacing = spacing_mm or recipe.spacing_mm(voxels.shape)
    plain = recipe.recipe
    filters = recipe.filters or (Filter(plain.clahe_clip, plain.unsharp),)
    recipes = [replace(plain, clahe_clip=one.clahe_clip, unsharp=one.unsharp) for one in filters]
    crops = [crop(voxels, spacing, one) for one in recipes]
    return np.stack([one.slices for one in crops], axis=-1), crops[0].footprint


def targets(labels: npt.NDArray[np.uint8], footprint: Footprint, recipe: SegmentRecipe) -> npt.NDArray[np.uint8]:
    """What a segmenter shall answer: each pixel of the input has the label of the voxel that holds its centre.

    Args:
        labels: `[S, R, C]`, in the volume's voxels.
        footprint: Of the input, as `inputs` gives it.
        recipe: The same as for the input.

    Returns:
        `[s, H, W]`; 0 (background) outside of the image.
    """
    return footprint.labels(labels, recipe.recipe.size)
