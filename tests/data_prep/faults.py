"""Faults for which a radiologist would send an exam back, planted in good volumes with random strength and place.

Each plant is a function of a volume and a generator. `PLANTS` lists them by the kind that the quality screen must name.
"""

import dataclasses
from collections.abc import Callable
from unittest import mock

import cv2
import numpy as np

from data_prep.phantom import generate
from data_prep.phantom.anatomy import Anatomy
from data_prep.phantom.scanner import Profile, Scan, place
from data_prep.volume import Volume

Plant = Callable[[Volume, np.random.Generator], Volume]


def with_voxels(volume: Volume, voxels: np.ndarray, spacing_mm: tuple[float, float, float] | None = None) -> Volume:
    """The volume with as many slices of other pixels."""
    voxels = np.ascontiguousarray(voxels, np.float32)
    return dataclasses.replace(volume, voxels=voxels, spacing_mm=spacing_mm or volume.spacing_mm)


def only_slices(volume: Volume, kept: np.ndarray, spacing_mm: float | None = None) -> Volume:
    """The volume without the other slices; the rest keep their positions."""
    return dataclasses.replace(
        volume,
        voxels=np.ascontiguousarray(volume.voxels[kept]),
        positions_mm=volume.positions_mm[kept],
        sop_uids=tuple(volume.sop_uids[index] for index in kept),
        spacing_mm=(spacing_mm or volume.spacing_mm[0], *volume.spacing_mm[1:]),
    )


def rician(shape: tuple[int, ...], sigma: float, rng: np.random.Generator) -> np.ndarray:
    """What a scanner measures where there is nothing."""
    return np.hypot(*rng.normal(0, sigma, (2, *shape)))


