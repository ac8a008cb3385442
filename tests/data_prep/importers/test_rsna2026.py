"""RSNA 2026's folder as published, on a small scale: reports with line breaks, soft values."""

import hashlib
import logging
from pathlib import Path

import pytest

from data_prep.labels import FOUR_CLASS
from data_prep.prepare.load import load_exam
from tests.data_prep.dicom_factory import encode, make_series
from tests.data_prep.importers.asking import ask, change, check_german_excel_changes_nothing, exams_of, write_csv

HEALTHY, STRAIN, PARTIAL, COMPLETE = FOUR_CLASS.classes
OTHERS = (
    *("MCL", "Medial Meniscus", "Lateral Meniscus", "Medial OA", "Lateral OA", "PF OA", "Effusion", "Synovitis"),
    *("Baker's", "Contusion", "Fracture"),
)
REPORT = 'MRI left knee.\nFindings: the "ACL" is torn,\r\n\r\nsee image 12.'
SAME = '  MRI LEFT KNEE. \t FINDINGS: THE "ACL" IS TORN, SEE\nIMAGE 12.'
STUDIES = [("2.25.1", REPORT, "1.0"), ("2.25.2", "Intact ligaments.", "0.0"), ("2.25.3", "", ""), ("2.25.4", SAME, "")]
SERIES = [
    # study, series, fluid-sensitive, fat-suppressed, plane
    ("2.25.1", "2.25.1.10", "0", "0", "Sagittal"),
    ("2.25.1", "2.25.1.9", "1.0", "0.0", "Sagittal"),
    ("2.25.1", "2.25.1.30", "1", "1", "Sagittal"),
    ("2.25.1", "2.25.1.20", "True", "yes", "sagittal"),
    ("2.25.1", "2.25.1.1", "1", "1", "Axial"),
    ("2.25.2", "2.25.2.1", "no", "FALSE", "Sagittal"),
    ("2.25.2", "2.25.2.2", "", "", "Sagittal"),
    ("2.25.3", "2.25.3.1", "1", "1", "Coronal"),
    ("2.25.4", "2.25.4.1", "1", "1", "Sagittal"),
]


@pytest.fixture
def root(tmp_path) -> Path:
    root = tmp_path / "rsna-2026-knee"
    for study, series, *_ in SERIES:
        (root / "train_series" / study / series).mkdir(parents=True)
    header = ["StudyInstanceUID", "Report", "ACL", *OTHERS]
    write_csv(root / "train.csv", [header, *([*study, *[""] * len(OTHERS)] for study in STUDIES)])
    header = ["StudyInstanceUID", "SeriesInstanceUID", "Fluid_Sensitive", "Fat_Suppression", "Anatomical_Plane"]
    write_csv(root / "train_series.csv", [header, *SERIES])
    return root


@pytest.fixture
def soft(tmp_path) -> Path:
    rows = [("2.25.1", 0.25, 0.9), ("2.25.3", 0.83, 0.1), ("2.25.4", "", 0.5)]
    return write_csv(tmp_path / "soft.csv", [("StudyInstanceUID", "ACL", "torn"), *rows])


def test_every_fact_of_every_row(root, tmp_path):
    found = ask("rsna2026", root)
    exams = exams_of(found, tmp_path)
    assert list(exams) == ["2.25.1", "2.25.2", "2.25.3", "2.25.4"]
    assert [row.place for row in found.rows] == [f"train.csv, row {n}" for n in (2, 3, 4, 5)]
    torn, whole, unsaid, _ = exams.values()
    assert (torn.binary, torn.four_class) == ({"unhealthy"}, {PARTIAL, COMPLETE})
    assert (whole.binary, whole.four_class) == ({"healthy"}, {HEALTHY, STRAIN, PARTIAL})
    assert (unsaid.binary, unsaid.four_class) == (set(), set())
    assert [exam.readers for exam in exams.values()] == ["train.csv=1.0", "train.csv=0.0", "", ""]
    assert {(exam.source, exam.weight, exam.laterality, exam.split) for exam in exams.values()} == {
        ("rsna2026", 1.0, "unknown", "")
    }
    assert all(exam.patient_id == exam.study_uid == name for name, exam in exams.items())
    assert "Every study has a different PatientID" in found.notes[0]
    assert "2 of 4 studies have no label" in found.notes[1]
    assert found.notes[2] == "1 of 4 studies have no sagittal series by train_series.csv: 2.25.3."


def test_the_series_that_shows_the_ligament_best(root):
    """Fluid-sensitive before fat-suppressed; unknown before no; the lowest UID, as text, of equals."""
    chosen = [row.exam.series_uid for row in ask("rsna2026", root).rows]
    assert chosen == ["2.25.1.20", "2.25.2.2", "", "2.25.4.1"]
    change(root / "train_series.csv", "2.25.1.20,True,yes", "2.25.1.20,True,no")
    change(root / "train_series.csv", "2.25.1.30,1,1", "2.25.1.30,0,1")
    assert ask("rsna2026", root).rows[0].exam.series_uid == "2.25.1.20"


def test_the_chosen_series_is_what_loads(root):
    exam = ask("rsna2026", root).rows[0].exam
    assert exam.path == root / "train_series" / "2.25.1" / "2.25.1.20"
    for image in make_series(StudyInstanceUID="2.25.1", SeriesInstanceUID="2.25.1.20"):
        (exam.path / f"{image.SOPInstanceUID}.dcm").write_bytes(encode(image))
    volume = load_exam(exam)
    assert (volume.series_uid, volume.study_uid) == ("2.25.1.20", "2.25.1")


