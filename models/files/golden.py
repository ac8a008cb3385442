"""The golden volume: its answer is stored with a network and computed again when the network is loaded.

So a wrong weight, recipe or library is found before anything is predicted.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from data_prep.volume import Volume
from models.files.manifest import BundleError, read_json

GOLDEN = "golden.json"
# On another processor, the same float32 network differs only by rounding; a wrong weight or recipe differs much more.
GOLDEN_TOLERANCE = 1e-3


def golden_volume() -> Volume:
    """A small volume of crossing waves that never changes.

    It doesn't show a knee, but it goes through every step from the recipe to the logits.
    """
    depth, row, column = np.meshgrid(np.arange(16), np.arange(160), np.arange(144), indexing="ij")
    waves = np.sin(depth / 2) + np.cos(row / 9) * np.sin(column / 7 + depth) + np.sin((row + column) / 23)
    return Volume(
        voxels=(500 + 200 * waves).astype(np.float32),
        spacing_mm=(3.5, 0.7, 0.75),
        directions=np.array([[0.0, 1.0, 0.0], [0.0, 0.0, -1.0]]),
        positions_mm=np.stack([-3.5 * np.arange(16), np.zeros(16), np.zeros(16)], axis=1),
        sop_uids=tuple(f"2.25.{index}" for index in range(16)),
        study_uid="2.25",
        series_uid="2.25",
    )


def check_golden(folder: Path, name: str, answer: npt.ArrayLike) -> None:
    """Raise BundleError if a bundle's answer for the golden volume isn't the one of this name in its file."""
    golden, answered = np.array(read_json(folder / GOLDEN)[name]), np.array(answer)
    same = golden.shape == answered.shape
    if not same or not np.allclose(answered, golden, rtol=GOLDEN_TOLERANCE, atol=GOLDEN_TOLERANCE):
        raise BundleError(f"{folder.name}: the golden volume gives {answered.tolist()}, not {golden.tolist()}")
