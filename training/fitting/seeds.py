"""One seed for everything random, and deterministic arithmetic."""

import keras

from training.fitting.backend import fix_arithmetic


def fix_seed(seed: int) -> None:
    """Seed Python, NumPy and the backend; make operations deterministic."""
    keras.utils.set_random_seed(seed)
    fix_arithmetic()