def inner_slices(volume: Volume, rng: np.random.Generator, most: int = 4) -> np.ndarray:
    """One to `most` slices of the middle two thirds, where the knee is."""
    slices = len(volume.voxels)
    return rng.choice(np.arange(slices // 6, slices - slices // 6), int(rng.integers(1, most + 1)), replace=False)


def blank_slices(volume: Volume, rng: np.random.Generator) -> Volume:
    voxels = volume.voxels.copy()
    voxels[inner_slices(volume, rng)] = rng.choice([0.0, voxels.max(), voxels.mean()])
    return with_voxels(volume, voxels)


def noise_slices(volume: Volume, rng: np.random.Generator) -> Volume:
    voxels = volume.voxels.copy()
    for index in inner_slices(volume, rng):
        voxels[index] = rician(voxels.shape[1:], rng.uniform(0.01, 0.2) * voxels.max(), rng)
    return with_voxels(volume, voxels)


def blank_volume(volume: Volume, rng: np.random.Generator) -> Volume:
    return with_voxels(volume, np.full(volume.shape, rng.choice([0.0, 1.0, 255.0])))


def noise_volume(volume: Volume, rng: np.random.Generator) -> Volume:
    """Noise of one coil whose sensitivity isn't the same everywhere."""
    shading = np.linspace(1, rng.uniform(0.8, 1.2), volume.shape[1])[:, None]
    return with_voxels(volume, np.round(rician(volume.shape, rng.uniform(2, 200), rng) * shading))


def few_slices(volume: Volume, rng: np.random.Generator) -> Volume:
    count = int(rng.integers(1, 8))
    start = int(rng.integers(0, len(volume.voxels) - count + 1))
    return only_slices(volume, np.arange(start, start + count))


def repeated_slices(volume: Volume, rng: np.random.Generator) -> Volume:
    """Slices that stand where others should, in half of the cases with another gain and rounding."""
    voxels = volume.voxels.copy()
    for index in inner_slices(volume, rng):
        other = (index + rng.integers(1, 4)) % len(voxels)
        gain = 1.0 if rng.random() < 0.5 else rng.uniform(0.5, 1.5)
        voxels[index] = np.round(volume.voxels[other] * gain)
    return with_voxels(volume, voxels)


def missing_slices(volume: Volume, rng: np.random.Generator) -> Volume:
    slices, count = len(volume.voxels), int(rng.integers(1, 5))
    start = int(rng.integers(2, slices - count - 2))
    return only_slices(volume, np.delete(np.arange(slices), np.arange(start, start + count)))


def thinned_slices(volume: Volume, rng: np.random.Generator) -> Volume:
    """At least 6 mm from slice to slice."""
    step = int(np.ceil(rng.uniform(6, 9) / volume.spacing_mm[0]))
    return only_slices(volume, np.arange(0, len(volume.voxels), step), step * volume.spacing_mm[0])


def large_pixels(volume: Volume, rng: np.random.Generator) -> Volume:
    """Pixels of at least 1.3 mm."""
    pixel_mm = rng.uniform(1.3, 2.5)
    size = int(volume.shape[1] * volume.spacing_mm[1] / pixel_mm)
    voxels = [cv2.resize(plane, (size, size), interpolation=cv2.INTER_AREA) for plane in volume.voxels]
    return with_voxels(volume, np.stack(voxels), (volume.spacing_mm[0], pixel_mm, pixel_mm))


def clipped(volume: Volume, rng: np.random.Generator) -> Volume:
    """Everything above a level, at least the brightest 4 % of the picture, is one white."""
    return with_voxels(volume, np.minimum(volume.voxels, np.percentile(volume.voxels, rng.uniform(75, 96))))


def few_grey_levels(volume: Volume, rng: np.random.Generator) -> Volume:
    """Two to five bits."""
    levels = 2 ** int(rng.integers(2, 6)) - 1
    top = np.percentile(volume.voxels, 99.9)
    return with_voxels(volume, np.round(np.minimum(volume.voxels / top, 1) * levels))


def washed_out(volume: Volume, rng: np.random.Generator) -> Volume:
    """A tenth or less of the brightness is contrast."""
    part = rng.uniform(0.02, 0.1)
    return with_voxels(volume, part * volume.voxels + (1 - part) * np.percentile(volume.voxels, 99.9))


def ghosts(volume: Volume, rng: np.random.Generator) -> Volume:
    """The limb again on both sides along the phase direction, 25 to 50 % as bright, or 40 to 60 % on one side."""
    axis, both = int(rng.integers(1, 3)), rng.random() < 0.7
    shift = int(volume.shape[axis] * rng.uniform(0.06, 0.4))
    replicas = np.roll(volume.voxels, shift, axis) + both * np.roll(volume.voxels, -shift, axis)
    return with_voxels(volume, volume.voxels + rng.uniform(*((0.25, 0.5) if both else (0.4, 0.6))) * replicas)


def two_knees(volume: Volume, rng: np.random.Generator) -> Volume:
    """Another knee beside this one, air between, in a frame twice as wide or squeezed into a square.

    Slices through the other knee come in the opposite order: inner side first instead of last.
    """
    rows, columns = volume.shape[1:]
    left = volume.voxels
    right = left[::-1] * rng.uniform(0.7, 1.3)
    air = rician((*left.shape[:2], int(columns * rng.uniform(0.08, 0.3))), np.percentile(left, 2), rng)
    voxels = np.concatenate([left, air, right], axis=2)
    if rng.random() < 0.5:
        voxels = np.stack([cv2.resize(plane, (columns, rows), interpolation=cv2.INTER_AREA) for plane in voxels])
    return with_voxels(volume, voxels)


def wide_frame(volume: Volume, rng: np.random.Generator) -> Volume:
    """Frames of 640 x 1280 and the like: two pictures side by side, without any air between."""
    return with_voxels(volume, np.concatenate([volume.voxels, volume.voxels[::-1] * rng.uniform(0.7, 1.3)], axis=2))


def other_plane(volume: Volume, rng: np.random.Generator) -> Volume:
    """Axial or coronal slices through the same knee, of pixels as high as wide."""
    coronal = bool(rng.random() < 0.5)
    stack = volume.voxels.transpose((2, 1, 0) if coronal else (1, 2, 0))
    step = max(1, round(rng.uniform(3, 5) / volume.spacing_mm[1]))
    wide = max(1, round(stack.shape[2] * volume.spacing_mm[0] / volume.spacing_mm[1]))
    voxels = np.stack([cv2.resize(plane, (wide, stack.shape[1])) for plane in np.ascontiguousarray(stack[::step])])
    to_back, to_feet = volume.directions
    directions = np.array([volume.normal, to_feet if coronal else to_back])
    along = to_back if coronal else to_feet
    return dataclasses.replace(
        volume,
        voxels=voxels,
        spacing_mm=(step * volume.spacing_mm[1], volume.spacing_mm[1], volume.spacing_mm[1]),
        directions=directions,
        positions_mm=volume.positions_mm[0] + np.arange(len(voxels))[:, None] * step * volume.spacing_mm[1] * along,
        sop_uids=volume.sop_uids[:1] * len(voxels),
    )


def short_repetition(volume: Volume, rng: np.random.Generator) -> Volume:
    made = dataclasses.replace(
        volume.acquisition, repetition_time_ms=float(rng.uniform(300, 850)), fluid_sensitive=None
    )
    return dataclasses.replace(volume, acquisition=made)


def stack_beside(profile: Profile, label: str, rng: np.random.Generator) -> Volume:
    """A stack that begins at least 28 mm from the knee's middle: it holds the edge of the joint and the skin."""
    outwards = rng.choice([-1.0, 1.0])

    def beside(scan: Scan) -> np.ndarray:
        return outwards * (scan.spacing_mm * scan.slices / 2 + rng.uniform(28, 45)) * scan.normal

    return _placed_elsewhere(profile, label, beside, rng)


def picture_above_or_below(profile: Profile, label: str, rng: np.random.Generator) -> Volume:
    """Pictures whose border lies some 20 mm or more from the joint line: thigh or calf."""
    upwards = rng.choice([-1.0, 1.0])

    def beside(scan: Scan) -> np.ndarray:
        usual = 10 * upwards  # well placed pictures have their middle 10 mm above the joint line
        return -upwards * (scan.field_of_view_mm / 2 - usual + rng.uniform(20, 40)) * scan.directions[1]

    return _placed_elsewhere(profile, label, beside, rng)


def picture_in_front_or_behind(profile: Profile, label: str, rng: np.random.Generator) -> Volume:
    """Pictures whose border lies some 10 mm or more from the knee's middle: they show a part of its front or back."""
    backwards = rng.choice([-1.0, 1.0])

    def beside(scan: Scan) -> np.ndarray:
        return backwards * (scan.field_of_view_mm / 2 + rng.uniform(10, 30)) * scan.directions[0]

    return _placed_elsewhere(profile, label, beside, rng)


def _placed_elsewhere(
    profile: Profile, label: str, by_mm: Callable[[Scan], np.ndarray], rng: np.random.Generator
) -> Volume:
    """What the scanner sees when the slices are planned `by_mm` from where they belong."""

    def misplaced(profile: Profile, anatomy: Anatomy, rng: np.random.Generator) -> Scan:
        scan = place(profile, anatomy, rng)
        return dataclasses.replace(scan, centre_mm=scan.centre_mm + by_mm(scan))

    with mock.patch("data_prep.phantom.knee.place", misplaced):
        return generate(int(rng.integers(1 << 40)), label, profile).to_volume()


PLANTS: dict[str, tuple[Plant, ...]] = {
    "blank-slices": (blank_slices,),
    "noise-slices": (noise_slices,),
    "blank-volume": (blank_volume, noise_volume),
    "too-few-slices": (few_slices,),
    "duplicate-slices": (repeated_slices,),
    "gap": (missing_slices,),
    "coarse-slices": (thinned_slices,),
    "coarse-pixels": (large_pixels,),
    "clipped": (clipped,),
    "flat": (few_grey_levels, washed_out),
    "ghosts": (ghosts,),
    "two-knees": (two_knees, wide_frame),
    "wrong-plane": (other_plane,),
    "not-fluid-sensitive": (short_repetition,),
}
MISPLACED = (stack_beside, picture_above_or_below, picture_in_front_or_behind)
"""Plants of knee-not-in-view: they make their own knee, from a scanner's profile and a label."""
