"""Is a synthetic knee a knee, and is its truth true?"""

import dataclasses
import itertools

import numpy as np
import pytest

from data_prep.labels import FOUR_CLASS
from data_prep.phantom import Phantom, generate
from data_prep.phantom.scanner import PROFILES
from data_prep.phantom.scene import BONE_NAMES
from tests.data_prep.conftest import SEEDS, in_mm

pytestmark = pytest.mark.slow

HEALTHY, STRAIN, PARTIAL, COMPLETE = FOUR_CLASS.classes
# Smallest and largest extents in mm, of the two real label maps that anatomy.py names, with 12 % to either side for
# people who are smaller or larger, and for thick slices.
FEMUR_WIDTH, TIBIA_WIDTH = (0.88 * 75.6, 1.12 * 86.8), (0.88 * 71.4, 1.12 * 81.2)
PATELLA_HEIGHT, PATELLA_DEPTH = (0.88 * 39.4, 1.12 * 44.1), (0.80 * 21.1, 1.12 * 23.7)
JOINT_GAP_MM = (2.0, 9.0)  # between femur and tibia under a condyle; 4 to 6 in the label maps
FOOTPRINT_MM = 4.0  # a ligament's end lies no further than this from its bone: a thick slice's worth


def extent(points: np.ndarray, axis: int) -> float:
    return float(np.ptp(points[:, axis]))


def bone(phantom: Phantom, name: str) -> np.ndarray:
    return in_mm(phantom, phantom.bones == 1 + BONE_NAMES.index(name))


