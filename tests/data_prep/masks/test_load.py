"""Rows of one exam become one annotated exam, whatever forms their files have."""

from pathlib import Path

import numpy as np
import pytest

from data_prep.masks.load import load_annotated
from tests.data_prep.masks.making import (
    blob,
    described,
    grey,
    put,
    put_segmentation,
    put_series,
    rows_of,
    slab,
)

SHAPE = (6, 48, 40)


@pytest.fixture
def folder(tmp_path) -> Path:
    """A volume v.npy and masks for it."""
    np.save(tmp_path / "v.npy", np.stack([grey(seed=number) for number in range(6)]))
    np.save(tmp_path / "acl.npy", slab(SHAPE, 3, 5))
    np.save(tmp_path / "pcl.npy", slab(SHAPE, 0, 2))
    put(tmp_path / "slice.png", blob())
    put(tmp_path / "other.png", blob(left=25))
    return tmp_path


def test_a_picture(tmp_path):
    put(tmp_path / "a.png", grey())
    put(tmp_path / "m.png", blob())
    row = {"image": "a.png", "mask": "m.png", "split": "val", "row_mm": 0.4, "column_mm": 0.5}
    one = load_annotated(rows_of(tmp_path, row))
    assert (one.exam_id, one.patient_id, one.split, one.structures) == ("e", "p", "val", ("acl",))
    assert one.spacing_mm == (1.0, 0.4, 0.5)
    np.testing.assert_array_equal(one.voxels[0], grey())
    np.testing.assert_array_equal(one.labels[0], blob())
    assert one.drawn.tolist() == [True]


def test_several_structures_in_our_order(folder):
    rows = rows_of(
        folder,
        {"image": "v.npy", "mask": "pcl.npy", "structure": "pcl"},
        {"image": "v.npy", "mask": "acl.npy", "structure": "acl"},
        {"image": "v.npy", "empty": "yes", "structure": "menisci"},
    )
    one = load_annotated(rows)
    assert one.structures == ("acl", "pcl", "menisci")
    np.testing.assert_array_equal(one.mask("acl"), slab(SHAPE, 3, 5))
    np.testing.assert_array_equal(one.mask("pcl"), slab(SHAPE, 0, 2))
    assert not one.mask("menisci").any()
    assert one.drawn.all()


def test_several_slices(folder):
    rows = rows_of(
        folder,
        {"image": "v.npy", "mask": "slice.png", "slice": 4},
        {"image": "v.npy", "mask": "other.png", "slice": 1},
        {"image": "v.npy", "empty": "yes", "slice": 5},
    )
    one = load_annotated(rows)
    assert np.flatnonzero(one.drawn).tolist() == [1, 4, 5]
    np.testing.assert_array_equal(one.labels[4], blob())
    np.testing.assert_array_equal(one.labels[1], blob(left=25))
    assert one.labels.sum() == 2 * blob().sum()


def test_pictures_of_one_exam(tmp_path):
    for name, seed in (("a", 0), ("b", 1)):
        put(tmp_path / f"{name}.png", grey(seed=seed))
        put(tmp_path / f"{name}_mask.png", blob(left=5 + seed))
    rows = rows_of(
        tmp_path,
        {"image": "a.png", "mask": "a_mask.png", "slice": 12},
        {"image": "b.png", "mask": "b_mask.png", "slice": 11},
    )
    one = load_annotated(rows)
    np.testing.assert_array_equal(one.voxels, [grey(seed=1), grey(seed=0)])
    np.testing.assert_array_equal(one.labels, [blob(left=6), blob(left=5)])


