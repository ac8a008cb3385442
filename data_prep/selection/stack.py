"""From the frames of one series to stacks: which images belong to one volume, in which order, how far apart.

Geometry follows PS3.3 C.7.6.2: slices are ordered along their normal, by number only if no positions are given, and
never by file name.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from data_prep.dicom.frames import Frame
from data_prep.dicom.header import Header
from data_prep.errors import InputError, MalformedInput
from data_prep.limits import odd_pixels
from data_prep.selection.kind import PREDICTABLE, Finding, find, scout_signs

FloatVector = npt.NDArray[np.float64]

# Direction cosines of one stack differ only by rounding: 0.01 is half a degree.
ORIENTATION_TOLERANCE = 0.01
# Unit vectors in headers are rounded. They stay unchanged: a viewer may compare the digits of a map and of its slices.
UNIT_TOLERANCE = 1e-4
# Pixel spacings of one stack differ only by rounding, to two decimals at worst.
SPACING_TOLERANCE_MM = 0.005
# Rows, Columns, PixelSpacing, ImageOrientationPatient.
GEOMETRY_TOLERANCES = np.array([0, 0, *[SPACING_TOLERANCE_MM] * 2, *[ORIENTATION_TOLERANCE] * 6])
# Images closer than this along the normal have the same position.
POSITION_TOLERANCE_MM = 0.05
# Steps between slices may differ from their median by this share of it: if positions are rounded to whole millimetres,
# a step of 3 mm may become 4 mm. A missing slice is a difference of 1.
STEP_TOLERANCE = 0.4
# Numbers that are written for each image differ within one volume, because they are rounded or measured: by at most
# this much, or by this share of the number. Echoes of a knee series are at least half a millisecond apart.
CONTRAST_TOLERANCES = {"EchoTime": (0.1, 0.02), "DiffusionBValue": (5.0, 0.02)}
# A contrast separates volumes if most of its parts have images at no less than this share of the positions.
WHOLE = 0.5
# A usual series has a few stacks (three planes); a radial series has more, and can't be predicted on.
MAX_STACKS = 64
PLANES = ("sagittal", "coronal", "axial")

MR_CLASSES = frozenset(
    {
        "1.2.840.10008.5.1.4.1.1.4",  # MR Image Storage
        "1.2.840.10008.5.1.4.1.1.4.1",  # Enhanced MR Image Storage
        "1.2.840.10008.5.1.4.1.1.4.4",  # Legacy Converted Enhanced MR Image Storage
    }
)
# Images at one position are separated first by their kind (`data_prep.selection.kind`), then by the first of these
# attributes that differs. Each of its values makes a volume.
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

    Attributes:
        frames: the images.
        planes: in how many planes the series has images; 3 for most scouts.
    """

    frames: tuple[Frame, ...]
    planes: int = 1

    @property
    def header(self) -> Header:
        """The first slice's header, for attributes that all slices share."""
        return self.frames[0].header

    @cached_property
    def finding(self) -> Finding:
        """The kind of the images by headers and geometry. `spacing_mm` must be known."""
        found = find(self.header)
        signs = scout_signs(len(self.frames), self.spacing_mm, self.planes)
        doubts = tuple(f"it may be a localizer: {sign}" for sign in signs)
        return replace(found, doubts=(*found.doubts, *doubts), serious=found.serious or bool(signs))

    @property
    def series_uid(self) -> str:
        """SeriesInstanceUID."""
        return self.frames[0].series_uid

    @property
    def frame_of_reference(self) -> str:
        """FrameOfReferenceUID, '' if there is none. Positions of stacks with the same one can be compared."""
        return str(self.frames[0].attributes.get("FrameOfReferenceUID") or "")

    @cached_property
    def directions(self) -> FloatVector:
        """`[2, 3]`, unit vectors: where the column index grows, where the row index grows."""
        directions = _orientation(self.frames[0])
        lengths = np.linalg.norm(directions, axis=1, keepdims=True)
        return directions if np.allclose(lengths, 1, rtol=0, atol=UNIT_TOLERANCE) else directions / lengths

    @property
    def plane(self) -> str:
        """sagittal, coronal or axial, by the normal's largest component."""
        return _plane(self.frames[0])

    @cached_property
    def offsets_mm(self) -> FloatVector | None:
        """`[slices]`, position of each slice along the normal; None if it isn't known."""
        return _offsets(self.frames)

    @cached_property
    def positions_mm(self) -> FloatVector:
        """`[slices, 3]`, position of each slice; relative to the first slice if no positions are given."""
        given = _positions(self.frames)
        if given is not None:
            return given
        assert self.offsets_mm is not None
        return np.outer(self.offsets_mm, np.cross(*self.directions))

    @cached_property
    def middle_mm(self) -> FloatVector | None:
        """`[3]`, the centre of the stack; None if no positions are given."""
        given = _positions(self.frames)
        if given is None:
            return None
        _, row_mm, column_mm = self.spacing_mm
        pixels = self.frames[0].pixels
        in_plane = np.array([column_mm * (pixels.columns - 1), row_mm * (pixels.rows - 1)]) / 2
        middle: FloatVector = (given[0] + given[-1]) / 2 + in_plane @ self.directions
        return middle

    @property
    def extent_mm(self) -> float:
        """From the outer face of the first slice to that of the last, along the normal, as if slices had no gaps."""
        assert self.offsets_mm is not None
        return float(self.offsets_mm[-1] - self.offsets_mm[0]) + self.spacing_mm[0]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Slices, rows, columns."""
        pixels = self.frames[0].pixels
        return len(self.frames), pixels.rows, pixels.columns

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Median step between slices, row spacing, column spacing."""
        assert self.offsets_mm is not None
        rows, columns = self.frames[0].header.numbers("PixelSpacing", 2) or (0.0, 0.0)
        return float(np.median(np.diff(self.offsets_mm))), rows, columns

    def disorder(self) -> str | None:
        """Why the positions of the slices aren't known; None if they are."""
        if self.offsets_mm is not None:
            return None
        positions = _positions(self.frames)
        if positions is None:
            return "slice positions are missing, and InstanceNumber and SpacingBetweenSlices can't replace them"
        if _at_one_position(positions):
            return f"all {len(self.frames)} images have the same position"
        more = len(self.frames) - _places(self.frames)
        return f"{more} more images than positions; headers don't distinguish them"

    def gap(self) -> tuple[int, float] | None:
        """Number, from 1, of the first slice with an unusual step to the next slice, and that step in mm; or None."""
        assert self.offsets_mm is not None
        steps = np.diff(self.offsets_mm)
        usual = self.spacing_mm[0]
        odd = np.flatnonzero(np.abs(steps - usual) > STEP_TOLERANCE * usual)
        return (int(odd[0]) + 1, float(steps[odd[0]])) if odd.size else None


