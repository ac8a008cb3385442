"""Masks of exam tables and synthetic knees are the masks and boxes that these have."""

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data_prep.labels import FOUR_CLASS
from data_prep.masks.load import load_annotated
from data_prep.masks.sources import rows_of_exams, rows_of_phantoms, rows_of_segmentations
from data_prep.masks.structures import STRUCTURES
from data_prep.masks.table import read_masks, write_masks
from data_prep.phantom.cohort import Cohort
from data_prep.tables.exams import Exam, read_exams
from tests.data_prep.masks.making import described, put_segmentation, put_series, slab

pytestmark = pytest.mark.slow

BOX = ((1, 4), (5, 20), (6, 18))


def array(folder: Path, name: str = "a.npy", **more: object) -> Exam:
    """An exam that is an array."""
    voxels = np.random.default_rng(1).integers(0, 900, (6, 40, 36)).astype("i2")
    if name.endswith(".pck"):
        (folder / name).write_bytes(pickle.dumps(voxels, 2))
    else:
        np.save(folder / name, voxels)
    return Exam("e", "p", folder / name, spacing_mm=(3.0, 0.5, 0.4), **more)


@pytest.mark.parametrize("name", ["a.npy", "a.pck"])
def test_a_box_as_kneemri_has_it(tmp_path, name):
    (row,) = rows_of_exams([array(tmp_path, name, box=BOX, split="test")])
    write_masks([row], tmp_path / "masks.csv")
    one = load_annotated(read_masks(tmp_path / "masks.csv"))
    assert (one.spacing_mm, one.split, one.structures) == ((3.0, 0.5, 0.4), "test", ("acl",))
    marked = np.argwhere(one.labels)
    assert marked.min(axis=0).tolist() == [1, 5, 6]
    assert marked.max(axis=0).tolist() == [3, 19, 17]
    assert one.labels.sum() == 3 * 15 * 12
    assert one.drawn.all()


def test_a_mask_counts_before_a_box_and_exams_without_both_are_left_out(tmp_path):
    mask = np.zeros((6, 40, 36), bool)
    mask[2:4, 8:14, 9:12] = True
    np.savez(tmp_path / "m.npz", acl=mask, bones=mask)
    exam = array(tmp_path, box=BOX, mask=tmp_path / "m.npz")
    (row,) = rows_of_exams([exam, replace(exam, exam_id="f", mask=None, box=None)])
    np.testing.assert_array_equal(load_annotated([row]).mask("acl"), mask)
    with pytest.raises(ValueError, match="no exam of this table has a mask or a box"):
        rows_of_exams([replace(exam, mask=None, box=None)])


def test_segmentations_find_their_exams(tmp_path):
    put_series(tmp_path / "studies" / "a", StudyInstanceUID="2.25.1")
    others = put_series(tmp_path / "studies" / "a", series=2, StudyInstanceUID="2.25.1")
    images = put_series(tmp_path / "studies" / "b", series=3, StudyInstanceUID="2.25.2")
    lost = put_series(tmp_path / "studies" / "c", series=4, StudyInstanceUID="2.25.3")
    (tmp_path / "drawn").mkdir()
    (tmp_path / "drawn" / "notes.txt").write_text("not DICOM")
    for number, drawn_on in enumerate((others, images, lost)):
        mask = slab((8, 40, 36), number, number + 1)
        put_segmentation(tmp_path / "drawn" / f"{number}.dcm", drawn_on, mask, [described(1, "ACL")])
    first = Exam("a", "p", tmp_path / "studies" / "a", study_uid="2.25.1", series_uid="2.25.77.1", split="val")
    second = Exam("b", "q", tmp_path / "studies" / "b", study_uid="2.25.2")
    rows, left = rows_of_segmentations(tmp_path / "drawn", [first, second])
    write_masks(rows, tmp_path / "masks.csv")
    rows = read_masks(tmp_path / "masks.csv")
    assert [(row.exam_id, row.series_uid, row.split) for row in rows] == [
        ("a", "2.25.77.2", "val"),
        ("b", "2.25.77.3", ""),
    ]
    assert [path.name for path in left] == ["2.dcm"]
    for number, row in enumerate(rows):
        np.testing.assert_array_equal(load_annotated([row]).mask("acl"), slab((8, 40, 36), number, number + 1))
    with pytest.raises(ValueError, match=r"0.dcm: it may belong to several exams of its study: a, z"):
        rows_of_segmentations(tmp_path / "drawn", [first, replace(first, exam_id="z")])
    with pytest.raises(ValueError, match="studies: it holds no DICOM Segmentation"):
        rows_of_segmentations(tmp_path / "studies", [first])


@pytest.mark.slow
def test_a_synthetic_cohort_gets_masks_of_all_structures(tmp_path):
    Cohort(seed=4).write(tmp_path, 1)
    exams = read_exams(tmp_path / "exams.csv")
    (ligament,) = (load_annotated([row]) for row in rows_of_exams(exams))
    write_masks(rows_of_phantoms(exams, STRUCTURES), tmp_path / "masks.csv")
    one = load_annotated(read_masks(tmp_path / "masks.csv"))
    assert one.structures == STRUCTURES
    np.testing.assert_array_equal(one.mask("acl"), ligament.mask("acl"))
    with np.load(exams[0].mask) as truth:
        bones = truth["bones"] > 0
    drawn = np.isin(one.labels, [1 + STRUCTURES.index(name) for name in ("femur", "tibia", "patella", "fibula")])
    assert (drawn == bones).mean() > 0.99
    other = next(name for name in FOUR_CLASS.classes if {name} != exams[0].four_class)
    for wrong in (replace(exams[0], four_class=frozenset({other})), replace(exams[0], patient_id="phantom-7")):
        with pytest.raises(ValueError, match="its seed gives another knee"):
            rows_of_phantoms([wrong], ("acl",))


def test_only_synthetic_exams_can_be_made_again(tmp_path):
    with pytest.raises(ValueError, match="exam e: it isn't a synthetic exam"):
        rows_of_phantoms([array(tmp_path, box=BOX)], ("acl",))
