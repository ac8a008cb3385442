"""Exams that are broken the way real ones are, made from good ones of any source with random strength and place.

`BROKEN` lists them by the kind that the quality screen must name. Each docstring says how strong the fault is at least:
a weaker one (a little motion, one screw) is no reason to send an exam back.
"""

from collections.abc import Callable

import cv2
import numpy as np
from scipy.ndimage import gaussian_filter1d

from data_prep.volume import Volume
from tests.data_prep import faults
from tests.data_prep.faults import Plant, rician, with_voxels


def _part(volume: Volume, rng: np.random.Generator) -> slice:
    """The first, the last or a middle part of the stack, an eighth to a half of it."""
    slices = len(volume.voxels)
    length = max(2, int(slices * rng.uniform(0.125, 0.5)))
    return slice(start := int(rng.choice([0, slices - length, (slices - length) // 2])), start + length)


def _replaced(volume: Volume, make: Callable[[tuple[int, ...]], np.ndarray], rng: np.random.Generator) -> Volume:
    """Noise from 0 upwards, as bright as a tissue, in place of a part of the slices; whole numbers as before."""
    voxels = volume.voxels.copy()
    part = _part(volume, rng)
    noise = make(voxels[part].shape)
    noise = (noise - noise.min()) / np.percentile(noise - noise.min(), 99.5)
    voxels[part] = np.round(noise * rng.uniform(0.4, 1.0) * np.percentile(voxels, 99.5))
    return with_voxels(volume, voxels)


def raw_noise(volume: Volume, rng: np.random.Generator) -> Volume:
    """Uniform or normal noise in an eighth to a half of the slices."""
    return _replaced(volume, rng.random if rng.random() < 0.5 else lambda shape: rng.normal(size=shape), rng)


def rician_noise(volume: Volume, rng: np.random.Generator) -> Volume:
    """What a scanner measures without a signal, amplified, in an eighth to a half of the slices."""
    return _replaced(volume, lambda shape: rician(shape, 1.0, rng), rng)


def smoothed_noise(volume: Volume, rng: np.random.Generator) -> Volume:
    """Noise smoothed within slices, by 1 to 6 pixels, in an eighth to a half of them."""
    sigma = rng.uniform(1, 6)

    def make(shape: tuple[int, ...]) -> np.ndarray:
        noise = rng.normal(size=shape).astype(np.float32)
        return np.stack([cv2.GaussianBlur(plane, (0, 0), sigma) for plane in noise])

    return _replaced(volume, make, rng)


def covering_noise(volume: Volume, rng: np.random.Generator) -> Volume:
    """Noise as large as the contrast or larger is added to an eighth to a half of the slices."""
    voxels, part = volume.voxels.copy(), _part(volume, rng)
    sigma = rng.uniform(1, 2) * np.ptp(np.percentile(voxels, (2, 98)))
    voxels[part] = np.hypot(voxels[part] + rng.normal(0, sigma, voxels[part].shape), rng.normal(0, sigma))
    return with_voxels(volume, voxels)


def empty_slices(volume: Volume, rng: np.random.Generator) -> Volume:
    """A middle part of the slices is 0: an eighth to a half."""
    voxels, length = volume.voxels.copy(), int(len(volume.voxels) * rng.uniform(0.125, 0.5))
    start = (len(voxels) - length) // 2
    voxels[start : start + length] = 0
    return with_voxels(volume, voxels)


def repeated_block(volume: Volume, rng: np.random.Generator) -> Volume:
    """The first half again in place of the second, or one slice until the end."""
    slices = len(volume.voxels)
    half = np.arange(slices) % (slices // 2) if rng.random() < 0.5 else np.minimum(np.arange(slices), slices // 2)
    return with_voxels(volume, volume.voxels[half])


def every_second_averaged(volume: Volume, rng: np.random.Generator) -> Volume:
    """Every second slice is the mean of its neighbours."""
    voxels = volume.voxels.copy()
    start = int(rng.integers(1, 3))
    inner = np.arange(start, len(voxels) - 1, 2)
    voxels[inner] = np.round((voxels[inner - 1] + voxels[inner + 1]) / 2)
    return with_voxels(volume, voxels)


def stretched_stack(volume: Volume, rng: np.random.Generator) -> Volume:
    """Half or a third as many slices, interpolated linearly to as many as there were."""
    slices = len(volume.voxels)
    kept = volume.voxels[:: int(rng.integers(2, 4))]
    at = np.linspace(0, len(kept) - 1, slices)
    low = np.minimum(at.astype(int), len(kept) - 2)
    part = (at - low)[:, None, None]
    return with_voxels(volume, np.round(kept[low] * (1 - part) + kept[low + 1] * part))


def ghosts(volume: Volume, rng: np.random.Generator) -> Volume:
    """Replicas on both sides, 25 to 50 % as bright, or on one side, 40 to 60 %."""
    return faults.ghosts(volume, rng)


def blurred(volume: Volume, rng: np.random.Generator) -> Volume:
    """Edges 2.5 to 5 mm wide (standard deviation), in all slices."""
    sigma = rng.uniform(2.5, 5) / volume.spacing_mm[1]
    return with_voxels(volume, np.round([cv2.GaussianBlur(plane, (0, 0), sigma) for plane in volume.voxels]))


def enlarged(volume: Volume, rng: np.random.Generator) -> Volume:
    """Pictures of 24 to 34 pixels (5 to 6 mm), enlarged."""
    size, shape = int(rng.integers(24, 35)), volume.shape[1:][::-1]
    small = [cv2.resize(plane, (size, size), interpolation=cv2.INTER_AREA) for plane in volume.voxels]
    return with_voxels(volume, np.stack([cv2.resize(plane, shape, interpolation=cv2.INTER_LINEAR) for plane in small]))


def folded(volume: Volume, rng: np.random.Generator) -> Volume:
    """Of the limb's width or length, 12 to 35 % lie beside the field of view and are folded onto the other side."""
    axis = int(rng.integers(1, 3))
    voxels = np.moveaxis(volume.voxels, axis, 2)
    profile = voxels.mean(axis=(0, 1)) - np.percentile(voxels, 2)
    limb = np.flatnonzero(profile > 0.3 * profile.max())
    length = limb[-1] - limb[0] + 1
    kept = int(length * (1 - rng.uniform(0.12, 0.35)))
    start = limb[0] + (length - kept) // 2
    periods = np.arange(voxels.shape[2]) - start
    wrapped = np.zeros((*voxels.shape[:2], kept), np.float32)
    for turn in range(int(periods.min() // kept), int(periods.max() // kept) + 1):
        (inside,) = np.nonzero(periods // kept == turn)
        wrapped[:, :, periods[inside] % kept] += voxels[:, :, inside]
    return with_voxels(volume, np.moveaxis(wrapped, 2, axis))


def prosthesis(volume: Volume, rng: np.random.Generator) -> Volume:
    """A gap of 45 to 70 mm in the joint, in two thirds of the slices, with a bright ragged rim of 3 to 6 mm."""
    voxels, (slices, rows, columns) = volume.voxels.copy(), volume.shape
    pixel = volume.spacing_mm[1]
    bright = np.percentile(voxels, 99.5) * rng.uniform(0.9, 1.3)
    turn = np.linspace(0, 2 * np.pi, 90, endpoint=False)
    middle = np.array([columns * rng.uniform(0.45, 0.55), rows * rng.uniform(0.45, 0.55)])
    size, rim = rng.uniform(45, 70) / 2 / pixel, rng.uniform(3, 6) / pixel
    for index in range(slices // 6, slices - slices // 6):
        ragged = 1 + 0.5 * gaussian_filter1d(rng.normal(size=90), 4, mode="wrap")
        around = np.stack([np.cos(turn), np.sin(turn)], 1)
        for radius, value in ((size * ragged + rim, bright), (size * ragged, 0.0)):
            cv2.fillPoly(voxels[index], [np.int32(middle + radius[:, None] * around)], float(value))
    return with_voxels(volume, voxels)


def half_outside(volume: Volume, rng: np.random.Generator) -> Volume:
    """The limb is moved by 35 to 50 % of the picture's width to the side; what comes in is empty."""
    columns = volume.shape[2]
    by = int(columns * rng.uniform(0.35, 0.5))
    voxels = np.zeros_like(volume.voxels)
    if rng.random() < 0.5:
        voxels[:, :, by:] = volume.voxels[:, :, :-by]
    else:
        voxels[:, :, :-by] = volume.voxels[:, :, by:]
    return with_voxels(volume, voxels)


def saturated(volume: Volume, rng: np.random.Generator) -> Volume:
    """At least the brightest 5 % of the picture, up to 25 %, are one white."""
    return with_voxels(volume, np.minimum(volume.voxels, np.percentile(volume.voxels, rng.uniform(75, 95))))


BROKEN: dict[str, tuple[Plant, ...]] = {
    "blank-slices": (empty_slices, faults.blank_slices),
    "noise-slices": (raw_noise, rician_noise, smoothed_noise, covering_noise, faults.noise_slices),
    "blank-volume": (faults.noise_volume,),
    "duplicate-slices": (faults.repeated_slices, repeated_block),
    "interpolated-slices": (every_second_averaged, stretched_stack),
    "clipped": (saturated,),
    "flat": (faults.few_grey_levels, faults.washed_out),
    "ghosts": (ghosts,),
    "blurred": (blurred, enlarged),
    "wraparound": (folded,),
    "metal": (prosthesis,),
    "two-knees": (faults.two_knees, faults.wide_frame),
    "knee-not-in-view": (half_outside,),
}
