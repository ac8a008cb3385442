"""Studies in all kinds of folders, rows that name them in all kinds of ways, readers who disagree, and nothing told."""

import logging
import os
import re
from pathlib import Path

import pytest

from data_prep.labels import FOUR_CLASS
from data_prep.prepare.load import load_exam
from tests.data_prep.dicom_factory import encode, make_series
from tests.data_prep.importers.asking import ask, change, exams_of, write_csv
from tests.data_prep.tables.workbooks import as_xlsx

pytestmark = pytest.mark.slow

HEALTHY, STRAIN, PARTIAL, COMPLETE = FOUR_CLASS.classes
STUDIES = {
    # study: accession number, patient id, folders of its series
    "2.25.1": ("ACC-1", "P1", ("site a/case one/10", "site a/case one/11")),
    "2.25.2": ("ACC-2", "P1", ("site a/case two",)),
    "2.25.3": ("ACC-3", "", ("site b/case three/deep/er",)),
    "2.25.4": ("", "P4", ("site b/both",)),
    "2.25.5": ("ACC-5", "P5", ("site b/both",)),
    "2.25.6": ("ACC-6", "P6", ("site b/unread",)),
}


def write_study(root: Path, uid: str, accession: str, patient: str, folders: tuple[str, ...]) -> None:
    for number, folder in enumerate(folders, start=1):
        (root / folder).mkdir(parents=True, exist_ok=True)
        known = {"StudyInstanceUID": uid, "SeriesInstanceUID": f"{uid}.{number}", "AccessionNumber": accession}
        for image in make_series(8 if number == 1 else 9, PatientID=patient, PatientName="Doe^Jane", **known):
            image.SOPInstanceUID = f"{uid}.{number}.{image.InstanceNumber}"
            (root / folder / f"IM{uid[5:]}{image.InstanceNumber:04d}").write_bytes(encode(image))


