"""Convolutional feature extractors: a batch of slices in, a grid of features for each slice out.

`trunk` says which and builds it, `pretrained` fills it with ImageNet weights, `freezing` chooses what is trained and
cuts there, `grid` knows where on the slices its features lie.
"""

from models.trunks.freezing import check_layer, cut_in_two, train_from
from models.trunks.grid import grid_span
from models.trunks.pretrained import load_imagenet
from models.trunks.trunk import Trunk, build_trunk

__all__ = ["Trunk", "build_trunk", "check_layer", "cut_in_two", "grid_span", "load_imagenet", "train_from"]
