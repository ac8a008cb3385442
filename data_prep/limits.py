"""The largest study that is accepted, and the geometry that a knee's volume can have.

Time and memory grow with these numbers, so they are checked before anything is computed from them.
"""

import math
from dataclasses import dataclass

from data_prep.errors import UnsuitableStudy

# Distances in mm that a knee series can have, the ends included. Clinical pixels are 0.2 to 0.8 mm, slices 0.5 to 5 mm.
PIXEL_MM = (0.05, 5.0)
SLICE_STEP_MM = (0.05, 20.0)
# The field of view of the largest scanners is half of this.
LARGEST_EXTENT_MM = 1000.0
# A volume that is predicted on. A fine isotropic series of a knee has 200 slices of 640 x 640 pixels.
MOST_SLICES, MOST_SIDE, MOST_VOXELS = 512, 2048, 1 << 27
# Factors and offsets from stored values to the modality's units; scanners write 1e-5 to 1e4.
SMALLEST_SLOPE, LARGEST_SLOPE, LARGEST_INTERCEPT = 1e-9, 1e9, 1e9
# Pixels that a resampled volume may have, whatever its spacing: 256 MB as float32. Above the second number it may also
# have only so many times the pixels of the volume itself: padding and enlarging cost memory, too.
MOST_RESAMPLED, RESAMPLED_FREE, MOST_ENLARGED = 1 << 26, 1 << 24, 8


@dataclass(frozen=True)
class Limits:
    """The largest study that is accepted.

    Attributes:
        files: number of files, DICOM or not.
        file_bytes: size of one file, unpacked.
        unpacked_bytes: size of all files together, unpacked.
        compression_ratio: unpacked size divided by the size that was sent, of a whole study or a deflated instance;
            usual studies have 2 to 10.
        header_bytes: bytes before the pixels of an image.
        value_bytes: bytes of one value that is read; sequences are limited by their elements.
        elements: data elements and items in the headers of all files. An item that is read counts as `ITEM_COST`.
        depth: how deep sequences are nested.
        frame_side: rows or columns of one image.
        frames: number of images.
        voxels: pixels of all images together.
    """

    files: int = 5000
    file_bytes: int = 512 << 20
    unpacked_bytes: int = 2 << 30
    compression_ratio: float = 200.0
    header_bytes: int = 32 << 20
    value_bytes: int = 1 << 20
    elements: int = 2_000_000
    depth: int = 32
    frame_side: int = 4096
    frames: int = 20_000
    voxels: int = 1 << 28


def odd_pixels(row_mm: float, column_mm: float) -> str | None:
    """What is wrong with a pixel spacing that no knee series has; None for a usual one."""
    low, high = PIXEL_MM
    if low <= row_mm <= high and low <= column_mm <= high:
        return None
    return f"PixelSpacing is {row_mm:g} x {column_mm:g} mm; a knee's pixels have {low:g} to {high:g} mm"


def odd_geometry(shape: tuple[int, int, int], spacing_mm: tuple[float, float, float]) -> str | None:
    """What is wrong with a volume that is no knee's; None for a usual one.

    Args:
        shape: slices, rows, columns.
        spacing_mm: distance between neighbouring slices, rows and columns.
    """
    slices, rows, columns = shape
    step, row_mm, column_mm = spacing_mm
    low, high = SLICE_STEP_MM
    if odd := odd_pixels(row_mm, column_mm):
        return odd
    if not low <= step <= high:
        return f"its slices lie {step:.4g} mm apart; a knee's slices lie {low:g} to {high:g} mm apart"
    if max(length * mm for length, mm in zip(shape, spacing_mm, strict=True)) > LARGEST_EXTENT_MM:
        size = " x ".join(f"{length * mm:.4g}" for length, mm in zip(shape, spacing_mm, strict=True))
        return f"it measures {size} mm by its spacing; we take up to {LARGEST_EXTENT_MM:g} mm in each direction"
    if slices > MOST_SLICES or max(rows, columns) > MOST_SIDE or math.prod(shape) > MOST_VOXELS:
        return (
            f"it has {slices} slices of {rows} x {columns} pixels; we take up to {MOST_SLICES} slices, "
            f"{MOST_SIDE} x {MOST_SIDE} pixels, and {MOST_VOXELS:,} pixels in all"
        )
    return None


def check_geometry(
    shape: tuple[int, int, int], spacing_mm: tuple[float, float, float], what: str = "The volume"
) -> None:
    """Refuse a volume that is no knee's.

    Args:
        shape: slices, rows, columns.
        spacing_mm: distance between neighbouring slices, rows and columns.
        what: the volume's name in the message.

    Raises:
        UnsuitableStudy: the message says which number is wrong.
    """
    if odd := odd_geometry(shape, spacing_mm):
        raise UnsuitableStudy(f"{what} can't be predicted on: {odd}. Check its spacing.", kind="odd-geometry")


def check_resampled(shape: tuple[int, int, int], voxels: int) -> None:
    """Refuse to resample to very many pixels.

    Args:
        shape: slices, rows, columns of the result.
        voxels: number of voxels of the volume.

    Raises:
        UnsuitableStudy: the result would be too large.
    """
    most = min(MOST_RESAMPLED, max(RESAMPLED_FREE, MOST_ENLARGED * voxels))
    if math.prod(shape) > most:
        slices, rows, columns = shape
        raise UnsuitableStudy(
            f"The volume can't be predicted on: by its spacing, {slices} slices of {rows} x {columns} pixels would be "
            f"made of it; we make up to {most:,} pixels. Check its spacing.",
            kind="odd-geometry",
        )


def odd_rescale(slope: float, intercept: float) -> str | None:
    """What is wrong with a RescaleSlope and RescaleIntercept; None for usual ones."""
    if not SMALLEST_SLOPE <= abs(slope) <= LARGEST_SLOPE:
        return f"RescaleSlope {slope:g} can't be right"
    if not abs(intercept) <= LARGEST_INTERCEPT:
        return f"RescaleIntercept {intercept:g} can't be right"
    return None
