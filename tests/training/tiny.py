"""Settings under which a published preset trains in seconds, on any machine; and where its inputs lie."""

from collections.abc import Sequence
from pathlib import Path

from data_prep.prepare.cache import CachedInputs
from data_prep.volume import FloatArray

TINY_TRUNK = [
    'trunk.name="alexnet"',
    'trunk.cut="conv5"',
    'trunk.weights="random"',
    "trunk.width=0.0625",
    'recipe.channels="gray"',
    "recipe.size=[64, 64]",
]
# The demo's preset, made small.
TINY_DEMO = [
    "recipe.size=[64, 64]",
    "trunk.width=0.0625",
    "fit.epochs=2",
    "fit.batch_exams=3",
    "warm_up.epochs=1",
]


def paths_of(inputs: Sequence[FloatArray]) -> tuple[Path, ...]:
    """The files of cached network inputs."""
    assert isinstance(inputs, CachedInputs)
    return inputs.paths
