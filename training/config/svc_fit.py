"""How the classifier over frozen features is fitted: the table [svc] of a preset. Doesn't import scikit-learn."""

from dataclasses import dataclass
from typing import Literal

from data_prep.ranges import Count, FromZero, Positive
from models.routes.classifier import Kernel, SlicePooling

Kind = Literal[
    "linear_svc", "rbf_svc", "logistic_regression", "random_forest", "nearest_neighbours", "gradient_boosting"
]
# The kinds that a bundle can hold, and with which kernel.
KERNELS: dict[str, Kernel] = {"linear_svc": "linear", "logistic_regression": "linear", "rbf_svc": "rbf"}


@dataclass(frozen=True)
class SvcFit:
    """Settings of the classifier over frozen features.

    Attributes:
        kind: the classifier; a bundle can hold only SVCs and logistic regression.
        pooling: over slices.
        c: cost of an error relative to the penalty, for SVCs and logistic regression (scikit-learn's C).
        gamma: sharpness of the RBF kernel; 0 means 1 / channels.
        neighbours: how many exams vote, for nearest neighbours.
        trees: number of trees of a random forest or of gradient boosting.
        leaf: exams in the smallest leaf of these trees.
        rate: how much each tree of gradient boosting adds.
        balanced: give the two answers to a question the same total weight, even if one of them is rare.
    """

    kind: Kind = "linear_svc"
    pooling: SlicePooling = "mean"
    c: Positive = 1.0
    gamma: FromZero = 0.0
    neighbours: Count = 5
    trees: Count = 100
    leaf: Count = 1
    rate: Positive = 0.1
    balanced: bool = False

    @property
    def kernel(self) -> Kernel:
        """The kernel of the machine in a bundle; "linear" for kinds that a bundle can't hold."""
        return KERNELS.get(self.kind, "linear")
