"""The interface of localisers: a screened volume in, the box of the ligament out. `LOCALISERS` lists the kinds."""

from pathlib import Path
from typing import ClassVar, Protocol, Self

from data_prep.boxes import Box
from data_prep.network_input.coarse import Coarse


class Localiser(Protocol):
    """Finds the ligament in a volume, before the recipe cuts its block.

    kind: its name in `LOCALISERS`. sha256: digest of everything that its answers depend on.
    """

    kind: ClassVar[str]
    sha256: str

    def locate(self, coarse: Coarse) -> Box | None:
        """Find the ligament.

        Args:
            coarse: a screened volume with its `grid`, float32 `[S, h, w]` in 0..1.

        Returns:
            The box in voxels of the volume (`Coarse.in_volume` converts one on the grid), or None if nothing was found:
            the block is then cut around the volume's centre.
        """

    def save(self, folder: Path) -> None:
        """Write everything that `load` needs, as plain files, into an empty folder."""

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote. Raises ValueError or OSError if it can't be read."""


# By kind. A new localiser is one file and one line here.
LOCALISERS: dict[str, type[Localiser]] = {}
