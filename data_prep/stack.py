"""From the frames of one series to stacks: which images belong to one volume, in which order, how far apart.

Geometry is PS3.3 C.7.6.2: slices are ordered along their normal, by number only where no positions are given, by file
name never.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from data_prep.acquisition import laterality
from data_prep.dicom import Frame
from data_prep.errors import MalformedInput
from data_prep.header import Header
from data_prep.kind import JUDGED, Finding, find, scout_signs
from data_prep.volume import Laterality

FloatVector = npt.NDArray[np.float64]

# Direction cosines of one stack differ by rounding alone: 0.01 is half a degree.
ORIENTATION_TOLERANCE = 0.01
# Unit vectors in headers are rounded, and stay as they are: a viewer may compare the digits of a map with its source's.
UNIT_TOLERANCE = 1e-4
# Pixel spacings of one stack differ by rounding alone.
SPACING_TOLERANCE_MM = 0.001
# Rows, Columns, PixelSpacing, ImageOrientationPatient.
GEOMETRY_TOLERANCES = np.array([0, 0, *[SPACING_TOLERANCE_MM] * 2, *[ORIENTATION_TOLERANCE] * 6])
# Images closer than this along the normal lie at one position.
POSITION_TOLERANCE_MM = 0.05
# Steps between slices may differ from their median by this share of it; a missing slice is a share of one.
STEP_TOLERANCE = 0.25
# A real series holds a few stacks (three planes); a radial one is nothing that we could judge.
MAX_STACKS = 64
PLANES = ("sagittal", "coronal", "axial")

MR_CLASSES = frozenset(
    {
        "1.2.840.10008.5.1.4.1.1.4",  # MR Image Storage
        "1.2.840.10008.5.1.4.1.1.4.1",  # Enhanced MR Image Storage
        "1.2.840.10008.5.1.4.1.1.4.4",  # Legacy Converted Enhanced MR Image Storage
    }
)
# What tells images at one position apart, after what they are (`data_prep.kind`) the first that does: each of its
# values makes a volume.
CONTRASTS = (
    "EchoTime",
    "EchoNumbers",
    "TemporalPositionIdentifier",
    "DiffusionBValue",
    "ImageType",
    "FrameType",
    "AcquisitionNumber",
)


@dataclass(frozen=True, eq=False)
class Stack:
    """Images of one orientation, matrix and spacing, in order along their normal (row x column direction).

    planes: in how many planes their series has images, 3 for most scouts.
    """

    frames: tuple[Frame, ...]
    planes: int = 1

    @property
    def header(self) -> Header:
        """The first slice's, for what all slices share."""
        return self.frames[0].header

    @cached_property
    def finding(self) -> Finding:
        """What the images are, by headers and geometry; where `spacing_mm` is known."""
        found = find(self.header)
        signs = scout_signs(len(self.frames), self.spacing_mm, self.planes)
        doubts = tuple(f"it may be a localizer: {sign}" for sign in signs)
        return replace(found, doubts=(*found.doubts, *doubts), serious=found.serious or bool(signs))

    @property
    def series_uid(self) -> str:
        """SeriesInstanceUID."""
        return self.frames[0].series_uid

    @property
    def laterality(self) -> Laterality:
        """What all slices agree on."""
        return laterality(frame.header for frame in self.frames)

    @cached_property
    def directions(self) -> FloatVector:
        """`[2, 3]`, unit vectors: where the column index grows, where the row index grows."""
        directions = _orientation(self.frames[0])
        lengths = np.linalg.norm(directions, axis=1, keepdims=True)
        return directions if np.allclose(lengths, 1, rtol=0, atol=UNIT_TOLERANCE) else directions / lengths

    @property
    def plane(self) -> str:
        """By the normal's largest component."""
        return _plane(self.frames[0])

    @cached_property
    def offsets_mm(self) -> FloatVector | None:
        """Position of each slice along the normal; None where it can't be known."""
        return _offsets(self.frames)

    @cached_property
    def positions_mm(self) -> FloatVector:
        """`[slices, 3]`; relative to the first slice where no positions are given."""
        given = _positions(self.frames)
        if given is not None:
            return given
        assert self.offsets_mm is not None
        return np.outer(self.offsets_mm, np.cross(*self.directions))

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Median step between slices, row spacing, column spacing."""
        assert self.offsets_mm is not None
        rows, columns = self.frames[0].header.numbers("PixelSpacing", 2) or (0.0, 0.0)
        return float(np.median(np.diff(self.offsets_mm))), rows, columns

    def gap(self) -> tuple[int, float] | None:
        """Number, from 1, of the first slice whose step to the next one isn't the usual, and that step in mm."""
        assert self.offsets_mm is not None
        steps = np.diff(self.offsets_mm)
        usual = self.spacing_mm[0]
        odd = np.flatnonzero(np.abs(steps - usual) > STEP_TOLERANCE * usual)
        return (int(odd[0]) + 1, float(steps[odd[0]])) if odd.size else None


