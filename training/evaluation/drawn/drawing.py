"""One drawing: which voxels of a real series show the ligament, and by what the series is recognised."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from data_prep.volume import Volume

FOLDER = Path(__file__).parent
NEAR_MM = 0.01  # positions in headers have a few decimals


@dataclass(frozen=True, eq=False)
class Drawing:
    """The ligament in one series.

    Attributes:
        series_sha256: SHA-256 of the SeriesInstanceUID, in hexadecimal.
        positions_mm: ImagePositionPatient of each slice `[slices, 3]`, in the order of the mask.
        mask: Bool `[slices, rows, columns]`.
        certain: Bool `[slices]`: whether whoever drew was sure of what the slice shows.
    """

    series_sha256: str
    positions_mm: npt.NDArray[np.float64]
    mask: npt.NDArray[np.bool_]
    certain: npt.NDArray[np.bool_]

    @classmethod
    def read(cls, path: Path) -> "Drawing":
        """Read a drawing's NPZ file."""
        with np.load(path, allow_pickle=False) as file:
            shape = tuple(file["shape"])
            bits = np.unpackbits(file["mask"], count=int(np.prod(shape)))
            return cls(str(file["series_sha256"]), file["positions_mm"], bits.reshape(shape) > 0, file["certain"])

    def write(self, path: Path) -> None:
        """Write the drawing as an NPZ file."""
        np.savez_compressed(
            path,
            series_sha256=np.array(self.series_sha256),
            positions_mm=self.positions_mm,
            shape=np.array(self.mask.shape),
            mask=np.packbits(self.mask),
            certain=self.certain,
        )

    def shows(self, volume: Volume) -> bool:
        """Whether a volume comes from the series that was drawn on."""
        return hashlib.sha256(volume.series_uid.encode()).hexdigest() == self.series_sha256

    def on(self, volume: Volume) -> npt.NDArray[np.bool_]:
        """The mask in a volume's order of slices, `[slices, rows, columns]`.

        Raises:
            ValueError: If the volume isn't of this series, or has other slices or another matrix.
        """
        if not self.shows(volume):
            raise ValueError("the ligament was drawn on another series than this volume's")
        apart = np.linalg.norm(volume.positions_mm[:, None] - self.positions_mm[None], axis=2)
        nearest = apart.argmin(axis=1)
        if volume.voxels.shape != self.mask.shape or (apart.min(axis=1) > NEAR_MM).any():
            raise ValueError("the volume has other slices or another matrix than the one that was drawn on")
        return np.asarray(self.mask[nearest], bool)


def drawings() -> Iterator[Drawing]:
    """All drawings in this folder."""
    for path in sorted(FOLDER.glob("*.npz")):
        yield Drawing.read(path)
