"""The classes an exam can have, and how the four classes collapse into two.

A label is the *set* of classes that it allows. No public data set has all four classes, so the label "tear" of a source
becomes `{partial, complete}` here.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class LabelScheme:
    """An ordered list of class names, from healthy to worst.

    Attributes:
        name: the scheme's name.
        classes: the class names.
        collapses_into: by the name of a coarser scheme: for each class, the index of its class in that scheme.
    """

    name: str
    classes: tuple[str, ...]
    collapses_into: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.classes)

    def index(self, name: str) -> int:
        """The position of a class. A ValueError for an unknown class lists the scheme's classes."""
        if name not in self.classes:
            raise ValueError(f"no class {name!r} in scheme {self.name!r}; it has {', '.join(self.classes)}")
        return self.classes.index(name)

    def members(self, names: Iterable[str]) -> npt.NDArray[np.float32]:
        """A set of class names as a mask.

        Returns:
            float32 `[classes]`: 1 for a class in the set, 0 for the others.

        Raises:
            ValueError: the set is empty or a name is unknown.
        """
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
