"""Knees as each source delivers them: what is right about an exam although it looks odd to a screen.

Facts: MRNet (Bien 2018; uint8, 256 x 256, with about 1 % of each picture white), KneeMRI (Stajduhar 2017;
12 bit, 290 to 320 pixels square, 21 to 45 slices), vendors' reconstruction (filters, zero filling in k-space to a
matrix twice as fine, falling sensitivity of surface coils) and the screws of an ACL graft.
"""

import dataclasses
from collections.abc import Callable
from unittest import mock

import cv2
import numpy as np

from data_prep.labels import FOUR_CLASS
from data_prep.phantom import generate
from data_prep.phantom.anatomy import Anatomy
from data_prep.phantom.scanner import PROFILES, Profile, Scan, _rotation, place
from data_prep.volume import Acquisition, Volume
from tests.data_prep.faults import with_voxels

Source = Callable[[Volume, np.random.Generator], Volume]

PLANES = {
    "sagittal": None,
    "coronal": np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0]]),
    "axial": np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]),
}
"""Directions of rows and columns; None: as the scanner places them."""


def knee(seed: int, plane: str = "sagittal", acquired: int = 256, **protocol) -> Volume:
    """A random knee in a plane, said to be sagittal whatever it is, as an array without directions is.

    protocol: fields of `Profile` that differ from the usual ones.
    """
    profile = dataclasses.replace(PROFILES[seed % len(PROFILES)], acquired=(acquired,), matrices=(256,), **protocol)

    def placed(profile: Profile, anatomy: Anatomy, rng: np.random.Generator) -> Scan:
        scan = place(profile, anatomy, rng)
        if PLANES[plane] is None:
            return scan
        slices, covered = int(rng.integers(20, 37)), rng.uniform(90, 120)
        turn = _rotation(2, rng.normal(0, 4)) @ _rotation(1, rng.normal(0, 4)) @ _rotation(0, rng.normal(0, 4))
        step = round(covered / slices, 1)
        directions = (turn @ PLANES[plane].T).T
        return dataclasses.replace(scan, directions=directions, slices=slices, spacing_mm=step, thickness_mm=step)

    with mock.patch("data_prep.phantom.knee.place", placed):
        volume = generate(seed, FOUR_CLASS.classes[seed % len(FOUR_CLASS)], profile).to_volume()
    sagittal = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, -1.0]])
    steps = np.arange(len(volume.voxels))[:, None] * volume.spacing_mm[0]
    return dataclasses.replace(
        volume, directions=sagittal, positions_mm=steps * np.cross(*sagittal), acquisition=Acquisition()
    )


def resized(volume: Volume, matrix: int, interpolation: int = cv2.INTER_AREA) -> Volume:
    """Square pictures of another matrix."""
    voxels = np.stack([cv2.resize(plane, (matrix, matrix), interpolation=interpolation) for plane in volume.voxels])
    pixel_mm = volume.spacing_mm[1] * volume.shape[1] / matrix
    return with_voxels(volume, voxels, (volume.spacing_mm[0], pixel_mm, pixel_mm))


def as_array(volume: Volume) -> Volume:
    """Without what only headers say."""
    return dataclasses.replace(volume, sop_uids=("",) * len(volume.voxels), acquisition=Acquisition())


def mrnet(volume: Volume, rng: np.random.Generator) -> Volume:
    """8 bit, 256 x 256, stretched slice by slice or as a whole, so that about 1 % of the voxels are white."""
    volume = resized(volume, 256)
    white, black = 100 - rng.uniform(0.7, 1.3), rng.uniform(0, 1)
    low, high = np.percentile(volume.voxels, (black, white))
    if rng.random() < 0.5:  # slice by slice, but air and skin at the ends of the stack stay dark
        high = np.maximum(np.percentile(volume.voxels, white, axis=(1, 2), keepdims=True), 0.5 * high)
    return as_array(with_voxels(volume, np.round(255 * np.clip((volume.voxels - low) / (high - low), 0, 1))))


def kneemri(volume: Volume, rng: np.random.Generator) -> Volume:
    """12 bit without a sign, 290 to 320 pixels square."""
    volume = resized(volume, int(rng.integers(290, 321)), cv2.INTER_CUBIC)
    top = rng.uniform(500, 4000)
    return as_array(with_voxels(volume, np.round(np.clip(volume.voxels / volume.voxels.max(), 0, 1) * top)))


