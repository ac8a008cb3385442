"""Networks, heatmaps, calibration and bundles. Never imports Flask or `training`."""

import os

# Before anything imports TensorFlow: its quicker kernels (oneDNN), which it leaves off on CPUs without AVX-512.
# They have a fault that no trunk here meets: strided 1x1 convolutions of fewer channels than a vector holds, 8 with
# AVX2, 16 with AVX-512 (oneDNN issue 6035).
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
