"""The commands: what they write can be read, and what is wrong is one sentence and exit status 2."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from data_prep.masks.__main__ import main
from data_prep.masks.table import read_masks
from data_prep.tables.exams import Exam, write_exams
from tests.data_prep.masks.making import blob, grey, put


@pytest.fixture
def folder(tmp_path) -> Path:
    """Eight pictures of four patients, with masks."""
    for number in range(8):
        put(tmp_path / "images" / f"p{number // 2}-{number}.png", grey(48, 40 + number, seed=number))
        put(tmp_path / "masks" / f"p{number // 2}-{number}.png", blob(48, 40 + number, left=5 + number))
    return tmp_path


def test_pairs_are_checked_and_split_by_patient(folder, capsys):
    table, split = folder / "masks.csv", folder / "split.csv"
    assert main(["pairs", str(folder), "--patient", r"p\d", "--out", str(table)]) == 0
    assert "8 masks or boxes of 8 exams in" in capsys.readouterr().out
    assert main(["check", str(table), "--jobs", "1"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("8 exams (no splits), 8 slices, 8 of them drawn")
    assert "acl: in 8 exams, on 8 slices" in said
    options = ["--test", "0.25", "--val", "0.25", "--jobs", "1", "--out", str(split)]
    assert main(["split", str(table), *options]) == 0
    assert capsys.readouterr().out.strip() == "train 4 (50.0%), val 2 (25.0%), test 2 (25.0%)"
    splits = {row.patient_id: row.split for row in read_masks(split)}
    assert len(splits) == 4
    assert set(splits.values()) == {"train", "val", "test"}


def test_without_a_pattern_the_command_says_what_it_takes_for_a_patient(folder, capsys):
    assert main(["pairs", str(folder), "--out", str(folder / "masks.csv")]) == 0
    assert "Every image counts as a patient of its own" in capsys.readouterr().out


def test_what_all_masks_show_can_be_said(folder):
    for path in (folder / "masks").iterdir():
        put(path, cv2.GaussianBlur(cv2.imread(str(path), cv2.IMREAD_UNCHANGED), (0, 0), 1.0))
    table = folder / "masks.csv"
    assert main(["pairs", str(folder), "--out", str(table)]) == 0
    assert main(["check", str(table), "--jobs", "1"]) == 1
    assert main(["pairs", str(folder), "--structure", ">127=pcl", "--out", str(table)]) == 0
    assert {str(row.structure) for row in read_masks(table)} == {">127=pcl"}
    assert main(["check", str(table), "--jobs", "1"]) == 0


def test_faults_are_printed_with_exit_status_1(folder, capsys):
    assert main(["pairs", str(folder), "--out", str(folder / "masks.csv")]) == 0
    put(folder / "masks" / "p1-2.png", blob(30, 30))
    (folder / "masks" / "p3-6.png").write_bytes(b"")
    assert main(["check", str(folder / "masks.csv"), "--jobs", "1"]) == 1
    faults = [line for line in capsys.readouterr().out.splitlines() if line.startswith("FAULT ")]
    assert len(faults) == 2
    assert "masks/p1-2.png: it has 30 x 30 pixels" in faults[0]
    assert "masks/p3-6.png: it isn't a PNG or JPEG file" in faults[1]
    assert main(["split", str(folder / "masks.csv"), "--jobs", "1", "--out", str(folder / "s.csv")]) == 2
    assert "p1-2.png" in capsys.readouterr().err
    assert not (folder / "s.csv").exists()


def test_an_exam_table_gives_its_boxes_and_masks(tmp_path, capsys):
    np.save(tmp_path / "a.npy", np.stack([grey(seed=number) for number in range(4)]))
    exam = Exam("e", "p", tmp_path / "a.npy", spacing_mm=(3.0, 0.5, 0.5), box=((1, 3), (5, 20), (6, 18)))
    other = Exam("f", "q", tmp_path / "a.npy", spacing_mm=(3.0, 0.5, 0.5))
    write_exams([exam, other], tmp_path / "exams.csv")
    assert main(["exams", str(tmp_path / "exams.csv"), "--out", str(tmp_path / "masks.csv")]) == 0
    said = capsys.readouterr().out
    assert "left out, because they have neither a mask nor a box: 1 exams" in said
    assert main(["check", str(tmp_path / "masks.csv"), "--jobs", "1"]) == 0
    assert "pixels of 0.5 to 0.5 mm" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["check", "gone.csv"], "python -m data_prep.masks check: gone.csv: there is no such file"),
        (["pairs", "gone", "--out", "m.csv"], "python -m data_prep.masks pairs: gone: there is no such folder"),
        (["exams", "gone.csv", "--out", "m.csv"], "gone.csv: there is no such file"),
        (["phantoms", "gone.csv", "--out", "m.csv"], "gone.csv: there is no such file"),
    ],
)
def test_mistakes_are_one_sentence(tmp_path, monkeypatch, capsys, arguments, said):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line


@pytest.mark.parametrize(
    "arguments",
    [
        ["pairs", ".", "--out", "m.xlsx"],
        ["pairs", ".", "--patient", "(", "--out", "m.csv"],
        ["pairs", ".", "--structure", "cyst", "--out", "m.csv"],
        ["phantoms", "exams.csv", "--structures", "acl,cyst", "--out", "m.csv"],
    ],
)
def test_arguments_that_can_t_be_are_refused(arguments):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
