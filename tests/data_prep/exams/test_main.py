import csv
import os
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data_prep.exams.__main__ import main
from data_prep.tables.exams import read_exams
from tests.data_prep.exam_factory import noise, write_exam, write_table
from tests.data_prep.tables.workbooks import as_xlsx

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def cohort(tmp_path_factory) -> Path:
    """Six synthetic exams by the command line, and their table."""
    root = tmp_path_factory.mktemp("cohort")
    classes = "healthy:3,complete rupture:3"
    words = ["phantom", "--root", str(root / "knees"), "--out", str(root / "exams.csv"), "--classes", classes]
    assert main(["import", *words, "--jobs", "2"]) == 0
    return root / "exams.csv"


def test_an_imported_cohort_has_every_column_that_pixels_can_fill(cohort):
    exams = read_exams(cohort)
    assert sum(exam.binary == {"healthy"} for exam in exams) == 3
    for exam in exams:
        assert exam.series_uid
        assert exam.study_uid
        assert exam.scanner != "unknown"
        assert exam.path.is_dir()
        assert exam.mask.is_file()
        assert exam.flags == ""


def test_a_table_is_split_audited_and_merged(cohort, tmp_path, capsys):
    split = tmp_path / "split.csv"
    assert main(["split", str(cohort), "--test", "0.3", "--val", "0.3", "--seed", "3", "--out", str(split)]) == 0
    assert {exam.split for exam in read_exams(split)} == {"train", "val", "test"}
    assert "train 2 (33.3%), val 2 (33.3%), test 2 (33.3%)" in capsys.readouterr().out
    assert main(["audit", str(split), "--jobs", "1"]) == 0
    arrays = [replace(write_exam(tmp_path, 1), exam_id="own")]
    merged = tmp_path / "merged.csv"
    assert main(["merge", str(split), str(write_table(tmp_path, arrays)), "--out", str(merged)]) == 0
    assert [exam.exam_id for exam in read_exams(merged)][-1] == "own"
    assert read_exams(merged)[0] == read_exams(split)[0]
    assert main(["merge", str(split), str(split), "--out", str(tmp_path / "twice.csv")]) == 2
    assert not (tmp_path / "twice.csv").exists()


def test_by_scanner_no_scanner_is_in_two_splits_and_unknown_is_no_scanner(tmp_path):
    exams = [
        replace(write_exam(tmp_path, number), scanner=scanner)
        for number, scanner in enumerate(["a", "b", "c"] * 4 + ["unknown"] * 8)
    ]
    table = write_table(tmp_path, exams)
    words = ["split", str(table), "--test", "0.25", "--val", "0.25", "--by", "patient", "--by", "scanner"]
    assert main([*words, "--jobs", "1"]) == 0
    found = read_exams(table)
    for scanner in "abc":
        assert len({exam.split for exam in found if exam.scanner == scanner}) == 1
    assert len({exam.split for exam in found if exam.scanner == "unknown"}) > 1


def test_flagged_exams_are_dropped_with_their_reasons(tmp_path, capsys):
    """An MRNet tree with a blank exam in it."""
    (tmp_path / "train/sagittal").mkdir(parents=True)
    (tmp_path / "valid/sagittal").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(2):
        planes = rng.integers(0, 255, (20, 256, 256)).astype("u1") if number else np.zeros((20, 256, 256), "u1")
        np.save(tmp_path / f"train/sagittal/000{number}.npy", planes)
    (tmp_path / "train-acl.csv").write_text("0000,0\n0001,1\n")
    np.save(tmp_path / "valid/sagittal/1130.npy", planes)
    (tmp_path / "valid-acl.csv").write_text("1130,1\n")
    out = tmp_path / "table/exams.csv"
    words = ["import", "mrnet", "--root", str(tmp_path), "--out", str(out), "--jobs", "1", "--drop", "flagged"]
    assert main(words) == 0
    dropped = {exam.exam_id: exam.flags for exam in read_exams(out.with_suffix(".dropped.csv"))}
    assert "blank" in dropped["mrnet-0000"]
    assert "dropped" in capsys.readouterr().out