@pytest.fixture(scope="session")
def studies(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("pacs")
    for uid, (accession, patient, folders) in STUDIES.items():
        write_study(root, uid, accession, patient if uid != "2.25.3" else "", folders)
    (root / "readme.txt").write_text("not DICOM")
    (root / "empty").touch()
    return root


@pytest.fixture
def diagnoses(tmp_path) -> Path:
    rows = [
        ("2.25.1", "Healthy"),
        ("ACC-2", "2"),
        ("case three", "unhealthy"),
        ("2.25.4", 3),
        ("ACC-5", " minor strain "),
    ]
    return write_csv(tmp_path / "diagnoses.csv", [("study", "label"), *rows])


def test_every_fact_of_every_row(studies, diagnoses, tmp_path):
    found = ask("dicom", studies, "--diagnoses", diagnoses)
    exams = exams_of(found, tmp_path)
    assert list(exams) == ["2.25.1", "2.25.2", "2.25.3", "2.25.4", "2.25.5"]
    assert [row.place for row in found.rows] == [f"diagnoses.csv, row {n}" for n in (2, 3, 4, 5, 6)]
    assert [exam.path.relative_to(studies).as_posix() for exam in exams.values()] == [
        *("site a/case one", "site a/case two", "site b/case three/deep/er", "site b/both", "site b/both")
    ]
    assert [exam.four_class for exam in exams.values()] == [
        *({HEALTHY}, {PARTIAL}, {STRAIN, PARTIAL, COMPLETE}, {COMPLETE}, {STRAIN})
    ]
    assert [exam.binary for exam in exams.values()] == [{"healthy"}, *[{"unhealthy"}] * 4]
    assert [exam.readers for exam in exams.values()] == [*("1:Healthy", "1:2", "1:unhealthy", "1:3", "1:minor strain")]
    first, second, nobody, fourth, fifth = (exam.patient_id for exam in exams.values())
    assert first == second
    assert len({first, nobody, fourth, fifth}) == 4
    assert all(re.fullmatch("patient-[0-9a-f]{4}-[0-9a-f]{12}", one) for one in (first, nobody, fourth, fifth))
    assert {(exam.source, exam.series_uid, exam.laterality, exam.split) for exam in exams.values()} == {
        ("dicom", "", "unknown", "")
    }
    assert all(exam.study_uid == name for name, exam in exams.items())
    assert found.notes == ("1 of 6 studies have no row in diagnoses.csv: left out.",)


def test_without_any_patient_the_study_stands_for_it(tmp_path):
    root = tmp_path / "pacs"
    write_study(root, "2.25.7", "", "", ("one",))
    for file in (root / "one").iterdir():
        file.write_bytes(file.read_bytes().replace(b"Doe^Jane", b"        "))
    table = write_csv(tmp_path / "own.csv", [("study", "label"), ("one", 0)])
    assert ask("dicom", root, "--diagnoses", table).rows[0].exam.patient_id == "2.25.7"


def test_each_study_of_a_shared_folder_is_loaded_alone(studies, diagnoses):
    exams = [row.exam for row in ask("dicom", studies, "--diagnoses", diagnoses).rows]
    assert exams[3].path == exams[4].path
    assert [load_exam(exam).study_uid for exam in exams] == ["2.25.1", "2.25.2", "2.25.3", "2.25.4", "2.25.5"]


@pytest.mark.parametrize(
    ("readings", "stands"),
    [
        (("healthy", "minor strain"), {STRAIN}),
        (("complete rupture", "healthy", "minor strain"), {COMPLETE}),
        (("minor strain", "unhealthy"), {STRAIN, PARTIAL, COMPLETE}),
        (("complete rupture", "unhealthy"), {COMPLETE}),
        (("unhealthy", "healthy"), {STRAIN, PARTIAL, COMPLETE}),
    ],
)
def test_of_several_readers_the_worse_diagnosis_stands_and_all_are_kept(studies, tmp_path, readings, stands):
    named = list(zip("ABC", readings, strict=False))
    rows = [("2.25.1", reader, label) for reader, label in named]
    table = write_csv(tmp_path / "readers.csv", [("study", "reader", "diagnosis"), *rows, ("2.25.2", "A", 0)])
    found = ask("dicom", studies, "--diagnoses", table)
    assert found.rows[0].exam.four_class == stands
    assert found.rows[0].exam.readers == "|".join(f"{reader}:{label}" for reader, label in named)
    assert found.rows[0].place == "readers.csv, row 2"
    assert [row.exam.exam_id for row in found.rows] == ["2.25.1", "2.25.2"]


def test_readers_may_call_the_study_differently_and_one_may_have_no_name(studies, tmp_path):
    rows = [("2.25.1", 0, "A"), ("ACC-1", 3, "B"), ("case one", 1, "")]
    table = write_csv(tmp_path / "own.csv", [("folder", "label", "reader"), *rows])
    (row,) = ask("dicom", studies, "--diagnoses", table).rows
    assert (row.exam.readers, row.exam.four_class) == ("A:0|B:3|1:1", {COMPLETE})


def test_a_users_labels_mean_what_the_user_says(studies, tmp_path):
    labels = tmp_path / "labels.toml"
    labels.write_text('[dicom.values.gerissen]\nbinary = ["unhealthy"]\nfour_class = []\n')
    rows = [("study", "label", "reader"), ("2.25.1", "healthy", "A"), ("2.25.1", "Gerissen", "B")]
    table = write_csv(tmp_path / "own.csv", rows)
    (row,) = ask("dicom", studies, "--diagnoses", table, labels=labels).rows
    assert (row.exam.binary, row.exam.four_class) == ({"unhealthy"}, set())


def test_the_tables_patient_comes_before_the_headers_and_both_speak_alike(studies, tmp_path):
    rows = [("2.25.1", 0, "p-77"), ("2.25.3", 0, "P4"), ("2.25.4", 0, ""), ("2.25.5", 0, "p-77")]
    table = write_csv(
        tmp_path / "own.csv", [("AccessionNumber", "Study", "Grade", "Who"), *(("", *row) for row in rows)]
    )
    options = ("--study-column", "Study", "--label-column", "Grade", "--patient-column", "Who")
    found = ask("dicom", studies, "--diagnoses", table, *options)
    ours, told, known, again = (row.exam.patient_id for row in found.rows)
    assert ours == again != told
    assert told == known


def test_nothing_of_the_patient_is_told(studies, diagnoses, tmp_path, caplog, recwarn):
    caplog.set_level(logging.DEBUG)
    found = ask("dicom", studies, "--diagnoses", diagnoses)
    exams_of(found, tmp_path)
    told = (tmp_path / "written.csv").read_text() + caplog.text + repr(found)
    assert not [name for name in ("ACC-", "Doe", "Jane", "P1", "P4", "made up") if name in told]
    assert not recwarn.list


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("ACC-2", "ACC-9", "row 3, column study: no study below --root has this name"),
        ("ACC-2", "", "row 3, column study: it is empty"),
        ("ACC-2", "1.2E+11", "row 3, column study: a spreadsheet has rounded this number, so that no studies match it"),
        ("ACC-2", "01. Feb", "row 3, column study: no study .* a spreadsheet may have changed it to a date"),
        ("ACC-2", "both", "row 3, column study: 2 studies have this name"),
        ("ACC-2", "site a", "row 3, column study: 2 studies have this name"),
        ("ACC-2,2", "ACC-2,4", "row 3, column label: the label isn't one of dicom's: healthy, minor strain"),
        ("ACC-2,2", "ACC-2,Jane", "row 3, column label: the label isn't one of dicom's"),
        ("ACC-2,2", "ACC-2", "row 3, column label: the label is empty"),
        ("study,label", "studies,label", "no column StudyInstanceUID or study_uid or .* or study .--study-column"),
        ("study,label", "study,grade", "no column label or diagnosis .--label-column"),
    ],
)
def test_mistakes_in_the_table_are_named_by_row_and_not_quoted(studies, diagnoses, old, new, message):
    change(diagnoses, old, new)
    with pytest.raises(ValueError, match=f"^diagnoses.csv(, |: ){message}") as caught:
        ask("dicom", studies, "--diagnoses", diagnoses)
    assert "ACC" not in str(caught.value)
    assert "Jane" not in str(caught.value)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (("2.25.1", 1, "A", "x"), "this reader has another row for the same study, with another label"),
        (("2.25.1", 0, "B", "y"), "another row has another patient for the same study"),
    ],
)
def test_rows_of_one_study_have_several_readers_and_one_patient(studies, tmp_path, row, message):
    table = write_csv(tmp_path / "own.csv", [("study", "label", "reader", "patient"), ("ACC-1", 0, "A", "x"), row])
    with pytest.raises(ValueError, match=f"own.csv, row 2: {message}\n  own.csv, row 3: {message}$"):
        ask("dicom", studies, "--diagnoses", table)


