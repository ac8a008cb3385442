"""The versions of what a network was made with, for its manifest."""

import importlib.metadata
import platform
import sys

import keras

RECORDED_PACKAGES = ("keras", "numpy", "scipy", "opencv-python-headless", "pydicom")


def versions() -> dict[str, str]:
    """Versions of Python, of Keras' backend (a module of that name), and of packages."""
    backend = keras.backend.backend()
    packages = {package: importlib.metadata.version(package) for package in RECORDED_PACKAGES}
    return {"python": platform.python_version(), backend: sys.modules[backend].__version__, **packages}
