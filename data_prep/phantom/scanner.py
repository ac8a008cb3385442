"""Invented scanners: how they place their slices, and how they change a perfect image.

Ranges are those of clinical 1.5 T knee protocols: sagittal proton-density turbo spin echo with fat suppression.
"""

from dataclasses import dataclass
from math import cos, radians, sin
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from data_prep.phantom.anatomy import Anatomy
from data_prep.volume import FloatArray

Range = tuple[float, float]


@dataclass(frozen=True)
class Profile:
    """A type of scanner and its knee protocol. Values are drawn from the ranges.

    Attributes:
        name: The profile's name.
        model: ManufacturerModelName.
        series_description: SeriesDescription.
        scan_options: ScanOptions.
        matrices: Possible numbers of rows and columns of the images.
        acquired: Possible numbers of rows and columns of the measurement, which is interpolated to the images' matrix.
        field_of_view_mm: Length of the images' sides.
        thickness_mm: Thickness of a slice.
        gap_mm: Distance from one slice's end to the next one's start.
        coverage_mm: Length of the stack, at nominal size of the knee.
        tr_ms: RepetitionTime.
        te_ms: EchoTime.
        echo_train: EchoTrainLength.
        fat_left: Share of the fat's signal that isn't suppressed.
        noise: Standard deviation as a share of fluid's signal.
        bits_stored: BitsStored.
    """

    name: str
    model: str
    series_description: str
    scan_options: str
    matrices: tuple[int, ...]
    acquired: tuple[int, ...]
    field_of_view_mm: Range
    thickness_mm: Range
    gap_mm: Range
    coverage_mm: Range
    tr_ms: Range
    te_ms: Range
    echo_train: int
    fat_left: Range
    noise: Range
    bits_stored: int


