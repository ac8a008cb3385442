"""From a segmenter's mask to a box, or to the reason why there is none."""

from dataclasses import replace

import numpy as np
import pytest

from data_prep.boxes import bounding_box
from data_prep.network_input.coarse import Coarse
from models.segment.network_localiser import EMPTY, IMPLAUSIBLE, MARGIN_MM, NetworkLocaliser, box_around
from models.segment.plausible import Plausible
from tests.conftest import make_volume
from tests.models.segment.bright import bright
from tests.models.segment.test_segmenter import PLAUSIBLE, SPACING_MM, dice, knee

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def localiser() -> NetworkLocaliser:
    return NetworkLocaliser(bright(plausible=PLAUSIBLE))


def coarse(voxels: np.ndarray) -> Coarse:
    return Coarse.of(make_volume(voxels, SPACING_MM))


def test_the_box_is_the_masks_with_a_margin(localiser):
    voxels, mask = knee()
    found = localiser.locate(coarse(voxels))
    assert dice(found.mask, mask) > 0.9
    assert found.notices == ()
    for (start, stop), (first, last), step in zip(found.box, bounding_box(mask), SPACING_MM, strict=True):
        assert start == pytest.approx(first - MARGIN_MM / step, abs=1)
        assert stop == pytest.approx(last + MARGIN_MM / step, abs=1) or stop == len(mask)


def test_the_box_stays_inside_the_volume():
    mask = np.ones((3, 10, 12), bool)
    assert box_around(mask, SPACING_MM) == ((0, 3), (0, 10), (0, 12))


def test_an_empty_mask_has_no_box(localiser):
    voxels = np.random.default_rng(0).random((4, 80, 80), np.float32)
    voxels[0, 0, 0] = 2  # so that nothing else is bright
    found = localiser.locate(coarse(voxels))
    assert (found.box, found.mask, [one.code for one in found.notices]) == (None, None, [EMPTY])


@pytest.mark.parametrize(
    ("ranges", "doubt"),
    [
        ({"volume_mm3": (3000.0, 9000.0)}, "this volume"),
        ({"row": (0.0, 0.2)}, "this position (row)"),
        ({"elongation": (5.0, 9.0)}, "this elongation"),
    ],
)
def test_an_implausible_mask_has_no_box(ranges, doubt):
    plausible: Plausible = replace(PLAUSIBLE, **ranges)
    found = NetworkLocaliser(bright(plausible=plausible)).locate(coarse(knee()[0]))
    assert (found.box, found.mask) == (None, None)
    (notice,) = found.notices
    assert notice.code == IMPLAUSIBLE
    assert doubt in notice.message


def test_a_segmenter_that_does_not_know_the_ligament_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"must know the ligament \(acl\); this segmenter knows femur"):
        NetworkLocaliser(bright(structures=("femur",)))
    bright(structures=("femur",)).save(tmp_path / "bones")
    with pytest.raises(ValueError, match=r"bones: .*knows femur"):
        NetworkLocaliser.load(tmp_path / "bones")


def test_it_finds_the_same_after_saving_and_loading(localiser, tmp_path):
    localiser.save(tmp_path)
    loaded = NetworkLocaliser.load(tmp_path)
    assert loaded.sha256 == localiser.sha256
    assert loaded.locate(coarse(knee()[0])).box == localiser.locate(coarse(knee()[0])).box


def test_the_digest_depends_on_what_is_plausible(localiser):
    assert NetworkLocaliser(bright()).sha256 != localiser.sha256