def unusable(frame: Frame) -> str | None:
    """Why an image can't be part of a volume to predict on, by its header alone; None if it can."""
    header = frame.header
    modality = header.text("Modality")
    if modality != "MR":
        return f"modality is {modality or 'missing'}"
    if header.text("SOPClassUID") not in MR_CLASSES:
        return "not a scanner's own MR image (another SOP class, such as a secondary capture)"
    if not header.text("PhotometricInterpretation").startswith("MONOCHROME"):
        return "colour picture"
    kind = find(header).kind
    if kind not in PREDICTABLE:
        return kind.value
    try:
        return _unusable_geometry(frame)
    except MalformedInput as error:
        return error.detail


def _unusable_geometry(frame: Frame) -> str | None:
    header = frame.header
    spacing = header.numbers("PixelSpacing", 2)
    if spacing is None:
        return "no PixelSpacing"
    if odd := odd_pixels(*spacing):
        return odd
    orientation = header.numbers("ImageOrientationPatient", 6)
    if orientation is None:
        return "no ImageOrientationPatient"
    header.numbers("ImagePositionPatient", 3)
    if not _perpendicular(orientation):
        return "ImageOrientationPatient isn't a pair of perpendicular unit vectors"
    return None


@lru_cache(4096)
def _perpendicular(orientation: tuple[float, ...]) -> bool:
    directions = np.array(orientation).reshape(2, 3)
    return np.allclose(directions @ directions.T, np.eye(2), atol=2 * ORIENTATION_TOLERANCE)


class Sorted(NamedTuple):
    """The frames of one series as stacks.

    Attributes:
        stacks: the stacks.
        copies: the number of frames that were sent again under another UID; they are in no stack.
    """

    stacks: list[Stack]
    copies: int


def stacks(frames: Sequence[Frame]) -> Sorted:
    """Sort usable frames of one series into stacks: first by geometry, then, where positions repeat, by contrast.

    The result doesn't depend on the order of the frames. There is no stack if there are more than MAX_STACKS
    geometries.
    """
    frames = sorted(frames, key=lambda frame: (frame.sop_uid, frame.number))
    by_geometry = _by_geometry(frames)
    if len(by_geometry) > MAX_STACKS:
        return Sorted([], 0)
    found, copies = [], 0
    for group in by_geometry:
        again = _copies(group)
        copies += len(again)
        found += _by_kind([frame for frame in group if frame not in again])
    planes = len({_plane(group[0]) for group in by_geometry})
    return Sorted([Stack(_ordered(part), planes) for part in found], copies)


def _by_geometry(frames: Sequence[Frame]) -> list[list[Frame]]:
    """Frames grouped by geometry. It stops after MAX_STACKS + 1 groups; time grows with frames times groups."""
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
    """Volumes by kind, then contrast. The four images of a Dixon scan may share echo times, so the kind comes first."""
    parts: dict[str, list[Frame]] = {}
    for frame in frames:
        parts.setdefault(find(frame.header).kind, []).append(frame)
    return [volume for part in parts.values() for volume in _by_contrast(part, CONTRASTS)]


