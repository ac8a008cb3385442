"""The interface of localisers: from a screened volume to the ligament's box. `LOCALISERS` lists the kinds."""

from pathlib import Path
from typing import ClassVar, Protocol, Self

from data_prep.network_input.coarse import Coarse
from data_prep.network_input.located import Located
from models.segment.network_localiser import NetworkLocaliser


class Localiser(Protocol):
    """Finds the ligament in a volume, before the recipe makes the crop.

    Attributes:
        kind: Its name in `LOCALISERS`.
    """

    kind: ClassVar[str]

    @property
    def sha256(self) -> str:
        """Digest of everything that its boxes depend on."""

    def locate(self, coarse: Coarse) -> Located:
        """Find the ligament.

        Args:
            coarse: A screened volume.

        Returns:
            Its box and mask in voxels of the volume; without a box, the crop is centred on the volume.

        Raises:
            UnsuitableStudy: If the volume can't be searched.
            MemoryError: If the device has too little memory now.
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
LOCALISERS: dict[str, type[Localiser]] = {NetworkLocaliser.kind: NetworkLocaliser}