def test_a_column_that_is_asked_for_has_to_be_there(studies, diagnoses):
    with pytest.raises(
        ValueError, match=r"^diagnoses.csv: no column who \(--reader-column\); its columns are study, label$"
    ):
        ask("dicom", studies, "--diagnoses", diagnoses, "--reader-column", "who")


def test_a_missing_table_and_a_wrong_root(studies, diagnoses, tmp_path):
    with pytest.raises(ValueError, match=r"none\.csv: there is no such file"):
        ask("dicom", studies, "--diagnoses", tmp_path / "none.csv")
    with pytest.raises(ValueError, match=r"--root .*nowhere.* no DICOM study"):
        ask("dicom", tmp_path / "nowhere", "--diagnoses", diagnoses)


def test_broken_dicom_is_counted(tmp_path):
    root = tmp_path / "pacs"
    write_study(root, "2.25.7", "", "P", ("one",))
    (root / "one" / "broken").write_bytes(b"\0" * 128 + b"DICM" + b"\2\0\0\0UL\4\0\xff\xff")
    table = write_csv(tmp_path / "own.csv", [("study", "label"), ("one", 0)])
    found = ask("dicom", root, "--diagnoses", table)
    assert found.notes == ("Files that begin like DICOM but can't be read: 1, left out.",)


