"""One seed for everything random, and the same arithmetic every time."""

import keras


def fix_seed(seed: int) -> None:
    """Seed Python, NumPy and the backend; on TensorFlow, ask for deterministic operations."""
    keras.utils.set_random_seed(seed)
    if keras.backend.backend() == "tensorflow":
        import tensorflow

        tensorflow.config.experimental.enable_op_determinism()
