"""What makes two exams the same pictures, whatever they are called: digests of equal slices, a hash of alike volumes.

The hash follows the "pHash" idea (Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions, 2010):
signs of a cosine transform. Knees look alike, so it takes three dimensions and leaves out the coarsest patterns.
"""

import hashlib
from collections.abc import Sequence

import cv2
import numpy as np
from scipy.fft import dctn
from scipy.stats import rankdata

from data_prep.volume import FloatArray, Volume

# A slice shows something if at least this share of its pixels differs from the next; the rest is padding.
SHOWN = 0.01
# The volume's size for hashing, slices, rows, columns: finer than BAND needs, since a gamma changes averages.
GRID = (16, 48, 48)
# The darkest voxels count as one: air, whose noise and clipping differ from copy to copy, is this share of a knee MR.
AIR = 0.3
# Which cosines give bits: 0 to 1.5 waves over the slices; 1 to 8.5 over rows and columns, as knees share the coarser.
BAND = np.s_[:4, 2:18, 2:18]
BITS = 4 * 16 * 16
# Measured on synthetic knees: copies differ by at most 144 bits (15 ways to copy, up to four at once), different knees
# by at least 305 (179,700 pairs; mean 499, deviation 33). Echoes of one real knee differ by at most 83.
MAX_DISTANCE = BITS // 5
# Rows of the distance matrix that are held at a time.
BLOCK = 512


def slice_digests(volume: Volume) -> tuple[str, ...]:
    """16 hex digits for each slice that shows something, equal for equal pixels, whatever their scale and offset.

    They say of every pixel whether its neighbours are brighter or darker: what a change of scale can't change.
    """
    digests = (_slice_digest(pixels) for pixels in volume.voxels)
    return tuple(digest for digest in digests if digest)


def exam_digest(volume: Volume) -> str:
    """SHA-256 (hex) of all slices that show something, in whatever order; '' if none does."""
    digests = sorted(set(slice_digests(volume)))
    return hashlib.sha256("".join(digests).encode()).hexdigest() if digests else ""


def perceptual_hash(volume: Volume) -> str:
    """`BITS` bits as hex, near for volumes of nearly the same pixels; '' if all voxels are alike.

    A copy may have another matrix, fewer bits, another window or gamma, JPEG's or other noise, or lack an end slice.
    """
    small = _shrink(volume.voxels)
    if not 0 < np.ptp(small) < np.inf:
        return ""
    ranks = rankdata(small).reshape(GRID) / small.size  # the same for every window and gamma
    signs = dctn(np.maximum(ranks, AIR))[BAND] > 0
    return np.packbits(signs).tobytes().hex()


def near_duplicates(hashes: Sequence[str]) -> list[tuple[int, int]]:
    """Pairs of indices, the smaller first, whose hashes differ by at most `MAX_DISTANCE` bits; '' is like nothing.

    Time grows with the square of their number (10,000 take seconds), memory with the number.
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