def unusable(frame: Frame) -> str | None:
    """Why an image can't be part of a volume that we'd judge, by its header alone; None if it can."""
    header = frame.header
    modality = header.text("Modality")
    if modality != "MR":
        return f"modality is {modality or 'missing'}"
    if header.text("SOPClassUID") not in MR_CLASSES:
        return "not a scanner's own MR image (another SOP class, such as a secondary capture)"
    if not header.text("PhotometricInterpretation").startswith("MONOCHROME"):
        return "colour picture"
    kind = find(header).kind
    if kind not in JUDGED:
        return kind.value
    try:
        return _unusable_geometry(frame)
    except MalformedInput as error:
        return error.detail


def _unusable_geometry(frame: Frame) -> str | None:
    header = frame.header
    spacing = header.numbers("PixelSpacing", 2)
    if spacing is None or min(spacing) <= 0:
        return "no PixelSpacing"
    if header.numbers("ImageOrientationPatient", 6) is None:
        return "no ImageOrientationPatient"
    header.numbers("ImagePositionPatient", 3)
    directions = _orientation(frame)
    if not np.allclose(directions @ directions.T, np.eye(2), atol=2 * ORIENTATION_TOLERANCE):
        return "ImageOrientationPatient isn't a pair of perpendicular unit vectors"
    return None


def stacks(frames: Sequence[Frame]) -> list[Stack]:
    """Usable frames of one series as stacks: first by geometry, then, where positions repeat, by contrast.

    The result doesn't depend on the order of the frames. None at all if there are more than MAX_STACKS geometries.
    """
    frames = sorted(frames, key=lambda frame: (frame.sop_uid, frame.number))
    by_geometry = _by_geometry(frames)
    if len(by_geometry) > MAX_STACKS:
        return []
    planes = len({_plane(group[0]) for group in by_geometry})
    return [Stack(_ordered(part), planes) for group in by_geometry for part in _by_kind(group)]


def _by_geometry(frames: Sequence[Frame]) -> list[list[Frame]]:
    """Work grows with frames times geometries, of which it stops one beyond MAX_STACKS."""
    geometries = np.array([_geometry(frame) for frame in frames])
    left = np.arange(len(frames))
    groups: list[list[Frame]] = []
    while left.size and len(groups) <= MAX_STACKS:
        same = (np.abs(geometries[left] - geometries[left[0]]) <= GEOMETRY_TOLERANCES).all(axis=1)
        groups.append([frames[index] for index in left[same]])
        left = left[~same]
    return groups


def _geometry(frame: Frame) -> list[float]:
    header = frame.header
    spacing = header.numbers("PixelSpacing", 2) or ()
    return [frame.pixels.rows, frame.pixels.columns, *spacing, *(header.numbers("ImageOrientationPatient", 6) or ())]


def _by_kind(frames: list[Frame]) -> list[list[Frame]]:
    """Volumes, where positions repeat: Dixon's four images may share echo times, so that what they are comes first."""
    parts: dict[str, list[Frame]] = {}
    for frame in frames:
        parts.setdefault(find(frame.header).kind, []).append(frame)
    return [volume for part in parts.values() for volume in _by_contrast(part, CONTRASTS)]


def _by_contrast(frames: list[Frame], contrasts: Sequence[str]) -> list[list[Frame]]:
    positions = _positions(frames)
    if positions is not None and not _repeats(positions, frames):
        return [frames]
    for place, keyword in enumerate(contrasts):
        parts: dict[tuple[str, ...], list[Frame]] = {}
        for frame in frames:
            parts.setdefault(frame.header.texts(keyword), []).append(frame)
        if len(parts) > 1:
            return [volume for part in parts.values() for volume in _by_contrast(part, contrasts[place + 1 :])]
    return [frames]


def _repeats(positions: FloatVector, frames: Sequence[Frame]) -> bool:
    along = np.sort(positions @ _normal(frames[0]))
    return bool((np.diff(along) < POSITION_TOLERANCE_MM).any())


def _ordered(frames: Sequence[Frame]) -> tuple[Frame, ...]:
    offsets = _offsets(frames)
    if offsets is None:
        return tuple(frames)
    return tuple(frames[index] for index in np.argsort(offsets, kind="stable"))


def _offsets(frames: Sequence[Frame]) -> FloatVector | None:
    """Along the normal, from positions; from unique numbers and SpacingBetweenSlices where there are none at all."""
    positions = _positions(frames)
    if positions is not None:
        if _repeats(positions, frames):
            return None
        along: FloatVector = positions @ _normal(frames[0])
        return along
    if any("ImagePositionPatient" in frame.header.values for frame in frames):
        return None
    numbers = [frame.header.number("InstanceNumber") for frame in frames]
    step = frames[0].header.number("SpacingBetweenSlices") or 0.0
    if None in numbers or len(set(numbers)) < len(numbers) or step <= 0:
        return None
    ranks: FloatVector = np.argsort(np.argsort(np.array(numbers, float))) * np.float64(step)
    return ranks


def _positions(frames: Sequence[Frame]) -> FloatVector | None:
    positions = [frame.header.numbers("ImagePositionPatient", 3) for frame in frames]
    return None if None in positions else np.array(positions, float)


def _orientation(frame: Frame) -> FloatVector:
    return np.array(frame.header.numbers("ImageOrientationPatient", 6), float).reshape(2, 3)


def _plane(frame: Frame) -> str:
    return PLANES[int(np.abs(_normal(frame)).argmax())]


def _normal(frame: Frame) -> FloatVector:
    normal: FloatVector = np.cross(*_orientation(frame))
    return normal / np.linalg.norm(normal)