def test_what_an_import_saw_is_not_read_again(tmp_path, capsys):
    """After the import, the files keep names, sizes and times and hold only zeros."""
    exams = [write_exam(tmp_path / "pacs", number, Laterality="L") for number in range(4)]
    diagnoses = tmp_path / "diagnoses.csv"
    diagnoses.write_text("folder,label\n" + "".join(f"exam-{number},{number % 4}\n" for number in range(4)))
    words = ["dicom", "--root", str(tmp_path / "pacs"), "--diagnoses", str(diagnoses)]
    assert main(["import", *words, "--out", str(tmp_path / "exams.csv"), "--jobs", "1"]) == 0
    for file in (file for exam in exams for file in exam.path.iterdir()):
        status = file.stat()
        file.write_bytes(bytes(status.st_size))
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert main(["split", str(tmp_path / "exams.csv"), "--test", "0.25", "--val", "0.25"]) == 0
    assert "train 2 (50.0%)" in capsys.readouterr().out
    assert main(["audit", str(tmp_path / "exams.csv")]) == 0


class Evil:
    """What a pickle can carry: a command that runs when it is opened."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.trace,)


def test_a_pickle_with_a_command_in_it_is_refused_by_file_and_row(tmp_path, capsys):
    root, out = tmp_path / "KneeMRI", tmp_path / "exams.csv"
    (root / "vol01").mkdir(parents=True)
    (root / "vol01/1-1.pck").write_bytes(pickle.dumps(noise(1), protocol=2))
    (root / "vol01/2-1.pck").write_bytes(pickle.dumps([Evil(tmp_path / "trace")], protocol=2))
    columns = "examId,seriesNo,aclDiagnosis,kneeLR,roiX,roiY,roiZ,roiHeight,roiWidth,roiDepth,volumeFilename"
    rows = [f"{number},1,{number},0,1,1,1,5,5,3,{number}-1.pck" for number in (1, 2)]
    (root / "metadata.csv").write_text("\n".join([columns, *rows]))
    assert main(["import", "kneemri", "--root", str(root), "--out", str(out), "--jobs", "1"]) == 2
    said = capsys.readouterr().err
    assert "metadata.csv, row 3: 2-1.pck: It can't be read" in said
    assert not out.exists()
    assert not (tmp_path / "trace").exists()


def test_a_mistake_is_one_sentence_and_leaves_nothing(tmp_path):
    words = ["import", "mrnet", "--root", str(tmp_path), "--out", str(tmp_path / "out/exams.csv")]
    command = [sys.executable, "-m", "data_prep.exams", *words]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert "train-acl.csv" in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def export(tmp_path) -> Path:
    """A folder of four studies, exam-0 to exam-3, and a table of which three rows can't be used."""
    for number in range(4):
        write_exam(tmp_path / "pacs", number)
    rows = ["exam-0;healthy", "exam-1;Jane Doe", "exam-2;complete rupture", "exam-9;1", "exam-3;"]
    (tmp_path / "diagnoses.csv").write_text("\n".join(["folder;label", *rows, ""]))
    return tmp_path


def import_export(folder: Path, *options: str) -> int:
    words = ["dicom", "--root", str(folder / "pacs"), "--diagnoses", str(folder / "diagnoses.csv"), "--jobs", "1"]
    return main(["import", *words, "--out", str(folder / "exams.csv"), *options])


def test_all_faults_of_an_import_are_one_message(export, capsys):
    assert import_export(export) == 2
    said = capsys.readouterr().err
    assert "3 faults; --skip-bad-rows leaves such rows out and lists them\n" in said
    for row in (3, 5, 6):
        assert f"diagnoses.csv, row {row}, column " in said
    assert "its columns are folder, label" in said
    assert "Jane" not in said
    assert not (export / "exams.csv").exists()


