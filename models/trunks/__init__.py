"""Trunks: convolutional networks that make a grid of features from each slice.

`trunk` describes and builds a trunk, `pretrained` loads ImageNet weights, `freezing` chooses which layers are trained
and cuts the trunk there, `grid` computes where on the slices the features lie.
"""

from models.trunks.freezing import check_layer, cut_in_two, train_from
from models.trunks.grid import grid_span
from models.trunks.pretrained import load_imagenet
from models.trunks.trunk import Trunk, build_trunk

__all__ = ["Trunk", "build_trunk", "check_layer", "cut_in_two", "grid_span", "load_imagenet", "train_from"]
