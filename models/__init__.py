"""Networks, heatmaps, calibration and bundles. Never imports Flask or `training`."""

import os

from models.importing import quickly
from models.quiet import without_noise

# Must be set before TensorFlow is imported: its faster kernels (oneDNN), which it doesn't use on CPUs without AVX-512.
# They have a fault that concerns no trunk here: strided 1x1 convolutions of fewer channels than a vector holds (8 with
# AVX2, 16 with AVX-512; oneDNN issue 6035).
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
# TensorFlow's native code writes to standard error what the machine has and lacks, also as errors if there is no GPU.
# Real failures are raised in Python anyway. Set it to 0 to see everything.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# JAX needs SciPy if it is Keras's backend.
JAX = os.environ.get("KERAS_BACKEND") == "jax"

with without_noise(), quickly("matplotlib", "sklearn", *(() if JAX else ("jax", "scipy"))):
    import keras  # noqa: F401  (and its backend: all users of this package need them)