def _by_contrast(frames: list[Frame], contrasts: Sequence[str]) -> list[list[Frame]]:
    positions = _positions(frames)
    if positions is not None and (not _repeats(positions, frames) or _at_one_position(positions)):
        return [frames]
    for place, keyword in enumerate(contrasts):
        parts = _parts(frames, keyword)
        if len(parts) > 1 and _are_volumes(parts, frames):
            return [volume for part in parts for volume in _by_contrast(part, contrasts[place + 1 :])]
    return [frames]


def _parts(frames: Sequence[Frame], keyword: str) -> list[list[Frame]]:
    parts: dict[tuple[str, ...] | int, list[Frame]] = {}
    for frame, label in zip(frames, _labels(frames, keyword), strict=True):
        parts.setdefault(label, []).append(frame)
    return list(parts.values())


def _labels(frames: Sequence[Frame], keyword: str) -> Sequence[tuple[str, ...] | int]:
    """A label for each frame, equal for frames whose values are equal within the keyword's tolerance."""
    texts = [frame.header.texts(keyword) for frame in frames]
    if keyword not in CONTRAST_TOLERANCES or len(set(texts)) == 1:
        return texts
    absolute, share = CONTRAST_TOLERANCES[keyword]
    values = np.array([frame.header.number(keyword) for frame in frames], float)  # NaN for an unknown value
    distinct = np.unique(values)  # in order, NaN last
    steps = np.diff(distinct, prepend=distinct[0])
    groups = np.cumsum(~(steps <= np.maximum(absolute, share * np.abs(distinct))))
    return [int(groups[place]) for place in np.searchsorted(distinct, values)]


def _are_volumes(parts: Sequence[Sequence[Frame]], frames: Sequence[Frame]) -> bool:
    """Whether most parts have most of the positions; a number that differs for each slice doesn't separate volumes."""
    counts = [_places(part) for part in parts]
    return float(np.median(counts)) >= WHOLE * _places(frames)


def _places(frames: Sequence[Frame]) -> int:
    """The number of different positions along the normal; the number of images if no positions are given."""
    positions = _positions(frames)
    if positions is None:
        return len(frames)
    return 1 + int((np.diff(np.sort(positions @ _normal(frames[0]))) >= POSITION_TOLERANCE_MM).sum())


def _at_one_position(positions: FloatVector) -> bool:
    return bool((np.ptp(positions, axis=0) < POSITION_TOLERANCE_MM).all())


def _repeats(positions: FloatVector, frames: Sequence[Frame]) -> bool:
    along = np.sort(positions @ _normal(frames[0]))
    return bool((np.diff(along) < POSITION_TOLERANCE_MM).any())


def _copies(frames: Sequence[Frame]) -> set[Frame]:
    """Frames of one geometry with the position, contrast and pixels of an earlier frame: sent again, under another UID.

    Pixels are decoded only if everything else is equal.
    """
    positions = _positions(frames)
    if positions is None or not _repeats(positions, frames):
        return set()
    alike: dict[tuple[object, ...], list[Frame]] = {}
    along = positions @ _normal(frames[0])
    order = np.argsort(along, kind="stable")
    places = np.cumsum(np.diff(along[order], prepend=along[order[0]]) >= POSITION_TOLERANCE_MM)
    for place, index in zip(places, order, strict=True):
        contrast = tuple(frames[index].header.texts(keyword) for keyword in CONTRASTS)
        alike.setdefault((int(place), *contrast), []).append(frames[index])
    return {copy for group in alike.values() if len(group) > 1 for copy in _same_pixels(group)}


def _same_pixels(frames: Sequence[Frame]) -> list[Frame]:
    seen: set[bytes] = set()
    copies = []
    for frame in frames:
        try:
            digest = hashlib.sha256(frame.decode().data).digest()
        except InputError:  # Reported later, if the frame is needed.
            continue
        if digest in seen:
            copies.append(frame)
        seen.add(digest)
    return copies


def _ordered(frames: Sequence[Frame]) -> tuple[Frame, ...]:
    offsets = _offsets(frames)
    if offsets is None:
        return tuple(frames)
    return tuple(frames[index] for index in np.argsort(offsets, kind="stable"))


def _offsets(frames: Sequence[Frame]) -> FloatVector | None:
    """Offsets along the normal, from positions; from unique numbers and SpacingBetweenSlices if there are none."""
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
    return _unit_normal(frame.header.numbers("ImageOrientationPatient", 6) or ())


@lru_cache(4096)
def _unit_normal(orientation: tuple[float, ...]) -> FloatVector:
    normal: FloatVector = np.cross(*np.array(orientation, float).reshape(2, 3))
    normal /= np.linalg.norm(normal)
    normal.setflags(write=False)
    return normal
