"""One seed for everything random, and the same arithmetic every time."""

import keras

from training.fitting.backend import fix_arithmetic


def fix_seed(seed: int) -> None:
    """Seed Python, NumPy and the backend; ask for deterministic operations."""
    keras.utils.set_random_seed(seed)
    fix_arithmetic()