def test_bad_rows_are_left_out_and_listed_on_request(export, capsys):
    assert import_export(export, "--skip-bad-rows") == 0
    assert "3 faults of rows that were left out are listed in " in capsys.readouterr().out
    assert [exam.path.name for exam in read_exams(export / "exams.csv")] == ["exam-0", "exam-2"]
    with (export / "exams.bad-rows.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["row"], row["column"]) for row in rows] == [("3", "label"), ("5", "folder"), ("6", "label")]
    assert "Jane" not in str(rows)


def test_bad_rows_only_are_no_table(export, capsys):
    (export / "diagnoses.csv").write_text("folder,label\nexam-9,1\nexam-8,1\n")
    assert import_export(export, "--skip-bad-rows") == 2
    assert "no row without a fault remains" in capsys.readouterr().err
    assert not (export / "exams.csv").exists()


def test_a_merge_of_patients_under_two_keys_says_so(tmp_path, capsys):
    def table(name: str, patient: str) -> str:
        exam = replace(write_exam(tmp_path / name, 1), exam_id=name, patient_id=patient)
        return str(write_table(tmp_path / name, [exam]))

    one, same, other = (
        table(name, f"patient-{key}-0123456789ab") for name, key in (("a", "1f0c"), ("b", "1f0c"), ("c", "beef"))
    )
    assert main(["merge", one, same, "--out", str(tmp_path / "ab.csv")]) == 0
    assert "different keys" not in capsys.readouterr().out
    assert main(["merge", one, other, "--out", str(tmp_path / "ac.csv")]) == 0
    assert f"Patients of {one}, {other} were hashed with different keys" in capsys.readouterr().out


def test_split_and_audit_name_the_split_that_lacks_a_class(tmp_path, capsys):
    """One healthy exam of eight can be in one split only."""
    healthy = frozenset({"healthy"})
    exams = [replace(write_exam(tmp_path, number), binary=frozenset({"unhealthy"})) for number in range(8)]
    exams[0] = replace(exams[0], binary=healthy)
    table = str(write_table(tmp_path, exams))
    assert main(["split", table, "--test", "0.25", "--val", "0.25", "--jobs", "1"]) == 0
    said = capsys.readouterr().out
    with_it = read_exams(Path(table))[0].split
    without = " and ".join(name for name in ("train", "val", "test") if name != with_it)
    counts = ", ".join(f"{name} {int(name == with_it)}" for name in ("train", "val", "test"))
    warned = f"WARNING split {without}: no exam's binary label allows 'healthy' ({counts})"
    assert warned in said
    assert "Another --seed" in said
    assert main(["audit", table, "--jobs", "1"]) == 0
    assert warned in capsys.readouterr().out
    write_table(tmp_path, [replace(exam, binary=healthy) for exam in read_exams(Path(table))])
    assert main(["audit", table, "--jobs", "1"]) == 0
    assert "WARNING split" not in capsys.readouterr().out


def test_a_workbook_is_read_and_never_overwritten_with_csv(tmp_path, capsys):
    exams = [write_exam(tmp_path, number) for number in range(4)]
    with write_table(tmp_path, exams).open(newline="", encoding="utf-8") as stream:
        content = as_xlsx(list(csv.reader(stream)))
    table = tmp_path / "exams.xlsx"
    table.write_bytes(content)
    words = ["split", str(table), "--test", "0.25", "--val", "0.25", "--jobs", "1"]
    assert main(words) == 2
    assert "exams.xlsx is a workbook, and tables are written as CSV" in capsys.readouterr().err
    assert main([*words, "--out", str(tmp_path / "split.csv")]) == 0
    assert {exam.split for exam in read_exams(tmp_path / "split.csv")} == {"train", "val", "test"}
    assert table.read_bytes() == content
    with pytest.raises(SystemExit):
        main([*words, "--out", str(tmp_path / "split.ods")])
    assert "written as CSV" in capsys.readouterr().err
