"""Finding exams with the same images, whatever their names: digests for equal slices, a hash for similar volumes.

The hash follows the "pHash" idea (Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions, 2010):
signs of a cosine transform. Knees look similar, so the transform has three dimensions and the coarsest patterns are
left out.
"""

import hashlib
from collections.abc import Sequence
from typing import Protocol

import cv2
import numpy as np
from scipy.fft import dctn
from scipy.stats import rankdata

from data_prep.volume import FloatArray, Volume

# A slice has content if at least this share of its pixels differs from the next pixel; other slices are padding.
SHOWN = 0.01
# The volume's size for hashing (slices, rows, columns): finer than BAND needs, because a gamma changes averages.
GRID = (16, 48, 48)
# This share of the voxels, the darkest, is set to one value: it is air, whose noise and clipping differ between copies.
AIR = 0.3
# The cosines that give bits: 0 to 1.5 waves over the slices; 1 to 8.5 over rows and columns, because coarser patterns
# are the same in all knees.
BAND = np.s_[:4, 2:18, 2:18]
BITS = 4 * 16 * 16
# Measured on synthetic knees: copies differ by at most 144 bits (15 ways to copy, up to four at once), different knees
# by at least 305 (179,700 pairs; mean 499, deviation 33). Echoes of one real knee differ by at most 83.
MAX_DISTANCE = BITS // 5
# Rows of the distance matrix that are in memory at a time.
BLOCK = 512


class Pixels(Protocol):
    """What has voxels, float32 `[S, R, C]`: a volume, an annotated exam."""

    @property
    def voxels(self) -> FloatArray:
        """The pixels."""


def slice_digests(volume: Pixels) -> tuple[str, ...]:
    """16 hex digits for each slice with content, equal for equal pixels, whatever their scale and offset.

    The digest depends on which neighbours of each pixel are brighter or darker. A change of scale doesn't change that.
    """
    digests = (_slice_digest(pixels) for pixels in volume.voxels)
    return tuple(digest for digest in digests if digest)


def exam_digest(volume: Pixels) -> str:
    """SHA-256 (hex) of all slices with content, in any order; '' if there are none."""
    digests = sorted(set(slice_digests(volume)))
    return hashlib.sha256("".join(digests).encode()).hexdigest() if digests else ""


def perceptual_hash(volume: Volume) -> str:
    """`BITS` bits as hex, with few different bits for nearly equal volumes; '' if all voxels are equal.

    A copy may have another matrix, fewer bits, another window or gamma, noise (of JPEG or other), or one slice less at
    an end.
    """
    small = _shrink(volume.voxels)
    if not 0 < np.ptp(small) < np.inf:
        return ""
    ranks = rankdata(small).reshape(GRID) / small.size  # the same for every window and gamma
    signs = dctn(np.maximum(ranks, AIR))[BAND] > 0
    return np.packbits(signs).tobytes().hex()


def near_duplicates(hashes: Sequence[str]) -> list[tuple[int, int]]:
    """Pairs of nearly equal volumes.

    Time grows with the square of the number of hashes (10,000 take seconds), memory with the number.

    Args:
        hashes: results of `perceptual_hash`; '' matches nothing.

    Returns:
        Pairs of indices, the smaller first, whose hashes differ by at most `MAX_DISTANCE` bits.
    """
    known = [index for index, text in enumerate(hashes) if text]
    packed = np.frombuffer(bytes.fromhex("".join(hashes[index] for index in known)), np.uint8)
    signs = np.unpackbits(packed.reshape(len(known), BITS // 8), axis=1).astype(np.float32) * 2 - 1
    pairs = []
    for start in range(0, len(known), BLOCK):
        distance = (BITS - signs[start : start + BLOCK] @ signs[start:].T) / 2
        firsts, seconds = np.nonzero(np.triu(distance <= MAX_DISTANCE, k=1))
        pairs += [(known[start + i], known[start + j]) for i, j in zip(firsts, seconds, strict=True)]
    return pairs


def _slice_digest(pixels: FloatArray) -> str:
    right, left, below, above = pixels[:, 1:], pixels[:, :-1], pixels[1:], pixels[:-1]
    steps = (right > left, right < left, below > above, below < above)
    if np.count_nonzero(steps[:2]) < SHOWN * pixels.size:
        return ""
    sha = hashlib.sha256(repr(pixels.shape).encode())
    for step in steps:
        sha.update(np.packbits(step).data)
    return sha.hexdigest()[:16]


def _shrink(voxels: FloatArray) -> FloatArray:
    """Voxels averaged to `GRID`."""
    slices, rows, columns = GRID
    planes = np.stack([cv2.resize(plane, (columns, rows), interpolation=cv2.INTER_AREA) for plane in voxels])
    lines = planes.reshape(len(planes), rows * columns)
    return np.asarray(cv2.resize(lines, (rows * columns, slices), interpolation=cv2.INTER_AREA), np.float32)
