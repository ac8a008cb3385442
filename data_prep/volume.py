"""The volume: one stack of parallel slices in millimetres. Every later step works on it.

Coordinates are DICOM's patient system (PS3.3 C.7.6.2.1.1): x to the patient's left, y to the back, z to the head.
"""

import hashlib
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from data_prep.limits import check_geometry
from data_prep.notice import Notice

FloatArray = npt.NDArray[np.float32]
Laterality = Literal["L", "R", "unknown"]


@dataclass(frozen=True)
class Acquisition:
    """How the slices were made, as far as the headers say; None where they don't say.

    Attributes:
        kind: a name of `data_prep.selection.kind.Kind` in lower case, one that can be predicted on.
        window_centre: the first window of one of the slices (PS3.3 C.11.2.1.2), in the units of the voxels.
        window_width: its width; both are None if there is no such window, or if the greys were inverted.
    """

    modality: str = "MR"
    kind: str = "anatomy"
    fat_suppressed: bool | None = None
    fluid_sensitive: bool | None = None
    echo_time_ms: float | None = None
    repetition_time_ms: float | None = None
    field_strength_t: float | None = None
    manufacturer: str | None = None
    model: str | None = None
    window_centre: float | None = None
    window_width: float | None = None


@dataclass(frozen=True, eq=False)
class Volume:
    """Slices in order along their normal.

    Attributes:
        voxels: float32 `[slices, rows, columns]`, in the modality's units (rescale applied, MONOCHROME1 inverted).
        spacing_mm: distance between neighbouring slices, rows and columns, the axes of `voxels`.
        directions: float64 `[2, 3]`, unit vectors in which the column index and the row index grow
            (ImageOrientationPatient, in its order).
        positions_mm: float64 `[slices, 3]`, centre of each slice's first voxel (ImagePositionPatient).
        sop_uids: SOPInstanceUID of each slice; frames of one enhanced instance share it. '' for an array without
            headers.
        notices: unclear or contradictory facts in the headers, found when the volume was chosen.

    Raises:
        ValueError: the shapes don't fit each other.
        UnsuitableStudy: the size or spacing is no knee's (`data_prep.limits`).
    """

    voxels: FloatArray
    spacing_mm: tuple[float, float, float]
    directions: npt.NDArray[np.float64]
    positions_mm: npt.NDArray[np.float64]
    sop_uids: tuple[str, ...]
    study_uid: str
    series_uid: str
    laterality: Laterality = "unknown"
    acquisition: Acquisition = field(default_factory=Acquisition)
    notices: tuple[Notice, ...] = ()

    def __post_init__(self) -> None:
        slices = len(self.sop_uids)
        if self.voxels.dtype != np.float32 or self.voxels.ndim != 3 or len(self.voxels) != slices:
            raise ValueError(
                f"voxels must be float32 [{slices}, rows, columns], got {self.voxels.dtype} {self.voxels.shape}"
            )
        if self.directions.shape != (2, 3) or self.positions_mm.shape != (slices, 3):
            raise ValueError("directions must be [2, 3] and positions_mm [slices, 3]")
        check_geometry(self.shape, self.spacing_mm)
        self.voxels.setflags(write=False)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(slices, rows, columns)."""
        slices, rows, columns = self.voxels.shape
        return slices, rows, columns

    @property
    def is_array(self) -> bool:
        """Whether the pixels came without headers; directions and positions are assumed then."""
        return not any(self.sop_uids)

    @property
    def normal(self) -> npt.NDArray[np.float64]:
        """Unit vector along which the slices are ordered: the cross product of the two `directions`."""
        return np.cross(self.directions[0], self.directions[1])

    def digest(self) -> str:
        """SHA-256 (hex) of pixels, geometry and UIDs: equal for the same study, however its files were packed."""
        sha = hashlib.sha256()
        identity = (self.study_uid, self.series_uid, *self.sop_uids, self.laterality, self.shape, self.spacing_mm)
        sha.update(repr(identity).encode())
        for array in (self.voxels, self.directions, self.positions_mm):
            sha.update(np.ascontiguousarray(array).data)
        return sha.hexdigest()
