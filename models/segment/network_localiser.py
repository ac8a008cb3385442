"""A localiser that asks a segmenter: from the ligament's mask to its box.

A mask that is empty, or that can't be a ligament by what was seen in training, isn't used. The crop is then centred on
the volume, as without a localiser, and the answer's reader is told.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt

from data_prep.boxes import Box, bounding_box
from data_prep.network_input.coarse import Coarse
from data_prep.network_input.crop import Spacing
from data_prep.network_input.located import Located
from data_prep.notice import Notice
from models.segment.plausible import Shape
from models.segment.segmenter import Segmenter

LIGAMENT = "acl"
# The box is larger than the mask by this much on every side: masks end early where a torn ligament frays.
MARGIN_MM = 5.0
EMPTY, IMPLAUSIBLE = "ligament-not-found", "ligament-implausible"
INSTEAD = "The model looks at the middle of the knee instead."


@dataclass(frozen=True, eq=False)
class NetworkLocaliser:
    """Finds the box of the ligament's mask.

    Attributes:
        segmenter: Makes the mask.

    Raises:
        ValueError: If the segmenter doesn't know the ligament.
    """

    kind: ClassVar[str] = "network"
    segmenter: Segmenter

    def __post_init__(self) -> None:
        if LIGAMENT not in self.segmenter.structures:
            known = ", ".join(self.segmenter.structures)
            raise ValueError(f"a localiser must know the ligament ({LIGAMENT}); this segmenter knows {known}")

    @property
    def sha256(self) -> str:
        """Digest of everything that its boxes depend on."""
        depends = (self.segmenter.sha256, self.segmenter.plausible, MARGIN_MM)
        return hashlib.sha256(repr(depends).encode()).hexdigest()

    def locate(self, coarse: Coarse) -> Located:
        """See `Localiser.locate`."""
        labels = self.segmenter.labels(coarse.voxels, coarse.spacing_mm)
        mask = labels == 1 + self.segmenter.structures.index(LIGAMENT)
        if not mask.any():
            return Located(notices=(Notice(EMPTY, f"The localiser found no ligament. {INSTEAD}"),))
        plausible = self.segmenter.plausible
        if plausible and (doubt := plausible.doubt(Shape.of(mask, coarse.spacing_mm))):
            said = f"What the localiser found can't be the ligament: none in training had this {doubt}. {INSTEAD}"
            return Located(notices=(Notice(IMPLAUSIBLE, said),))
        return Located(box_around(mask, coarse.spacing_mm), mask)

    def save(self, folder: Path) -> None:
        """Write the segmenter's bundle into an empty folder."""
        self.segmenter.write_files(folder)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a segmenter's bundle.

        Raises:
            ValueError: If it can't be used, or doesn't know the ligament; the message names the folder.
        """
        segmenter = Segmenter.load(folder)
        try:
            return cls(segmenter)
        except ValueError as error:
            raise ValueError(f"{folder}: {error}") from None


def box_around(mask: npt.NDArray[np.bool_], spacing_mm: Spacing) -> Box:
    """The box of a mask with the margin, in whole voxels, inside the volume. The mask isn't empty."""
    spans = []
    for (start, stop), length, step_mm in zip(bounding_box(mask), mask.shape, spacing_mm, strict=True):
        margin = round(MARGIN_MM / step_mm)
        spans.append((max(start - margin, 0), min(stop + margin, length)))
    return spans[0], spans[1], spans[2]