def nearest_mm(points: np.ndarray, others: np.ndarray) -> float:
    """Distance between two sets of points; `others` thinned to what is near, to keep the table small."""
    close = others[(np.abs(others - points.mean(axis=0)) < 40).all(axis=1)]
    return float(min(np.linalg.norm(close - point, axis=1).min() for point in points[:: max(1, len(points) // 20)]))


def mean_in_ligament(phantom: Phantom) -> float:
    """Mean signal in the ligament's mask, in units of the tibia's marrow."""
    return float(phantom.pixels[phantom.acl].mean() / phantom.pixels[phantom.bones == 2].mean())


def test_same_seed_same_knee_and_another_seed_another() -> None:
    small = dataclasses.replace(PROFILES[0], acquired=(96,), matrices=(96,))
    first, second, other = generate(5, PARTIAL, small), generate(5, PARTIAL, small), generate(6, PARTIAL, small)
    assert np.array_equal(first.pixels, second.pixels)
    assert np.array_equal(first.acl, second.acl)
    assert first.parameters == second.parameters
    assert first.to_volume().digest() == second.to_volume().digest() != other.to_volume().digest()


def test_unknown_class_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="no class 'torn'"):
        generate(1, "torn")


def test_bones_have_the_sizes_of_the_label_maps(healthy: list[Phantom]) -> None:
    for phantom in healthy:
        patella = bone(phantom, "patella")
        assert FEMUR_WIDTH[0] < extent(bone(phantom, "femur"), 0) < FEMUR_WIDTH[1]
        assert TIBIA_WIDTH[0] < extent(bone(phantom, "tibia"), 0) < TIBIA_WIDTH[1]
        assert PATELLA_HEIGHT[0] < extent(patella, 2) < PATELLA_HEIGHT[1] * phantom.parameters["anatomy.size"]
        assert PATELLA_DEPTH[0] < extent(patella, 1) < PATELLA_DEPTH[1] * phantom.parameters["anatomy.size"]


def test_joint_gap_is_that_of_the_label_maps(healthy: list[Phantom]) -> None:
    for phantom in healthy:
        femur, tibia = phantom.bones == 1, phantom.bones == 2
        slices = [i for i in range(len(femur)) if femur[i].any() and tibia[i].sum() * phantom.scan.pixel_mm**2 > 800]
        gaps = []
        for i in slices:
            both = femur[i].any(axis=0) & tibia[i].any(axis=0)
            lowest = femur.shape[1] - 1 - femur[i][::-1].argmax(axis=0)
            gaps.append((tibia[i].argmax(axis=0) - lowest)[both].min() * phantom.scan.pixel_mm)
        assert JOINT_GAP_MM[0] < np.median(gaps) < JOINT_GAP_MM[1]
        assert min(gaps) > 0


def test_bones_do_not_overlap_the_ligament(phantoms: dict[str, list[Phantom]]) -> None:
    for phantom in itertools.chain(*phantoms.values()):
        assert not (phantom.acl & (phantom.bones > 0)).any()


def test_ligament_runs_from_the_femur_down_and_forward_to_the_tibia(healthy: list[Phantom]) -> None:
    for phantom in healthy:
        ligament = in_mm(phantom, phantom.acl)
        height = ligament[:, 2]
        top, bottom = ligament[height > np.percentile(height, 90)], ligament[height < np.percentile(height, 10)]
        assert nearest_mm(top, bone(phantom, "femur")) < FOOTPRINT_MM
        assert nearest_mm(bottom, bone(phantom, "tibia")) < FOOTPRINT_MM
        assert bottom[:, 1].mean() < top[:, 1].mean()  # y grows to the back
        towards_lateral = 1 if phantom.scan.side == "L" else -1  # x grows to the patient's left
        assert (top[:, 0].mean() - bottom[:, 0].mean()) * towards_lateral > 0
        assert 15 < np.ptp(height) < 40


def test_fibula_lies_on_the_lateral_side(healthy: list[Phantom]) -> None:
    for phantom in healthy:
        if phantom.parameters["anatomy.fibula"]:
            offset = bone(phantom, "fibula")[:, 0].mean() - bone(phantom, "tibia")[:, 0].mean()
            assert (offset > 0) == (phantom.scan.side == "L")


def test_the_box_is_the_tightest_around_the_mask(healthy: list[Phantom]) -> None:
    for phantom in healthy:
        inside = tuple(slice(*span) for span in phantom.box)
        assert phantom.acl[inside].sum() == phantom.acl.sum() > 0
        for axis in range(3):
            assert phantom.acl[inside].take([0, -1], axis=axis).any(axis=tuple({0, 1, 2} - {axis})).all()


def test_injury_brightens_the_ligament_and_nothing_else(phantoms: dict[str, list[Phantom]]) -> None:
    for index in range(len(SEEDS)):
        levels = {label: mean_in_ligament(phantoms[label][index]) for label in FOUR_CLASS.classes}
        assert levels[HEALTHY] < min(levels[STRAIN], levels[COMPLETE])
    everywhere = {
        label: np.mean([np.median(p.pixels / p.pixels.max()) for p in knees]) for label, knees in phantoms.items()
    }
    assert max(everywhere.values()) < 1.3 * min(everywhere.values())


def test_only_the_ligament_differs_between_states(phantoms: dict[str, list[Phantom]]) -> None:
    """Strain and rupture of one seed: the same knee, scan and noise, to the last grey value away from the ligament."""
    for strained, torn in zip(phantoms[STRAIN], phantoms[COMPLETE], strict=True):
        assert strained.to_volume().positions_mm == pytest.approx(torn.to_volume().positions_mm)
        assert np.mean(strained.pixels == torn.pixels) > 0.95
        assert not np.array_equal(strained.pixels[torn.acl], torn.pixels[torn.acl])


def test_complete_rupture_leaves_no_dark_band(phantoms: dict[str, list[Phantom]]) -> None:
    """Along a healthy ligament every level has dark fibres; along a torn one some level has none."""

    def brightest_level(phantom: Phantom) -> float:
        rows = [row for row in range(phantom.pixels.shape[1]) if phantom.acl[:, row].sum() > 5]
        darkest = [np.percentile(phantom.pixels[:, row][phantom.acl[:, row]], 20) for row in rows]
        return float(max(darkest) / np.percentile(phantom.pixels, 99.5))

    for healthy, torn in zip(phantoms[HEALTHY], phantoms[COMPLETE], strict=True):
        assert brightest_level(torn) > brightest_level(healthy)


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
def test_profiles_stay_within_the_ranges_of_the_specification(profile) -> None:
    small = dataclasses.replace(profile, acquired=(64,))
    for seed in range(4):
        scan = generate(seed, HEALTHY, small).scan
        assert 0.3 <= scan.pixel_mm <= 0.6
        assert 3 <= scan.thickness_mm <= scan.spacing_mm <= 4.6
        assert 18 <= scan.slices <= 40
        assert np.abs(scan.directions @ scan.directions.T - np.eye(2)).max() < 1e-6
        assert abs(scan.normal[0]) > np.cos(np.radians(30))  # sagittal, however oblique
