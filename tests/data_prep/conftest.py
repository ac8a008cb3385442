"""Synthetic knees that several test files look at."""

import numpy as np
import pytest

from data_prep.labels import FOUR_CLASS
from data_prep.phantom import Phantom, generate

SEEDS = (101, 102, 103)


@pytest.fixture(scope="session")
def phantoms() -> dict[str, list[Phantom]]:
    """The same three knees in each of the four states."""
    return {label: [generate(seed, label) for seed in SEEDS] for label in FOUR_CLASS.classes}


@pytest.fixture(scope="session")
def healthy(phantoms: dict[str, list[Phantom]]) -> list[Phantom]:
    """Three healthy knees."""
    return phantoms[FOUR_CLASS.classes[0]]


def in_mm(phantom: Phantom, mask: np.ndarray) -> np.ndarray:
    """Positions `[voxels, 3]` of a mask's voxels in patient coordinates."""
    volume = phantom.to_volume()
    slices, rows, columns = np.nonzero(mask)
    _, row_mm, column_mm = volume.spacing_mm
    across, down = volume.directions
    return volume.positions_mm[slices] + np.outer(columns * column_mm, across) + np.outer(rows * row_mm, down)
