"""Boxes from a table of diagnoses, on a series whose files lie in another order than its slices."""

import numpy as np
import pytest

from data_prep.prepare.load import ligament_mask, load_exam
from tests.data_prep.dicom_factory import encode, make_series
from tests.data_prep.importers.asking import ask, exams_of, write_csv

COLUMNS = ("study", "label", "box_x", "box_y", "box_width", "box_height", "box_slice", "box_slices")
BY_UID = (*COLUMNS[:6], "box_SOPInstanceUID", "box_last_SOPInstanceUID")


@pytest.fixture(scope="module")
def studies(tmp_path_factory):
    root = tmp_path_factory.mktemp("boxes") / "pacs"
    for place in (1, 2):
        (root / f"case {place}").mkdir(parents=True)
        for image in make_series(8, StudyInstanceUID=f"2.25.{place}", SeriesInstanceUID=f"2.25.{place}.1"):
            image.SOPInstanceUID = f"2.25.{place}.1.{image.InstanceNumber}"
            (root / f"case {place}" / f"{image.InstanceNumber}.dcm").write_bytes(encode(image))
    return root


def boxes(studies, tmp_path, *rows):
    found = ask("dicom", studies, "--diagnoses", write_csv(tmp_path / "d.csv", rows))
    return list(exams_of(found, tmp_path).values())


def test_a_box_by_slice_number(studies, tmp_path):
    first, second = boxes(studies, tmp_path, COLUMNS, ("case 1", 3, 2, "3,0", 4, 5.0, 1, 3), ("case 2", 0, *[""] * 6))
    assert first.box == ((1, 4), (3, 8), (2, 6))
    assert first.series_uid == "2.25.1.1"
    assert (second.box, second.series_uid) == (None, "")
    mask = ligament_mask(first, load_exam(first).shape)
    assert mask.sum() == 3 * 5 * 4


def test_a_box_by_sop_instance_uid_lies_in_the_slices_that_have_them(studies, tmp_path):
    uids = ("2.25.1.1.6", "2.25.1.1.4")
    (exam,) = boxes(studies, tmp_path, BY_UID, ("case 1", 3, 0, 0, 4, 5, *uids))
    volume = load_exam(exam)
    start, stop = exam.box[0]
    assert stop - start == 3
    assert set(uids) < set(volume.sop_uids[start:stop])
    (exam,) = boxes(studies, tmp_path, BY_UID, ("case 1", 3, 0, 0, 4, 5, uids[0], ""))
    assert volume.sop_uids[exam.box[0][0]] == uids[0]
    assert exam.box[0][1] - exam.box[0][0] == 1


def test_kneemris_names_mean_the_same(studies, tmp_path):
    names = ("study", "label", "roiX", "roiY", "roiWidth", "roiHeight", "roiZ", "roiDepth")
    (exam,) = boxes(studies, tmp_path, names, ("case 1", 3, 2, 3, 4, 5, 1, 3))
    assert exam.box == ((1, 4), (3, 8), (2, 6))


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ((2, 3, 4, 5, 7, 2), "row 2: its box ends at 9 of 8 slices; they count from 0"),
        ((2, 3, 4000, 5, 1, 1), r"row 2: its box ends at 4002 of \d+ columns"),
        ((2, 3, 4, 5000, 1, 1), r"row 2: its box ends at 5003 of \d+ rows"),
        ((2, 3, 0, 5, 1, 1), "row 2, column box_width: a box must have a size"),
        ((-2, 3, 4, 5, 1, 1), "row 2, column box_x: not a whole number"),
        ((2, "", 4, "", 1, 1), "row 2: its box lacks box_y, box_height"),
        ((2, 3, 4, 5, "", ""), "row 2: a box needs either box_slice or box_SOPInstanceUID"),
    ],
)
def test_a_box_that_cannot_be_is_named_by_row(studies, tmp_path, cells, message):
    with pytest.raises(ValueError, match=rf"^d\.csv, {message}"):
        boxes(studies, tmp_path, COLUMNS, ("case 1", 3, *cells))


def test_all_faults_of_all_boxes_are_told_at_once(studies, tmp_path):
    rows = [("case 1", 3, 0, 0, 4, 5, "2.25.2.1.1", ""), ("case 2", 3, 900, 0, 400, 5, "2.25.2.1.1", "")]
    with pytest.raises(ValueError, match="2 faults") as caught:
        boxes(studies, tmp_path, BY_UID, *rows)
    assert r"row 2: no slice of the chosen series (8 slices) has its SOPInstanceUID" in str(caught.value)
    assert "row 3: its box ends at 1300 of" in str(caught.value)


def test_readers_agree_on_the_box(studies, tmp_path):
    names = (*COLUMNS, "reader")
    row = ("case 1", 3, 2, 3, 4, 5, 1, 3)
    (exam,) = boxes(studies, tmp_path, names, (*row, "A"), ("case 1", 2, *[""] * 6, "B"), (*row, "C"))
    assert exam.box == ((1, 4), (3, 8), (2, 6))
    with pytest.raises(ValueError, match="row 3: another row has another box for the same study"):
        boxes(studies, tmp_path, names, (*row, "A"), (*row[:-1], 2, "B"))


def test_pixels_that_cannot_be_used_have_no_box_and_are_flagged_later(studies, tmp_path):
    root = tmp_path / "pacs"
    (root / "bad").mkdir(parents=True)
    for image in make_series(2, StudyInstanceUID="2.25.9", SeriesInstanceUID="2.25.9.1"):
        image.SOPInstanceUID = f"2.25.9.1.{image.InstanceNumber}"
        (root / "bad" / f"{image.InstanceNumber}.dcm").write_bytes(encode(image))
    (exam,) = boxes(root, tmp_path, COLUMNS, ("bad", 3, 2, 3, 4, 5, 1, 1))
    assert exam.box is None
    assert np.isfinite(exam.weight)
