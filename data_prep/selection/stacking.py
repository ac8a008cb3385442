"""Sorts the images of one series into stacks: by geometry, and where positions repeat, by what they show.

Images that were sent twice, under another UID, are found by their pixels.
"""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from data_prep.dicom.frames import Frame
from data_prep.errors import InputError
from data_prep.selection.kind import find
from data_prep.selection.stack import (
    ORIENTATION_TOLERANCE,
    POSITION_TOLERANCE_MM,
    Stack,
    at_one_position,
    normal,
    ordered,
    place_count,
    plane_of,
    positions_of,
    repeats,
)

# Pixel spacings of one stack differ only by rounding, to two decimals at worst.
SPACING_TOLERANCE_MM = 0.005
# Rows, Columns, PixelSpacing, ImageOrientationPatient.
GEOMETRY_TOLERANCES = np.array([0, 0, *[SPACING_TOLERANCE_MM] * 2, *[ORIENTATION_TOLERANCE] * 6])
# Numbers that are written for each image differ within one volume, because they are rounded or measured: by at most
# this much, or by this share of the number. Echoes of a knee series are at least half a millisecond apart.
CONTRAST_TOLERANCES = {"EchoTime": (0.1, 0.02), "DiffusionBValue": (5.0, 0.02)}
# A contrast separates volumes if most of its parts have images at no less than this share of the positions.
WHOLE = 0.5
# A usual series has a few stacks (three planes); a radial series has more, and can't be predicted on.
MAX_STACKS = 64
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
    planes = len({plane_of(group[0]) for group in by_geometry})
    return Sorted([Stack(ordered(part), planes) for part in found], copies)


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
    positions = positions_of(frames)
    if positions is not None and (not repeats(positions, frames) or at_one_position(positions)):
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
    counts = [place_count(part) for part in parts]
    return float(np.median(counts)) >= WHOLE * place_count(frames)


def _copies(frames: Sequence[Frame]) -> set[Frame]:
    """Frames of one geometry with the position, contrast and pixels of an earlier frame: sent again, under another UID.

    Pixels are decoded only if everything else is equal.
    """
    positions = positions_of(frames)
    if positions is None or not repeats(positions, frames):
        return set()
    alike: dict[tuple[object, ...], list[Frame]] = {}
    along = positions @ normal(frames[0])
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
