"""Networks, heatmaps, calibration and bundles. Never imports Flask or `training`."""

import os

from models.quiet import without_noise

# Before anything imports TensorFlow: its quicker kernels (oneDNN), which it leaves off on CPUs without AVX-512.
# They have a fault that no trunk here meets: strided 1x1 convolutions of fewer channels than a vector holds, 8 with
# AVX2, 16 with AVX-512 (oneDNN issue 6035).
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
# TensorFlow's native code tells on standard error what the machine has and lacks, as errors too where there is no GPU.
# What fails is raised in Python all the same. Set it to 0 to see everything.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

with without_noise():
    import keras  # noqa: F401  (and its backend: whoever imports this package needs them)
