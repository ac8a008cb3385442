"""Networks that segment: from an image to logits of a class for each of its pixels. `registry.py` lists them."""

from models.segment.networks.architecture import Architecture, Network

__all__ = ["Architecture", "Network"]
