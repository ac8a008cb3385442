"""A segmenter with weights set by hand: the ligament is where the block is brightest. So every mask is known."""

import keras
import numpy as np

from data_prep.network_input.recipe import Recipe
from models.segment.networks.architecture import Architecture
from models.segment.networks.registry import build
from models.segment.plausible import Plausible
from models.segment.recipe import SegmentRecipe
from models.segment.segmenter import Segmenter

PROVENANCE = {
    "trained_on": "synthetic",
    "trained_at": "2026-11-30",
    "exams": {},
    "seed": 1,
    "commit": "none",
    "command": "none",
}
# Whole slices of 64 x 64 mm at 1 mm a pixel. The brightest voxel is 1.
RECIPE = SegmentRecipe(Recipe((1000.0, 64.0, 64.0), (64, 64), window=(0.0, 100.0)), assumed_mm=64.0)
UNET = Architecture("unet", width=2, depth=1)
# A 3D network needs some slices.
UNET3D = Architecture("unet3d", width=2, depth=2)


def bright(
    architecture: Architecture = UNET,
    structures: tuple[str, ...] = ("acl",),
    plausible: Plausible | None = None,
    recipe: SegmentRecipe = RECIPE,
    level: float = 0.75,
) -> Segmenter:
    """Every pixel above `level` is the first structure, with a probability that is 0.5 at `level` and near 1 at 1."""
    network = build(architecture)
    for layer in network.layers:
        if isinstance(layer, keras.layers.Conv2DTranspose):  # nothing from below
            layer.set_weights([np.zeros_like(weight) for weight in layer.get_weights()])
        elif isinstance(layer, keras.layers.Conv2D):
            kernel, *bias = (np.zeros_like(weight) for weight in layer.get_weights())
            if layer.name == "logits":
                kernel[0, 0, 0, 1], bias[0][1] = 40, -40 * level
            else:  # the first channel goes through
                kernel[1, 1, :, 0] = 1
            layer.set_weights([kernel, *bias])
    return Segmenter(architecture, recipe, structures, network, plausible=plausible, provenance=PROVENANCE)
