"""Frozen features and support vectors: `machines` scores pooled features, `route` is the classifier around them."""

from models.svc.machines import Linear, Rbf
from models.svc.route import SVC, pool_slices

__all__ = ["SVC", "Linear", "Rbf", "pool_slices"]
