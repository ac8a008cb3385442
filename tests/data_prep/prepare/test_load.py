from dataclasses import replace

import numpy as np
import pytest

from data_prep.errors import UnsuitableStudy
from data_prep.prepare.load import ligament_box, ligament_mask, load_exam, signature
from data_prep.tables.exams import Exam, read_exams
from tests.data_prep.dicom_factory import encode, make_series
from tests.data_prep.exam_factory import noise, write_exam

pytestmark = pytest.mark.slow


def test_the_series_or_study_of_the_row_is_read_from_a_shared_folder(tmp_path):
    first, second = write_exam(tmp_path, 1), write_exam(tmp_path, 2)
    for file in second.path.iterdir():
        file.rename(first.path / f"other-{file.name}")
    both = replace(first, study_uid="")
    for number, exam in ((1, first), (2, replace(first, study_uid=second.study_uid))):
        assert np.array_equal(load_exam(exam).voxels, noise(number))
    assert np.array_equal(load_exam(replace(both, series_uid=f"{second.study_uid}.1")).voxels, noise(2))
    with pytest.raises(UnsuitableStudy, match="2 patients"):
        load_exam(both)


def test_a_series_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(UnsuitableStudy, match="no image"):
        load_exam(replace(write_exam(tmp_path, 1), series_uid="1.2.3"))


def test_of_two_knees_the_one_on_the_side_of_the_row(tmp_path):
    for series, side in ((1, "L"), (2, "RIGHT")):
        for image in make_series(series=series, Laterality=side):
            (tmp_path / f"{image.SOPInstanceUID}.dcm").write_bytes(encode(image))
    exam = Exam("a", "p", tmp_path, study_uid="2.25.77")
    assert {side: load_exam(replace(exam, laterality=side)).series_uid for side in "LR"} == {
        "L": "2.25.77.1",
        "R": "2.25.77.2",
    }
    with pytest.raises(UnsuitableStudy, match="two knees"):
        load_exam(exam)


def test_an_array_takes_its_spacing_from_the_table(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, noise(0))
    exam = Exam("a", "p", path, spacing_mm=(4.0, 0.6, 0.6), laterality="L")
    volume = load_exam(exam)
    assert np.array_equal(volume.voxels, noise(0))
    assert (volume.spacing_mm, volume.laterality) == (exam.spacing_mm, "L")
    with pytest.raises(ValueError, match="exam a: an array has no spacing"):
        load_exam(replace(exam, spacing_mm=None))


@pytest.mark.parametrize(
    ("shape", "spacing", "says"),
    [
        ((8, 9, 9), (4.0, 1e-3, 0.6), "Exam a can't be predicted on: PixelSpacing is 0.001"),
        ((8, 9, 9), (1e7, 0.6, 0.6), "slices lie 1e[+]07 mm apart"),
        ((600, 9, 9), (0.5, 0.6, 0.6), "600 slices"),
    ],
)
def test_an_array_that_is_no_knee_is_refused_before_it_is_read(tmp_path, shape, spacing, says):
    """An exam can be made without a table."""
    path = tmp_path / "a.npy"
    np.save(path, np.ones(shape, np.float32))
    with pytest.raises(UnsuitableStudy, match=says):
        load_exam(Exam("a", "p", path, spacing_mm=spacing))


def test_the_ligament_is_its_mask_or_its_box(knees):
    exam = read_exams(knees / "exams.csv")[0]
    shape = load_exam(exam).shape
    with np.load(exam.mask) as truth:
        acl = truth["acl"]
    assert np.array_equal(ligament_mask(exam, shape), acl)
    boxed = ligament_mask(replace(exam, mask=None), shape)
    assert (boxed & acl).sum() == acl.sum()
    assert boxed.sum() == np.prod([stop - start for start, stop in exam.box])
    assert ligament_box(exam) == ligament_box(replace(exam, box=None))
    assert ligament_mask(replace(exam, mask=None, box=None), shape) is None


@pytest.mark.parametrize("change", [{"mask": None, "box": ((5, 10), (0, 5), (0, 5))}, {}])
def test_a_mask_or_box_beside_the_volume_is_named(knees, change):
    exam = replace(read_exams(knees / "exams.csv")[0], **change)
    with pytest.raises(ValueError, match=f"exam {exam.exam_id}: its (mask|box)"):
        ligament_mask(exam, (9, 40, 40))


def test_the_signature_follows_files_and_row(tmp_path):
    exam = write_exam(tmp_path, 1)
    before = signature(exam)
    assert signature(replace(exam, notes="seen")) == before
    assert signature(replace(exam, series_uid="1.2")) != before
    (exam.path / "9.dcm").write_bytes(encode(make_series(1)[0]))
    assert signature(exam) != before