def test_a_slice_is_drawn_where_all_structures_are_known(folder):
    rows = rows_of(
        folder,
        {"image": "v.npy", "mask": "acl.npy", "structure": "acl", "drawn": "2:6"},
        {"image": "v.npy", "mask": "other.png", "structure": "pcl", "slice": 3},
    )
    one = load_annotated(rows)
    assert np.flatnonzero(one.drawn).tolist() == [3]
    assert set(np.unique(one.labels[3])) == {0, 1, 2}
    assert not one.labels[[0, 1, 2, 4, 5]].any()
    rows = rows_of(
        folder,
        {"image": "v.npy", "mask": "acl.npy", "structure": "acl", "drawn": "3:6"},
        {"image": "v.npy", "mask": "other.png", "structure": "pcl", "slice": 1},
    )
    with pytest.raises(ValueError, match="no slice on which all of acl, pcl are drawn"):
        load_annotated(rows)


def test_a_pixel_of_two_structures_belongs_to_the_smaller_one(tmp_path):
    put(tmp_path / "a.png", grey())
    put(tmp_path / "femur.png", femur := blob(top=5, left=5, high=20, wide=20))
    put(tmp_path / "cartilage.png", rim := blob(top=20, left=5, high=10, wide=20))
    rows = rows_of(
        tmp_path,
        {"image": "a.png", "mask": "cartilage.png", "structure": "cartilage"},
        {"image": "a.png", "mask": "femur.png", "structure": "femur"},
    )
    one = load_annotated(rows)
    np.testing.assert_array_equal(one.mask("cartilage")[0], rim)
    np.testing.assert_array_equal(one.mask("femur")[0], femur & ~rim)


def test_the_same_mask_as_two_structures_is_refused_and_boxes_may_overlap(folder):
    np.save(folder / "again.npy", slab(SHAPE, 3, 5))
    rows = rows_of(
        folder,
        {"image": "v.npy", "mask": "acl.npy", "structure": "acl"},
        {"image": "v.npy", "mask": "again.npy", "structure": "pcl"},
    )
    with pytest.raises(ValueError, match=r"again.npy: 100% of pcl lies in acl"):
        load_annotated(rows)
    rows = rows_of(
        folder,
        {"image": "v.npy", "box": "2:4|2:20|2:20", "structure": "acl"},
        {"image": "v.npy", "box": "2:4|4:12|4:20", "structure": "pcl"},
    )
    assert load_annotated(rows).mask("pcl").sum() == 2 * 8 * 16


def test_two_rows_that_say_the_same_are_refused(folder):
    rows = rows_of(folder, {"image": "v.npy", "mask": "acl.npy"}, {"image": "v.npy", "mask": "slice.png", "slice": 2})
    with pytest.raises(ValueError, match=r"row 3: .*slice.png: another row says where acl is on slice 2"):
        load_annotated(rows)


def test_a_series_with_a_segmentation_and_a_picture(tmp_path):
    images = put_series(tmp_path / "knee")
    mask = slab((8, 40, 36), 2, 4)
    put_segmentation(tmp_path / "m.dcm", images, mask, [described(1, "Femur")])
    put(tmp_path / "m.png", pcl := blob(40, 36, top=25, left=20))
    rows = rows_of(
        tmp_path,
        {"image": "knee", "mask": "m.dcm", "drawn": "shown"},
        {"image": "knee", "mask": "m.png", "slice": images[3].SOPInstanceUID, "structure": "pcl"},
    )
    one = load_annotated(rows)
    assert (one.structures, one.spacing_mm) == (("pcl", "femur"), (3.0, 0.5, 0.5))
    assert np.flatnonzero(one.drawn).tolist() == [3]
    np.testing.assert_array_equal(one.mask("pcl")[3], pcl)
    np.testing.assert_array_equal(one.mask("femur")[3], mask[3] & ~pcl)


def test_rows_of_two_exams_are_refused(folder):
    first = rows_of(folder, {"image": "v.npy", "mask": "acl.npy"})
    second = rows_of(folder, {"image": "v.npy", "mask": "acl.npy", "exam_id": "f"})
    with pytest.raises(ValueError, match="of several exams"):
        load_annotated([*first, *second])
    with pytest.raises(ValueError, match="at least one row"):
        load_annotated([])
