"""Label maps: the same for the same numbers, made once, and of knees that differ."""

from pathlib import Path

import numpy as np
import pytest

from data_prep.phantom.anatomy import Anatomy
from data_prep.phantom.ligament import FEMORAL_END, TIBIAL_END
from data_prep.phantom.scanner import PROFILES, place
from data_prep.phantom.tissues import NUMBERS
from data_prep.randomise import label_maps
from data_prep.randomise.label_maps import GRID, load_maps, make, oblique, varied_anatomy

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("maps")


def test_maps_are_made_once_and_are_the_same(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load_maps(folder, 3, 2)
    files = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert len(files) == 2
    again = load_maps(folder, 3, 2)
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == files
    assert np.array_equal(first[1].tissues, again[1].tissues)
    assert np.array_equal(first[1].tissues, make(3, 1).tissues)
    assert not np.array_equal(first[0].tissues, first[1].tissues)
    for one in first:
        assert one.tissues.dtype == np.uint8
        assert one.spacing_mm == pytest.approx((2.0, 0.625, 0.625))
        shown = np.isin(one.tissues, (NUMBERS["acl"], NUMBERS["acl tear"]))
        assert np.array_equal(one.ligament_pixels, shown.sum(axis=(1, 2)))
        assert 3 <= (one.ligament_pixels > 0).sum() <= 16
    monkeypatch.setattr(label_maps, "digest", lambda: "of other shapes")
    monkeypatch.setattr(label_maps, "make", lambda seed, index: first[0])
    load_maps(folder, 3, 1)
    assert len(list(folder.iterdir())) == 3


def test_slices_turn_about_the_legs_axis() -> None:
    for seed in range(4):
        scan = place(PROFILES[0], Anatomy.draw(np.random.default_rng(seed)), np.random.default_rng(seed))
        turned = oblique(scan, 10.0)
        assert turned.directions @ turned.directions.T == pytest.approx(np.eye(2), abs=1e-6)
        assert np.degrees(np.arccos(scan.normal @ turned.normal)) == pytest.approx(10, abs=0.5)
        # the ligament runs to the side, to the back and up: slices that are turned towards it leave it less
        along = scan.knee_axes @ np.array(FEMORAL_END) - scan.knee_axes @ np.array(TIBIAL_END)
        outwards = scan.knee_axes[:, 0]
        before, after = (float(along @ one.normal * np.sign(outwards @ one.normal)) for one in (scan, turned))
        assert after < before


def test_knees_differ_more_than_those_of_a_cohort() -> None:
    rng = np.random.default_rng(1)
    usual = np.array([Anatomy.draw(rng).flexion for _ in range(100)])
    wide = np.array([varied_anatomy(rng).flexion for _ in range(100)])
    assert wide.std() > usual.std()
    assert GRID.thickness_mm == (2.0, 2.0)