PROFILES = (
    Profile("alpha", "Lachman 1.5", "PD SAG FS", "FS", (384, 512), (256, 288), (155, 170), (3.0, 3.5), (0.0, 0.4),
            (88, 112), (2200, 3400), (28, 40), 8, (0.07, 0.14), (0.012, 0.035), 12),
    Profile("beta", "Pivot 1.5", "Sag PD fat sat", "FAT_SAT", (320,), (256, 288), (140, 160), (3.5, 4.0), (0.3, 0.6),
            (82, 104), (2600, 4200), (24, 36), 10, (0.06, 0.12), (0.015, 0.04), 16),
    Profile("gamma", "Drawer 1.5", "PD_TSE_SPAIR_SAG", "", (256, 448), (240, 256), (140, 152), (3.0, 4.0), (0.0, 0.4),
            (80, 100), (2000, 3000), (30, 45), 12, (0.08, 0.17), (0.02, 0.05), 12),
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Scan:
    """How one series was measured. Geometry is in DICOM's patient coordinates; slices are in order along their normal.

    Attributes:
        directions: `[2, 3]`, the first two directions of ImageOrientationPatient.
        centre_mm: The middle of the block of images.
        knee_centre_mm: The origin of the tibia's frame.
        knee_axes: `[3, 3]`, the axes of the tibia's frame.
    """

    profile: Profile
    side: Literal["L", "R"]
    matrix: int
    acquired: int
    field_of_view_mm: float
    slices: int
    thickness_mm: float
    spacing_mm: float
    tr_ms: float
    te_ms: float
    fat_left: float
    noise: float
    directions: npt.NDArray[np.float64]
    centre_mm: npt.NDArray[np.float64]
    knee_centre_mm: npt.NDArray[np.float64]
    knee_axes: npt.NDArray[np.float64]

    @property
    def normal(self) -> npt.NDArray[np.float64]:
        """Unit vector along which slices are ordered."""
        return np.asarray(np.cross(self.directions[0], self.directions[1]))

    @property
    def pixel_mm(self) -> float:
        """Distance between neighbouring image pixels."""
        return self.field_of_view_mm / self.matrix

    def positions_mm(self) -> npt.NDArray[np.float64]:
        """ImagePositionPatient of every slice `[slices, 3]`: the centre of the first pixel."""
        corner = -(self.field_of_view_mm - self.pixel_mm) / 2 * self.directions.sum(axis=0)
        steps = (np.arange(self.slices) - (self.slices - 1) / 2) * self.spacing_mm
        return np.asarray(np.round(self.centre_mm + corner + steps[:, None] * self.normal, 4))


def place(profile: Profile, anatomy: Anatomy, rng: np.random.Generator) -> Scan:
    """A random scan of a knee with this profile: which side it is, how the leg lies, where the slices are."""
    uniform = rng.uniform
    side: Literal["L", "R"] = "L" if rng.random() < 0.5 else "R"
    lateral = 1.0 if side == "L" else -1.0
    thickness, gap = round(uniform(*profile.thickness_mm), 1), round(uniform(*profile.gap_mm), 1)
    spacing = round(thickness + gap, 1)
    obliquity = uniform(8, 18) if rng.random() < 0.5 else rng.normal(0, 4)
    turn = _rotation(2, -lateral * obliquity) @ _rotation(1, rng.normal(0, 2)) @ _rotation(0, rng.normal(0, 2))
    leg = _rotation(0, anatomy.flexion * 0.5 + rng.normal(0, 3)) @ _rotation(1, rng.normal(0, 3))
    knee_centre = np.array([lateral * uniform(60, 110), uniform(-20, 20), uniform(-15, 15)])
    middle = np.array([0.0, -3.0, 10.0]) * anatomy.size + rng.normal(0, (3.0, 4.0, 5.0))
    return Scan(
        profile=profile,
        side=side,
        matrix=int(rng.choice(profile.matrices)),
        acquired=int(rng.choice(profile.acquired)),
        field_of_view_mm=float(round(uniform(*profile.field_of_view_mm))),
        slices=int(np.clip(round(uniform(*profile.coverage_mm) * anatomy.size / spacing), 18, 40)),
        thickness_mm=thickness,
        spacing_mm=spacing,
        tr_ms=float(round(uniform(*profile.tr_ms))),
        te_ms=round(uniform(*profile.te_ms), 1),
        fat_left=uniform(*profile.fat_left),
        noise=uniform(*profile.noise),
        directions=np.round((turn @ np.array([[0.0, 1.0, 0.0], [0.0, 0.0, -1.0]]).T).T, 9),
        centre_mm=knee_centre + middle,
        knee_centre_mm=knee_centre,
        knee_axes=leg @ np.diag([lateral, 1.0, 1.0]),
    )


def _rotation(axis: int, degrees: float) -> npt.NDArray[np.float64]:
    c, s = cos(radians(degrees)), sin(radians(degrees))
    matrix = np.eye(3)
    i, j = (axis + 1) % 3, (axis + 2) % 3
    matrix[i, i], matrix[i, j], matrix[j, i], matrix[j, j] = c, -s, s, c
    return matrix


def smooth_field(shape: tuple[int, int, int], bumps: tuple[int, int, int], rng: np.random.Generator) -> FloatArray:
    """Smooth random numbers float32 of unit variance, with about `bumps` bumps along slices, rows and columns."""
    slices, rows, columns = shape
    planes = rng.standard_normal((max(bumps[0], 2), 2 * bumps[1], 2 * bumps[2]), dtype=np.float32)
    planes = np.stack([cv2.GaussianBlur(plane, (0, 0), 0.9) for plane in planes])
    planes = np.stack([cv2.resize(plane, (columns, rows), interpolation=cv2.INTER_CUBIC) for plane in planes])
    at = np.linspace(0, len(planes) - 1, slices)
    weights = np.clip(1 - np.abs(at[:, None] - np.arange(len(planes))), 0, 1).astype(np.float32)
    weights /= np.linalg.norm(weights, axis=1, keepdims=True)
    return np.asarray(np.tensordot(weights, planes, axes=1) / planes.std(), np.float32)


def measure(ideal: FloatArray, scan: Scan, fluid: float, rng: np.random.Generator) -> npt.NDArray[np.uint16]:
    """Simulate the measurement of an ideal signal.

    Coil shading, sometimes motion (ghosts along the phase direction), Rician noise (Gudbjartsson and Patz, MRM 1995),
    interpolation to the matrix, and an arbitrary gain.

    Args:
        ideal: Float32 `[slices, acquired, acquired]`.
        scan: How the series is measured.
        fluid: The ideal signal of pure fluid.
        rng: Source of random numbers.

    Returns:
        Pixels uint16 `[slices, matrix, matrix]`.
    """
    image = ideal * _shading(ideal.shape, rng)
    if rng.random() < 0.25:
        image = _ghosts(image, rng)
    sigma = np.float32(scan.noise * fluid)
    real, imaginary = (rng.standard_normal(image.shape, dtype=np.float32) for _ in range(2))
    magnitude = (
        np.sqrt((i + sigma * r) ** 2 + (sigma * j) ** 2) for i, r, j in zip(image, real, imaginary, strict=True)
    )
    full_scale = (1 << min(scan.profile.bits_stored, 13)) - 1
    gain = np.float32(full_scale * rng.uniform(0.15, 0.6) / fluid)
    return np.stack([np.clip(np.round(_resize(s, scan.matrix) * gain), 0, full_scale) for s in magnitude]).astype("u2")


def enlarge(mask: FloatArray, matrix: int) -> npt.NDArray[np.bool_]:
    """Shares of filled voxels `[slices, acquired, acquired]` as a mask in the image's matrix."""
    return np.stack([cv2.resize(plane, (matrix, matrix), interpolation=cv2.INTER_LINEAR) > 0.5 for plane in mask])


def _resize(plane: FloatArray, matrix: int) -> FloatArray:
    return np.asarray(cv2.resize(plane, (matrix, matrix), interpolation=cv2.INTER_CUBIC), np.float32)


def _shading(shape: tuple[int, ...], rng: np.random.Generator) -> FloatArray:
    """A knee coil's sensitivity. It falls towards both ends, and unevenly around the leg."""
    slices, rows, columns = shape
    w, v, u = (np.linspace(-1, 1, n, dtype=np.float32) for n in (slices, rows, columns))
    tilt = rng.normal(0, 0.12, 3).astype(np.float32)
    fall = rng.uniform(0.1, 0.45)
    along = 1 + tilt[0] * v - np.float32(fall) * np.abs(v) ** 3
    near = np.float32(rng.uniform(0, 0.25)) * u * u
    plane = along[:, None] + tilt[1] * u + near
    return np.asarray(np.clip(plane[None] + tilt[2] * w[:, None, None], 0.2, None), np.float32)


def _ghosts(image: FloatArray, rng: np.random.Generator) -> FloatArray:
    axis, strength = int(rng.integers(1, 3)), rng.uniform(0.02, 0.07)
    shift = int(image.shape[axis] * rng.uniform(0.04, 0.25))
    blur = image + np.float32(rng.uniform(0.1, 0.5)) * (np.roll(image, 1, axis) - image)
    ghost = np.roll(image, shift, axis) + np.roll(image, -shift, axis)
    return np.asarray(blur + np.float32(strength) * ghost, np.float32)
