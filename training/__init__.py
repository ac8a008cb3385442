"""Turns exams into a bundle. Never imported by the service."""

import models  # noqa: F401  (before Keras: it chooses TensorFlow's kernels and log level)