def test_a_workbook_of_diagnoses_with_other_capitals_and_numbers(studies, tmp_path):
    rows = [
        ("Study Instance UID", "Label", "Reader"),
        ("2.25.1", 0.0, "A"),
        ("2.25.2", "ACL Tear", "A"),
        ("2.25.3", 2, "A"),
    ]
    table = tmp_path / "diagnoses.xlsx"
    table.write_bytes(as_xlsx(rows))
    healthy, torn, partial = (row.exam for row in ask("dicom", studies, "--diagnoses", table).rows)
    assert (healthy.four_class, torn.four_class, partial.four_class) == ({HEALTHY}, {PARTIAL, COMPLETE}, {PARTIAL})
    assert torn.readers == "A:ACL Tear"


def test_a_repeated_row_is_no_second_reader(studies, tmp_path):
    rows = [("2.25.1", "healthy"), ("ACC-1", "Normal"), ("2.25.1", "healthy"), ("2.25.2", 2)]
    found = ask("dicom", studies, "--diagnoses", write_csv(tmp_path / "own.csv", [("study", "label"), *rows]))
    assert [row.exam.readers for row in found.rows] == ["1:healthy", "1:2"]
    repeated = "Rows that repeat the study, reader and label of another row are counted once: rows 3, 4."
    assert repeated in found.notes


@pytest.mark.parametrize("reader", [(), ("",), ("A",), ("a ",)])
def test_two_labels_of_one_reader_are_a_fault_of_both_rows(studies, tmp_path, reader):
    header = ("study", "label", *["reader"] * len(reader))
    rows = [("2.25.1", "healthy", *reader), ("2.25.1", "complete rupture", *(one.upper() for one in reader))]
    table = write_csv(tmp_path / "own.csv", [header, *rows, ("2.25.2", 0, *["B"] * len(reader))])
    with pytest.raises(ValueError, match=r"^2 faults\n.*\n  own.csv, row 2: .*another label.*\n  own.csv, row 3: "):
        ask("dicom", studies, "--diagnoses", table)


def test_two_columns_that_may_hold_the_side_are_asked_about(studies, tmp_path):
    table = write_csv(tmp_path / "own.csv", [("study", "label", "side", "laterality"), ("2.25.1", 0, "L", "R")])
    with pytest.raises(
        ValueError, match=r"own.csv: laterality and side may both hold the side; choose one with --side-column"
    ):
        ask("dicom", studies, "--diagnoses", table)
    (row,) = ask("dicom", studies, "--diagnoses", table, "--side-column", "side").rows
    assert row.exam.laterality == "L"


def test_a_row_whose_columns_name_two_studies_is_a_fault(studies, tmp_path):
    header = ("folder", "StudyInstanceUID", "Accession", "study", "label")
    table = write_csv(
        tmp_path / "own.csv",
        [
            header,
            ("site b", "2.25.3", "ACC-3", "knee left", 0),  # agrees, names several, or names none
            ("case one", "2.25.2", "", "", 3),
            ("case one", "2.25.1", "ACC-2", "", 3),
        ],
    )
    with pytest.raises(ValueError, match="2 faults") as caught:
        ask("dicom", studies, "--diagnoses", table)
    wrong = "row 3, column folder: it names another study than column StudyInstanceUID; choose one with --study-column"
    assert caught.match(wrong)
    assert caught.match("row 4, column accession: it names another study")
    found = ask("dicom", studies, "--diagnoses", table, "--study-column", "StudyInstanceUID")
    assert [row.exam.study_uid for row in found.rows] == ["2.25.3", "2.25.2", "2.25.1"]


def test_two_columns_that_may_hold_the_label_are_asked_about(studies, tmp_path):
    table = write_csv(tmp_path / "own.csv", [("study", "label", "Diagnosis"), ("2.25.1", 0, 3)])
    with pytest.raises(
        ValueError, match=r"own.csv: label and diagnosis may both hold the label; choose one with --label-column"
    ):
        ask("dicom", studies, "--diagnoses", table)
    (row,) = ask("dicom", studies, "--diagnoses", table, "--label-column", "diagnosis").rows
    assert row.exam.four_class == {COMPLETE}


