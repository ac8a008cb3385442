"""KneeMRI's folder as published, on a small scale: pickles of Python 2, several series of one exam, boxes."""

from pathlib import Path

import numpy as np
import pytest

from data_prep.errors import MalformedInput
from data_prep.labels import FOUR_CLASS
from data_prep.prepare.array_files import read_array
from data_prep.prepare.load import ligament_mask, load_exam
from tests.data_prep.importers.asking import ask, change, check_german_excel_changes_nothing, exams_of, write_csv
from tests.data_prep.old_pickles import old_pickle

HEALTHY, STRAIN, PARTIAL, COMPLETE = FOUR_CLASS.classes
HEADER = (
    *("examId", "seriesNo", "aclDiagnosis", "kneeLR"),
    *("roiX", "roiY", "roiZ", "roiHeight", "roiWidth", "roiDepth", "volumeFilename"),
)
ROWS = [
    (329637, 8, 0, 1, 20, 12, 4, 9, 11, 3, "329637-8.pck"),
    (329637, 9, 0, 1, 21, 13, 5, 8, 10, 2, "329637-9.pck"),
    (390116, 9, 1, 0, 18, 14, 3, 10, 12, 4, "390116-9.pck"),
    (404663, 8, 2, 1, 19, 15, 2, 11, 13, 5, "404663-8.pck"),
]
FOLDERS = ("vol01", "vol01", "vol04", "vol10")
SHAPE = (10, 40, 48)


def make_volume(row: int) -> np.ndarray:
    return np.random.default_rng(row).integers(0, 4096, SHAPE).astype("<i2")


@pytest.fixture
def root(tmp_path) -> Path:
    root = tmp_path / "KneeMRI"
    for number in range(1, 11):
        (root / f"vol{number:02d}").mkdir(parents=True)
    for number, (folder, row) in enumerate(zip(FOLDERS, ROWS, strict=True)):
        (root / folder / row[-1]).write_bytes(old_pickle(make_volume(number)))
    write_csv(root / "metadata.csv", [HEADER, *ROWS])
    return root


def test_every_fact_of_every_row(root, tmp_path):
    found = ask("kneemri", root)
    exams = exams_of(found, tmp_path)
    assert list(exams) == ["kneemri-329637-8", "kneemri-329637-9", "kneemri-390116-9", "kneemri-404663-8"]
    assert [row.place for row in found.rows] == [f"metadata.csv, row {n}" for n in (2, 3, 4, 5)]
    first, again, partial, complete = exams.values()
    assert first.patient_id == again.patient_id == "kneemri-329637"
    assert partial.patient_id == "kneemri-390116"
    assert (first.binary, first.four_class) == ({"healthy"}, {HEALTHY})
    assert (partial.binary, partial.four_class) == ({"unhealthy"}, {STRAIN, PARTIAL})
    assert (complete.binary, complete.four_class) == ({"unhealthy"}, {COMPLETE})
    assert [exam.readers for exam in exams.values()] == [f"aclDiagnosis={grade}" for grade in (0, 0, 1, 2)]
    assert complete.path == root / "vol10" / "404663-8.pck"
    for exam in exams.values():
        assert (exam.source, exam.scanner, exam.split) == ("kneemri", "siemens avanto 1.5t", "")
        assert (exam.spacing_mm, exam.notes, exam.laterality) == ((3.6, 0.5, 0.5), "spacing assumed", "unknown")
    assert "no patient ids" in found.notes[0]
    assert "3.6 mm between slices" in found.notes[1]
    assert "kneeLR is a number or empty in 4 rows" in found.notes[2]


def test_pixels_and_boxes(root):
    """roiX counts columns, roiY rows, roiZ slices, from 0."""
    exam = ask("kneemri", root, "--spacing", "3|0.4|0.4").rows[3].exam
    volume = load_exam(exam)
    np.testing.assert_array_equal(volume.voxels, make_volume(3))
    assert volume.spacing_mm == (3, 0.4, 0.4)
    mask = ligament_mask(exam, volume.shape)
    expected = np.zeros(SHAPE, bool)
    expected[2 : 2 + 5, 15 : 15 + 11, 19 : 19 + 13] = True
    np.testing.assert_array_equal(mask, expected)


@pytest.mark.parametrize(("text", "side"), [("L", "L"), ("left", "L"), ("R", "R"), ("Right", "R"), ("", "unknown")])
def test_sides_in_words(root, text, side):
    change(root / "metadata.csv", "390116,9,1,0,", f"390116,9,1,{text},")
    found = ask("kneemri", root)
    assert found.rows[2].exam.laterality == side


def test_a_forbidden_pickle_is_not_opened_here_and_refused_later(root):
    planted = root / "vol04" / "390116-9.pck"
    planted.write_bytes(b"\x80\x02cos\nsystem\nU\x04true\x85R.")
    exam = ask("kneemri", root).rows[2].exam
    with pytest.raises(MalformedInput, match=r"390116-9\.pck: .*asks for os\.system"):
        load_exam(exam)
    with pytest.raises(MalformedInput):
        read_array(planted)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("390116,9,1,0", "390116,9,3,0", "row 4, column aclDiagnosis: the label isn't one of kneemri's: 0, 1, 2"),
        ("390116,9,1,0", "390116,9,1,up", "row 4, column kneeLR: neither a side nor a number"),
        ("18,14,3,10,12,4", "18,14,-3,10,12,4", "row 4, column roiZ: not a whole number"),
        ("18,14,3,10,12,4", "18,14,3,0,12,4", "row 4, column roiHeight: a box must have a size"),
        ("18,14,3,10,12,4", "18,14,3,10,12", "row 4: it ends before column volumeFilename"),
        ("329637,9,", "329637,8,", "row 3: the same examId and seriesNo as metadata.csv, row 2"),
        ("329637-9.pck", "329637-8.pck", "row 3: the same volumeFilename as metadata.csv, row 2"),
        ("390116-9.pck", "390116-7.pck", "row 4: 390116-7.pck isn't in vol01 to vol10"),
        ("390116-9.pck", "../metadata.csv", r"row 4: \.\./metadata\.csv isn't in vol01 to vol10"),
    ],
)
def test_mistakes_in_the_table_are_named_by_row(root, old, new, message):
    change(root / "metadata.csv", old, new)
    with pytest.raises(ValueError, match=f"^metadata.csv, {message}"):
        ask("kneemri", root)


def test_a_volume_that_lies_in_two_folders_is_refused(root):
    (root / "vol05" / "390116-9.pck").write_bytes(old_pickle(make_volume(7)))
    with pytest.raises(ValueError, match=r"^metadata.csv, row 4: 390116-9.pck is 2 times in vol01 to vol10"):
        ask("kneemri", root)


def test_a_missing_column_and_a_wrong_root(root):
    change(root / "metadata.csv", "roiDepth", "depth")
    with pytest.raises(
        ValueError, match=r"^metadata\.csv: no column roiDepth; its columns are examId, .* depth, volumeFilename$"
    ):
        ask("kneemri", root)
    with pytest.raises(ValueError, match=r"--root .* holds no metadata\.csv; KneeMRI's folder has .*vol01 to vol10"):
        ask("kneemri", root / "vol01")


def test_tables_that_a_german_excel_saved_again_say_the_same(root):
    check_german_excel_changes_nothing("kneemri", root)
