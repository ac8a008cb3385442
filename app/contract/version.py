"""The version of this software. It is defined only here; pyproject.toml reads it."""

VERSION = "0.1.0"