def smoothed(volume: Volume, rng: np.random.Generator) -> Volume:
    """A vendor's noise filter."""
    sigma = rng.uniform(0.5, 0.9)
    return with_voxels(volume, np.stack([cv2.GaussianBlur(plane, (0, 0), sigma) for plane in volume.voxels]))


def sharpened(volume: Volume, rng: np.random.Generator) -> Volume:
    """A vendor's edge enhancement; what would be negative is 0."""
    amount = rng.uniform(0.4, 1.2)
    blurred = np.stack([cv2.GaussianBlur(plane, (0, 0), 1.2) for plane in volume.voxels])
    return with_voxels(volume, np.maximum(volume.voxels + amount * (volume.voxels - blurred), 0))


def zero_filled(volume: Volume, rng: np.random.Generator) -> Volume:
    """Twice the matrix by zeros around the samples in k-space: pixels of 0.3 mm that were measured with 0.6 mm."""
    _, rows, columns = volume.shape
    spectrum = np.fft.fftshift(np.fft.fft2(volume.voxels), axes=(1, 2))
    padded = np.pad(spectrum, ((0, 0), (rows // 2, rows // 2), (columns // 2, columns // 2)))
    voxels = 4 * np.abs(np.fft.ifft2(np.fft.ifftshift(padded, axes=(1, 2))))
    half = tuple(step / 2 for step in volume.spacing_mm[1:])
    return with_voxels(volume, np.round(voxels), (volume.spacing_mm[0], *half))


def shaded(volume: Volume, rng: np.random.Generator) -> Volume:
    """A surface coil, three to six times as sensitive on one side as on the other."""
    angle, fall = rng.uniform(0, 2 * np.pi), np.log(rng.uniform(3, 6)) / 2
    v, u = (np.linspace(-1, 1, size) for size in volume.shape[1:])
    gain = np.exp(fall * (np.cos(angle) * u[None] + np.sin(angle) * v[:, None]))
    return with_voxels(volume, np.round(volume.voxels * gain))


def zero_background(volume: Volume, rng: np.random.Generator) -> Volume:
    """Air is exactly 0, behind a mask that follows the limb's bright parts."""
    level = 0.6 * np.percentile(volume.voxels, 60)
    masks = [cv2.GaussianBlur(plane, (0, 0), 4) > level for plane in volume.voxels]
    return with_voxels(volume, volume.voxels * np.stack(masks))


def with_screws(volume: Volume, rng: np.random.Generator) -> Volume:
    """Two screws of a graft, in femur and tibia: gaps of 8 to 12 mm with bright rims in three to five slices."""
    voxels, (_, rows, columns) = volume.voxels.copy(), volume.shape
    bright = np.percentile(voxels, 99.5)
    middle = len(voxels) // 2
    for upwards in (-1, 1):
        centre = (int(columns * rng.uniform(0.42, 0.58)), int(rows * (0.5 + upwards * rng.uniform(0.12, 0.2))))
        radius = int(rng.uniform(4, 6) / volume.spacing_mm[1])
        reach = int(rng.integers(1, 3))
        for index in range(middle - reach, middle + reach + 1):
            cv2.ellipse(voxels[index], centre, (radius + 3, 2 * radius + 3), 20, 0, 360, float(bright), -1)
            cv2.ellipse(voxels[index], centre, (radius, 2 * radius), 20, 0, 360, 0.0, -1)
    return with_voxels(volume, voxels)


def plain(volume: Volume, rng: np.random.Generator) -> Volume:
    """Whatever the scanner wrote."""
    return volume


IMPORTERS: dict[str, Source] = {
    "MRNet": mrnet,
    "KneeMRI": kneemri,
    "DICOM, no filter": plain,
    "DICOM, smoothed": smoothed,
    "DICOM, edges enhanced": sharpened,
    "DICOM, zero-filled": zero_filled,
    "DICOM, surface coil": shaded,
    "DICOM, air set to 0": zero_background,
    "DICOM, graft screws": with_screws,
}
"""What is done to a knee by each source, by the name that the figures have."""

ARRAYS = ("MRNet", "KneeMRI")
"""Those that have no headers, so that only pixels tell the plane."""

PROTOCOLS = ({}, {"te_ms": (55.0, 85.0), "tr_ms": (3000, 4500)}, {"fat_left": (0.5, 0.7)})
"""Proton density with fat suppressed, T2 with fat suppressed (as MRNet's), proton density with weak suppression."""


def clean_of(source: str, volume: Volume, seed: int) -> Volume:
    """A knee in the form of a source; in planes other than the sagittal one it is good but for that."""
    return IMPORTERS[source](volume, np.random.default_rng([seed, 1]))