def test_all_faults_of_a_table_are_told_at_once_with_its_columns(studies, tmp_path):
    rows = [("2.25.9", 0), ("2.25.1", "Jane"), ("2.25.2", ""), ("", 1), ("2.25.4", 0)]
    table = write_csv(tmp_path / "own.csv", [("study", "label"), *rows])
    with pytest.raises(ValueError, match=r"^4 faults") as caught:
        ask("dicom", studies, "--diagnoses", table)
    told = str(caught.value)
    assert "own.csv: its columns are study, label" in told
    assert [number for number in range(2, 7) if f"row {number}, column" in told] == [2, 3, 4, 5]
    assert "Jane" not in told


def test_ids_that_a_spreadsheet_changed_are_said_and_not_guessed(tmp_path):
    root = tmp_path / "pacs"
    for number, name in enumerate(("0012345", "123456789012", "123456999999"), start=1):
        write_study(root, f"2.25.{number}", "", f"P{number}", (name,))
    table = tmp_path / "own.csv"
    table.write_text("folder;label\n12345,0;healthy\n123456789012;1\n")
    found = ask("dicom", root, "--diagnoses", table)
    assert [row.exam.exam_id for row in found.rows] == ["2.25.1", "2.25.2"]
    assert found.notes[0].startswith("A spreadsheet has changed the study's number in row 2 ")
    table.write_text("folder;label\n1,23457E+11;healthy\n")
    with pytest.raises(ValueError, match=r"row 2, column folder: .* rounded this number, so that 2 studies match it"):
        ask("dicom", root, "--diagnoses", table)
    table.write_text("folder;label\n1,23456789E+11;healthy\n")
    assert [row.exam.exam_id for row in ask("dicom", root, "--diagnoses", table).rows] == ["2.25.2"]
    table.write_text("folder;label;reader\n1,23456789E+11;healthy;A\n1,23456789E+11;healthy;B\n")
    with pytest.raises(ValueError, match=r"row 2, column folder: .* rounded"):
        ask("dicom", root, "--diagnoses", table)


def test_grades_and_yes_or_no_are_not_confused_in_silence(studies, tmp_path):
    table = write_csv(tmp_path / "own.csv", [("study", "label"), ("2.25.1", "0"), ("2.25.2", "1.0")])
    assert any("0 and 1 only" in note for note in ask("dicom", studies, "--diagnoses", table).notes)
    table = write_csv(tmp_path / "own.csv", [("study", "label"), ("2.25.1", "0"), ("2.25.2", "2")])
    assert not any("0 and 1 only" in note for note in ask("dicom", studies, "--diagnoses", table).notes)


def test_a_folder_in_latin_1_and_a_guessed_encoding(tmp_path):
    root = tmp_path / "pacs"
    write_study(root, "2.25.1", "", "P1", ("Größe",))
    write_study(root, "2.25.2", "", "P2", ("右膝",))
    table = tmp_path / "own.csv"
    table.write_bytes("folder,label\r\nGröße,0\r\n".encode("latin-1"))
    found = ask("dicom", root, "--diagnoses", table)
    assert [row.exam.exam_id for row in found.rows] == ["2.25.1"]
    assert "own.csv isn't Unicode and was read as Windows-1252; change this with --encoding." in found.notes
    table.write_bytes("folder,label\r\n右膝,2\r\n".encode("cp932"))
    assert [row.exam.exam_id for row in ask("dicom", root, "--diagnoses", table, "--encoding", "cp932").rows] == [
        "2.25.2"
    ]


def test_two_imports_with_one_key_agree_on_patients(studies, diagnoses, tmp_path):
    def patients(*options: object) -> list[str]:
        return [row.exam.patient_id for row in ask("dicom", studies, "--diagnoses", diagnoses, *options).rows]

    here, there = tmp_path / "a" / "exams.csv", tmp_path / "b" / "exams.csv"
    first = patients("--out", here)
    assert patients("--out", here) == first
    assert patients("--out", there, "--patient-key", here.with_name(".patient-key")) == first
    assert not there.with_name(".patient-key").exists()
    assert not set(patients("--out", there)) & set(first)


