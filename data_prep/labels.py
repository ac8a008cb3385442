"""The classes an exam can have, and how four of them collapse into two.

A label is the *set* of classes that it allows: no public data set knows all four classes, so "tear" of one source is
`{partial, complete}` here.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class LabelScheme:
    """An ordered list of class names, from healthy to worst.

    collapses_into: for each class, its class in a coarser scheme, keyed by that scheme's name.
    """

    name: str
    classes: tuple[str, ...]
    collapses_into: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.classes)

    def index(self, name: str) -> int:
        """Position of a class; ValueError names the classes that there are."""
        if name not in self.classes:
            raise ValueError(f"no class {name!r} in scheme {self.name!r}; it has {', '.join(self.classes)}")
        return self.classes.index(name)

    def members(self, names: Iterable[str]) -> npt.NDArray[np.float32]:
        """A set of class names as 0/1 `[classes]`; ValueError for an empty set or an unknown name."""
        mask = np.zeros(len(self), np.float32)
        mask[[self.index(name) for name in names]] = 1
        if not mask.any():
            raise ValueError(f"a label must allow at least one class of scheme {self.name!r}")
        return mask

    def collapse(self, probabilities: npt.NDArray[np.floating], coarser: "LabelScheme") -> npt.NDArray[np.floating]:
        """Probabilities `[..., classes]` summed into the classes of `coarser`, `[..., coarser classes]`."""
        columns = self.collapses_into[coarser.name]
        membership = np.eye(len(coarser), dtype=probabilities.dtype)[list(columns)]
        return probabilities @ membership


BINARY = LabelScheme("binary", ("healthy", "unhealthy"))
FOUR_CLASS = LabelScheme(
    "four_class",
    ("healthy", "minor strain", "partial rupture or strain", "complete rupture"),
    {"binary": (0, 1, 1, 1)},
)
SCHEMES = {scheme.name: scheme for scheme in (BINARY, FOUR_CLASS)}