def test_equal_reports_are_known_by_their_digest_and_go_no_further(root, tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    exams = exams_of(ask("rsna2026", root), tmp_path)
    text = 'mri left knee. findings: the "acl" is torn, see image 12.'
    assert exams["2.25.1"].report == hashlib.sha256(text.encode()).hexdigest()[:32]
    assert exams["2.25.3"].report == ""
    assert exams["2.25.4"].report == exams["2.25.1"].report != exams["2.25.2"].report
    written = (tmp_path / "written.csv").read_text()
    assert "torn," not in written
    assert "image 12" not in written + caplog.text


def test_soft_values_become_labels_with_weights_and_hard_ones_stand(root, soft, tmp_path):
    found = ask("rsna2026", root, "--soft", soft)
    hard, other, softened, empty = exams_of(found, tmp_path).values()
    assert (hard.binary, hard.weight, hard.readers) == ({"unhealthy"}, 1.0, "train.csv=1.0|soft=0.25")
    assert (other.binary, other.readers) == ({"healthy"}, "train.csv=0.0")
    assert (softened.binary, softened.four_class) == ({"unhealthy"}, {PARTIAL, COMPLETE})
    assert softened.weight == pytest.approx(0.66)
    assert softened.readers == "soft=0.83"
    assert (empty.binary, empty.weight, empty.readers) == (set(), 1.0, "")
    assert "1 of 4 studies have a label from the soft table only" in " ".join(found.notes)


def test_the_soft_column_can_be_named(root, soft):
    exams = [row.exam for row in ask("rsna2026", root, "--soft", soft, "--soft-column", "torn").rows]
    assert (exams[2].binary, exams[2].weight) == ({"healthy"}, pytest.approx(0.8))
    assert (exams[3].binary, exams[3].weight) == ({"unhealthy"}, 0)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("2.25.3,0.83", "2.25.9,0.83", "row 3: train.csv has no such StudyInstanceUID"),
        ("2.25.3,0.83", "2.25.3,1.5", "row 3, column ACL: not a number from 0 to 1"),
        ("2.25.3,0.83", "2.25.3,nan", "row 3, column ACL: not a number from 0 to 1"),
        ("2.25.3,0.83", "2.25.3,torn", "row 3, column ACL: not a number from 0 to 1"),
        ("2.25.3,0.83", "2.25.1,0.83", "row 3: the same StudyInstanceUID as soft.csv, row 2"),
    ],
)
def test_mistakes_in_the_soft_table_are_named_by_row(root, soft, old, new, message):
    change(soft, old, new)
    with pytest.raises(ValueError, match=f"^soft.csv, {message}"):
        ask("rsna2026", root, "--soft", soft)


def test_a_soft_table_without_the_column_or_at_all(root, soft, tmp_path):
    with pytest.raises(
        ValueError, match=r"^soft\.csv: no column Meniscus; its columns are StudyInstanceUID, ACL, torn$"
    ):
        ask("rsna2026", root, "--soft", soft, "--soft-column", "Meniscus")
    with pytest.raises(ValueError, match=r"none\.csv: there is no such file"):
        ask("rsna2026", root, "--soft", tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("table", "old", "new", "message"),
    [
        ("train.csv", "ligaments.,0.0", "ligaments.,0.5", "row 3, column ACL: the label isn't one of rsna2026's: 0, 1"),
        ("train.csv", "ligaments.,0.0", "ligaments.,0.0,", "row 3: it has 15 cells, and there are 14 columns"),
        ("train.csv", "2.25.2,", "2.25.1,", "row 3: the same StudyInstanceUID as train.csv, row 2"),
        ("train.csv", "2.25.4,", "2.25.5,", "row 5: train_series/2.25.5 is missing"),
        ("train_series.csv", "2.25.4.1,", "2.25.4.2,", "row 10: train_series/2.25.4/2.25.4.2 is missing"),
        ("train_series.csv", "2.25.4.1,1", "2.25.4.1,2", "row 10, column Fluid_Sensitive: neither 1 nor 0"),
        ("train_series.csv", "2.25.4.1,1,1", "2.25.4.1,1,x", "row 10, column Fat_Suppression: neither 1 nor 0"),
        ("train_series.csv", "2.25.1.30,", "2.25.1.20,", "row 5: the same StudyInstanceUID and SeriesInstanceUID as"),
    ],
)
def test_mistakes_in_the_tables_are_named_by_row(root, table, old, new, message):
    change(root / table, old, new)
    with pytest.raises(ValueError, match=f"^{table}, {message}") as caught:
        ask("rsna2026", root)
    assert "Intact" not in str(caught.value)


@pytest.mark.parametrize(
    ("table", "column"), [("train.csv", "ACL"), ("train.csv", "Report"), ("train_series.csv", "Anatomical_Plane")]
)
def test_a_missing_column_is_named(root, table, column):
    path = root / table
    path.write_text(path.read_text().replace(f"{column},", "other,", 1).replace(f",{column}\n", ",other\n", 1))
    with pytest.raises(ValueError, match=f"^{table}: no column {column}; its columns are "):
        ask("rsna2026", root)


@pytest.mark.parametrize("missing", ["train.csv", "train_series.csv"])
def test_a_wrong_root_is_answered_with_the_right_form(root, missing):
    (root / missing).unlink()
    with pytest.raises(ValueError, match=rf"--root .* holds no {missing}; the RSNA 2026 knee data have train\.csv"):
        ask("rsna2026", root)


def test_tables_that_a_german_excel_saved_again_say_the_same(root, soft):
    check_german_excel_changes_nothing("rsna2026", root, "--soft", soft, others=[soft])