@pytest.mark.parametrize(
    ("folder", "cell"),
    [
        (b"M\xfcller", "M\u00fcller"),
        (b"M\x81ller", "M\u00fcller"),
        (b"M\xfcller", "M\\xfcller"),
        ("Mu\u0308ller".encode(), "M\u00fcller"),
        (b"=1+1", "=1+1"),
        (b"-h", "-h"),
        (b"two\nlines", "2.25.1"),
        (b" spaces ", "ACC-1"),
        (b"\xfc" * 250, "ACC-1"),
        (b"M\\xfcller", "ACC-1"),
    ],
)
def test_a_folder_of_any_name_is_imported_and_found_again(tmp_path, folder, cell):
    root = tmp_path / "pacs"
    write_study(root, "2.25.1", "ACC-1", "P1", (os.fsdecode(folder),))
    write_study(root, "2.25.2", "ACC-2", "P2", ("good",))
    diagnoses = write_csv(tmp_path / "diagnoses.csv", [("study", "label"), (cell, "healthy"), ("ACC-2", "healthy")])
    exams = exams_of(ask("dicom", root, "--diagnoses", diagnoses), tmp_path)
    assert exams["2.25.1"].path == root / os.fsdecode(folder)
    assert load_exam(exams["2.25.1"]).shape[0] == 8
    assert (tmp_path / "written.csv").read_bytes().decode()


def test_a_study_without_an_id_is_the_patients_whose_name_it_has(tmp_path):
    """Software that derives images often leaves one of the two out."""
    root = tmp_path / "pacs"
    for number, (patient, name) in enumerate(
        (("P1", "Doe^Jane"), ("", "DOE^Jane^"), ("P2", "Roe^Ann"), ("", "Poe^Al")), 1
    ):
        (root / f"case {number}").mkdir(parents=True)
        for image in make_series(8, StudyInstanceUID=f"2.25.{number}", PatientID=patient, PatientName=name):
            (root / f"case {number}" / f"{image.InstanceNumber}").write_bytes(encode(image))
    rows = [(f"case {number}", 0) for number in (1, 2, 3, 4)]
    found = ask("dicom", root, "--diagnoses", write_csv(tmp_path / "own.csv", [("study", "label"), *rows]))
    jane, nameless, ann, al = (row.exam.patient_id for row in found.rows)
    assert jane == nameless
    assert len({jane, ann, al}) == 3


def test_each_knee_of_a_study_has_rows_of_its_own(studies, tmp_path):
    header = ("study", "label", "Side", "reader")
    rows = [
        ("2.25.1", "healthy", "L", "A"),
        ("2.25.1", "complete rupture", "rechts", "A"),
        ("2.25.1", "minor strain", "left", "B"),
        ("2.25.2", "healthy", "Right", "A"),
        ("2.25.3", "healthy", "", "A"),
    ]
    found = ask("dicom", studies, "--diagnoses", write_csv(tmp_path / "own.csv", [header, *rows]))
    told = {row.exam.exam_id: (row.exam.laterality, row.exam.readers) for row in found.rows}
    assert told == {
        "2.25.1-L": ("L", "A:healthy|B:minor strain"),
        "2.25.1-R": ("R", "A:complete rupture"),
        "2.25.2": ("R", "A:healthy"),
        "2.25.3": ("unknown", "A:healthy"),
    }
    assert {row.exam.patient_id for row in found.rows[:2]} == {found.rows[2].exam.patient_id}


@pytest.mark.parametrize(
    ("side", "message"),
    [
        ("both", "row 2, column side: it names both sides"),
        ("front", "row 2, column side: it names no side"),
        ("", "row 2: other rows of the study name a side"),
    ],
)
def test_a_side_that_is_none_is_named(studies, tmp_path, side, message):
    rows = [("study", "label", "side"), ("2.25.1", 0, side), ("2.25.1", 1, "L")]
    with pytest.raises(ValueError, match=f"own.csv, {message}"):
        ask("dicom", studies, "--diagnoses", write_csv(tmp_path / "own.csv", rows))
