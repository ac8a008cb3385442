"""Frames of a DICOM multi-frame object (PS3.3 C.7.6.16) laid onto a volume, by their positions in the patient.

Frames may be fewer than slices, in another order, cropped, or turned. A frame without a position lies on the slice
whose instance it names.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from data_prep.masks.files import malformed
from data_prep.masks.marks import Mask
from data_prep.volume import Volume

# A pixel of a frame lies on a voxel if its centre is at most this far from the voxel's, in voxels.
NEAR = 0.25
# How much the sizes of a frame's pixels may differ from those of the voxels, as a share.
SIZE_TOLERANCE = 0.01


@dataclass(frozen=True)
class Frame:
    """One frame: its segment (None in a label map), and where it lies.

    Attributes:
        index: its place among the frames.
        segment: the number of its segment; None if its values are numbers of segments.
        corner: float64 `[3]`, the centre of its first pixel in mm; None if unknown.
        steps: float64 `[2, 3]`, mm from row to row and from column to column.
        sources: SOPInstanceUIDs of the images that it was drawn on.
    """

    index: int
    segment: int | None
    corner: npt.NDArray[np.float64] | None
    steps: npt.NDArray[np.float64]
    sources: tuple[str, ...]


def frames(segmentation: Dataset) -> Iterator[Frame]:
    """The frames of a Segmentation, in their order."""
    shared = segmentation.SharedFunctionalGroupsSequence[0]
    labelled = segmentation.SegmentationType == "LABELMAP"
    for index, own in enumerate(segmentation.PerFrameFunctionalGroupsSequence):
        named = _group(own, shared, "SegmentIdentification")
        segment = None if labelled or named is None else int(named.ReferencedSegmentNumber)
        position, orientation, measures = (
            _group(own, shared, name) for name in ("PlanePosition", "PlaneOrientation", "PixelMeasures")
        )
        corner, steps = None, np.zeros((2, 3))
        if position and orientation and measures:
            corner = np.array(position.ImagePositionPatient, float)
            along_columns, along_rows = np.array(orientation.ImageOrientationPatient, float).reshape(2, 3)
            row_mm, column_mm = map(float, measures.PixelSpacing)
            steps = np.stack([along_rows * row_mm, along_columns * column_mm])
        derived = _group(own, shared, "DerivationImage")
        sources = derived.get("SourceImageSequence", ()) if derived else ()
        yield Frame(index, segment, corner, steps, tuple(str(one.ReferencedSOPInstanceUID) for one in sources))


def _group(own: Dataset, shared: Dataset, name: str) -> Dataset | None:
    """The item of a functional group of a frame, or of all frames (PS3.3 C.7.6.16); None if there is none."""
    items = own.get(f"{name}Sequence") or shared.get(f"{name}Sequence")
    return items[0] if items else None


def lay(path: Path, frame: Frame, marked: Mask, volume: Volume, into: Mask) -> None:
    """Set the voxels that the marked pixels of a frame lie on.

    Args:
        path: the file, for messages.
        frame: the frame.
        marked: bool `[rows, columns]`, its marked pixels.
        volume: the volume.
        into: bool `[S, R, C]`, the volume's mask, which is changed.

    Raises:
        MalformedInput: the pixels don't lie on voxels of the volume; the message names the file.
    """
    if not marked.any():
        return
    if frame.corner is None:
        into[_slice_of_source(path, frame, volume, marked.shape)] |= marked
        return
    _check_grid(path, frame, volume)
    pixels = np.argwhere(marked)
    found = _indices(frame.corner + pixels @ frame.steps, volume)
    nearest = np.rint(found).astype(int)
    if np.abs(found - nearest).max() > NEAR:
        raise malformed(path, "its pixels lie between the voxels of its image: it was drawn on another grid")
    if outside := ((nearest < 0) | (nearest >= volume.shape)).any(axis=1).sum():
        raise malformed(path, f"{outside} of the marked pixels of a frame lie outside its image")
    into[tuple(nearest.T)] = True


def _slice_of_source(path: Path, frame: Frame, volume: Volume, shape: tuple[int, ...]) -> int:
    named = [index for index, uid in enumerate(volume.sop_uids) if uid in frame.sources]
    if len(named) != 1:
        raise malformed(path, "a frame has neither a position nor one slice of its image as its source")
    if shape != volume.shape[1:]:
        raise malformed(
            path,
            f"its frames have {shape[0]} x {shape[1]} pixels, the slices of its image "
            f"{volume.shape[1]} x {volume.shape[2]}",
        )
    return named[0]


def _check_grid(path: Path, frame: Frame, volume: Volume) -> None:
    """Refuse pixels of another size: their centres could lie on voxels and leave others out."""
    axes = np.stack(
        [
            volume.normal * volume.spacing_mm[0],
            volume.directions[1] * volume.spacing_mm[1],
            volume.directions[0] * volume.spacing_mm[2],
        ]
    )
    for step in frame.steps:
        along = int(np.abs(axes @ step / np.linalg.norm(axes, axis=1)).argmax())
        if abs(np.linalg.norm(step) / np.linalg.norm(axes[along]) - 1) > SIZE_TOLERANCE:
            raise malformed(
                path,
                f"its pixels are {np.linalg.norm(step):.4g} mm apart, those of its image "
                f"{np.linalg.norm(axes[along]):.4g} mm: it was drawn on another grid",
            )


def _indices(points: npt.NDArray[np.float64], volume: Volume) -> npt.NDArray[np.float64]:
    """Points `[N, 3]` in mm as positions `[N, 3]` among slices, rows and columns; slices may lie at any distances."""
    heights, places = points @ volume.normal, volume.positions_mm @ volume.normal
    numbers = np.arange(len(places), dtype=float)
    if len(places) > 1:
        slices = np.interp(heights, places, numbers)
        slices += np.where(heights < places[0], (heights - places[0]) / volume.spacing_mm[0], 0)
        slices += np.where(heights > places[-1], (heights - places[-1]) / volume.spacing_mm[0], 0)
    else:
        slices = (heights - places[0]) / volume.spacing_mm[0]
    corners = volume.positions_mm[np.clip(np.rint(slices).astype(int), 0, len(places) - 1)]
    across, down = volume.directions
    rows = ((points - corners) @ down) / volume.spacing_mm[1]
    columns = ((points - corners) @ across) / volume.spacing_mm[2]
    return np.stack([slices, rows, columns], axis=1)
