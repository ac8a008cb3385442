"""The interface of localisers: from a screened volume to the box of the ligament. `LOCALISERS` lists the kinds."""

from pathlib import Path
from typing import ClassVar, Protocol, Self

from data_prep.boxes import Box
from data_prep.network_input.coarse import Coarse


class Localiser(Protocol):
    """Finds the ligament in a volume, before the recipe makes the crop.

    Attributes:
        kind: Its name in `LOCALISERS`.
        sha256: Digest of everything that its boxes depend on.
    """

    kind: ClassVar[str]
    sha256: str

    def locate(self, coarse: Coarse) -> Box | None:
        """Find the ligament.

        Args:
            coarse: A screened volume with its coarse grid, float32 `[S, h, w]` in 0..1.

        Returns:
            The box in voxels of the volume (`Coarse.in_volume` converts a box on the coarse grid), or None if nothing
            was found: the crop is then centred on the volume.
        """

    def save(self, folder: Path) -> None:
        """Write everything that `load` needs, as plain files, into an empty folder."""

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            ValueError: If a file's content can't be used.
            OSError: If a file can't be read.
        """


# Localisers by kind. A new localiser needs one file and one line here.
LOCALISERS: dict[str, type[Localiser]] = {}
