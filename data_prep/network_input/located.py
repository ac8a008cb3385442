"""What a localiser found in a volume."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from data_prep.boxes import Box
from data_prep.notice import Notice


@dataclass(frozen=True, eq=False)
class Located:
    """What a localiser found.

    Attributes:
        box: the ligament's box in voxels of the volume, on which the crop is centred; None if nothing was found: the
            crop is then centred on the volume.
        mask: the ligament, bool `[S, R, C]`; None if nothing was found, or from a localiser that only finds boxes.
        notices: why nothing was found.
    """

    box: Box | None = None
    mask: npt.NDArray[np.bool_] | None = None
    notices: tuple[Notice, ...] = ()
