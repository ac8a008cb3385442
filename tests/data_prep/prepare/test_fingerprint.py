"""Copies of a knee are found however they were copied; no two knees are taken for one."""

import dataclasses
from collections.abc import Callable

import cv2
import numpy as np
import pytest

from data_prep.labels import FOUR_CLASS
from data_prep.phantom import generate
from data_prep.phantom.scanner import PROFILES
from data_prep.prepare.fingerprint import BITS, BLOCK, MAX_DISTANCE, near_duplicates, perceptual_hash, slice_digests
from data_prep.workers import Workers
from tests.conftest import make_volume

pytestmark = pytest.mark.slow

KNEES = 160


def coarse_knee(seed: int) -> np.ndarray:
    """Pixels `[slices, rows, columns]` of a knee acquired at a fraction of the usual matrix, for speed.

    Neighbouring seeds in steps of 12 share the scanner and the class.
    """
    profile = PROFILES[seed % len(PROFILES)]
    coarse = dataclasses.replace(profile, acquired=(48,), matrices=tuple(size // 4 for size in profile.matrices))
    return generate(seed, FOUR_CLASS.classes[seed // len(PROFILES) % len(FOUR_CLASS)], coarse).pixels.astype(np.float32)


def eight_bits(voxels: np.ndarray, low: float = 0, high: float = 100) -> np.ndarray:
    """A window between two percentiles, as uint8."""
    bottom, top = np.percentile(voxels, (low, high))
    return np.round(np.clip((voxels - bottom) / (top - bottom), 0, 1) * 255).astype(np.uint8)


def jpeg(voxels: np.ndarray) -> np.ndarray:
    quality = [cv2.IMWRITE_JPEG_QUALITY, 75]
    return np.stack([cv2.imdecode(cv2.imencode(".jpg", plane, quality)[1], 0) for plane in eight_bits(voxels)])


def resize(voxels: np.ndarray, share: float) -> np.ndarray:
    return np.stack([cv2.resize(plane, None, fx=share, fy=share, interpolation=cv2.INTER_AREA) for plane in voxels])


def noisy(voxels: np.ndarray) -> np.ndarray:
    sigma = 0.02 * np.percentile(voxels, 99)
    return voxels + np.random.default_rng(1).normal(0, sigma, voxels.shape)


COPIES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "8 bits": eight_bits,
    "narrow window": lambda voxels: eight_bits(voxels, 30, 90),
    "bright gamma": lambda voxels: (eight_bits(voxels) / 255) ** 0.5,
    "dark gamma": lambda voxels: (eight_bits(voxels) / 255) ** 2,
    "JPEG": jpeg,
    "384 to 256": lambda voxels: resize(voxels, 2 / 3),
    "noise": noisy,
    "without first slice": lambda voxels: voxels[1:],
    "without last slice": lambda voxels: voxels[:-1],
    "several at once": lambda voxels: jpeg(resize(voxels[1:], 2 / 3)),
}


@pytest.fixture(scope="module")
def knees() -> list[np.ndarray]:
    return list(Workers(2).run(coarse_knee, range(400_000, 400_000 + KNEES), "drawing"))


@pytest.fixture(scope="module")
def hashes(knees: list[np.ndarray]) -> list[str]:
    return [perceptual_hash(make_volume(voxels)) for voxels in knees]


def test_different_knees_are_no_pair(hashes: list[str]) -> None:
    assert near_duplicates(hashes) == []


@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
def test_copies_are_found_among_other_knees(copied, knees: list[np.ndarray], hashes: list[str]) -> None:
    planted = range(0, KNEES, 8)
    copies = [perceptual_hash(make_volume(copied(knees[index]))) for index in planted]
    assert near_duplicates(hashes + copies) == [(index, KNEES + place) for place, index in enumerate(planted)]


def test_bits_are_balanced(hashes: list[str]) -> None:
    """A bit that is the same in nearly all knees tells none from another."""
    bits = np.unpackbits(np.array([list(bytes.fromhex(text)) for text in hashes], np.uint8), axis=1)
    assert bits.shape == (KNEES, BITS)
    assert np.abs(bits.mean(axis=0) - 0.5).mean() < 0.1


def test_names_do_not_matter_to_the_hash(knees: list[np.ndarray]) -> None:
    volume = make_volume(knees[0])
    renamed = dataclasses.replace(volume, study_uid="2.25.9", sop_uids=("",) * len(knees[0]), spacing_mm=(1, 1, 1))
    assert perceptual_hash(renamed) == perceptual_hash(volume)
    assert slice_digests(renamed) == slice_digests(volume)


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_blank_volumes_have_no_hash(value: float) -> None:
    assert perceptual_hash(make_volume(np.full((9, 32, 32), value))) == ""


def test_exams_without_hash_match_nothing() -> None:
    zeros = "00" * (BITS // 8)
    assert near_duplicates(["", zeros, "", zeros, ""]) == [(1, 3)]
    assert near_duplicates(["", ""]) == near_duplicates([]) == []


def test_the_limit_is_exact_and_holds_across_blocks() -> None:
    rng = np.random.default_rng(2)
    bits = rng.integers(0, 2, (2 * BLOCK + 3, BITS), dtype=np.uint8)
    for copy, flipped in ((BLOCK + 1, MAX_DISTANCE), (2 * BLOCK + 2, MAX_DISTANCE + 1)):
        bits[copy] = bits[5]
        bits[copy, :flipped] ^= 1
    bits[2 * BLOCK] = bits[2 * BLOCK - 1]
    hashes = [np.packbits(row).tobytes().hex() for row in bits]
    assert near_duplicates(hashes) == [(5, BLOCK + 1), (BLOCK + 1, 2 * BLOCK + 2), (2 * BLOCK - 1, 2 * BLOCK)]


@pytest.mark.parametrize(("slope", "intercept"), [(1, -1024), (0.0137, 3.3), (21.7, 0)])
def test_digests_outlast_a_rescale(slope: float, intercept: float) -> None:
    stored = np.random.default_rng(3).integers(0, 65536, (4, 40, 30))
    rescaled = stored.astype(np.float32) * np.float32(slope) + np.float32(intercept)
    assert slice_digests(make_volume(rescaled)) == slice_digests(make_volume(stored))


def test_equal_slices_have_equal_digests_and_no_others(knees: list[np.ndarray]) -> None:
    voxels = knees[0].copy()
    voxels[3] = voxels[7]
    digests = slice_digests(make_volume(voxels))
    assert digests[3] == digests[7]
    assert len(set(digests)) == len(voxels) - 1
    assert all(len(digest) == 16 and int(digest, 16) >= 0 for digest in digests)
    assert set(digests[:7]).isdisjoint(slice_digests(make_volume(knees[1])))


def test_one_pixel_changes_a_digest(knees: list[np.ndarray]) -> None:
    changed = knees[0].copy()
    changed[4, 20, 20] = changed[4].max() + 1
    before, after = slice_digests(make_volume(knees[0])), slice_digests(make_volume(changed))
    assert [index for index, pair in enumerate(zip(before, after, strict=True)) if pair[0] != pair[1]] == [4]


def test_slices_that_show_nothing_have_no_digest() -> None:
    voxels = np.zeros((4, 64, 64))
    voxels[1] = 7  # constant
    voxels[2, 30:34, 30:34] = np.arange(16).reshape(4, 4)  # a mark on padding
    voxels[3] = np.random.default_rng(4).normal(size=(64, 64))
    assert len(slice_digests(make_volume(voxels))) == 1


def test_the_shape_is_part_of_a_digest() -> None:
    row = np.arange(400.0)
    assert slice_digests(make_volume(row.reshape(1, 20, 20))) != slice_digests(make_volume(row.reshape(1, 10, 40)))
