from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data_prep.exams.__main__ import main
from data_prep.tables.exams import Exam
from tests.data_prep.exam_factory import noise, write_exam, write_table

pytestmark = pytest.mark.slow

SPLITS = ("train", "train", "val", "val", "test", "test")


@pytest.fixture
def exams(tmp_path) -> list[Exam]:
    return [replace(write_exam(tmp_path, number), split=split) for number, split in enumerate(SPLITS)]


def audit(root: Path, exams: list[Exam], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    status = main(["audit", str(write_table(root, exams)), "--jobs", "1"])
    return status, capsys.readouterr().out


def test_a_table_without_fault_passes_and_is_counted(exams, tmp_path, capsys):
    status, said = audit(tmp_path, exams, capsys)
    assert status == 0
    assert "FAULT" not in said
    assert "groups that stay together: 6 of 1" in said
    assert "Two classes by split\n  label      train  val  test  all\n  healthy        1    1     1    3\n" in said


def test_one_patient_in_two_splits_is_a_leak(exams, tmp_path, capsys):
    exams[4] = replace(exams[4], patient_id=exams[1].patient_id)
    status, said = audit(tmp_path, exams, capsys)
    assert status == 1
    assert "FAULT leak: 2 exams that share patient lie in 2 splits: e4 (test), e1 (train)" in said


def test_one_patient_in_one_split_is_none(exams, tmp_path, capsys):
    exams[1] = replace(exams[1], patient_id=exams[0].patient_id)
    status, said = audit(tmp_path, exams, capsys)
    assert status == 0
    assert "4 of 1, 1 of 2" in said


@pytest.mark.parametrize(
    ("copied", "reason"),
    [
        (noise(0), "identical slice"),
        (np.concatenate([noise(50)[:7], noise(0)[:1]]), "identical slice"),
        (noise(0) // 16, "near-identical pixels"),
    ],
    ids=["every slice", "a single slice", "8 bit"],
)
def test_an_image_under_another_name_is_a_leak(exams, tmp_path, capsys, copied, reason):
    exams.append(replace(write_exam(tmp_path, 20, pixels=copied), split="test"))
    status, said = audit(tmp_path, exams, capsys)
    assert status == 1
    assert f"exams that share {reason} lie in 2 splits: e20 (test), e0 (train)" in said


def test_one_report_for_two_exams_is_a_leak_and_no_report_is_none(exams, tmp_path, capsys):
    exams[0], exams[5] = replace(exams[0], report="abc"), replace(exams[5], report="abc")
    status, said = audit(tmp_path, exams, capsys)
    assert status == 1
    assert said.count("FAULT") == 1
    assert "share report text" in said


def test_one_study_in_two_splits_is_a_leak(exams, tmp_path, capsys):
    exams[0], exams[5] = (
        replace(exam, study_uid="2.25.5", series_uid=exam.series_uid) for exam in (exams[0], exams[5])
    )
    for exam in (exams[0], exams[5]):
        for file in exam.path.iterdir():
            file.unlink()
    status, said = audit(tmp_path, exams, capsys)
    assert status == 1
    assert "share study lie in 2 splits" in said


def test_what_cannot_be_read_is_a_fault_with_its_exam(exams, tmp_path, capsys):
    for file in exams[2].path.iterdir():
        file.write_bytes(file.read_bytes()[:-100])
    exams[3] = replace(exams[3], path=tmp_path / "nowhere")
    status, said = audit(tmp_path, exams, capsys)
    assert status == 1
    assert "FAULT exam e2 can't be used" in said
    assert "FAULT exam e3 can't be used" in said


def test_a_label_outside_the_scheme_is_a_fault_with_row_and_column(exams, tmp_path, capsys):
    table = write_table(tmp_path, exams)
    table.write_text(table.read_text().replace(",unhealthy,", ",torn,", 1))
    assert main(["audit", str(table)]) == 1
    assert "row 3, column binary: 'torn'" in capsys.readouterr().out


def test_schemes_that_contradict_each_other_are_a_fault(exams, tmp_path, capsys):
    exams[0] = replace(exams[0], four_class=frozenset({"complete rupture"}))
    exams[1] = replace(exams[1], four_class=frozenset({"healthy", "minor strain"}))
    status, said = audit(tmp_path, exams, capsys)
    assert status == 1
    assert "FAULT label of e0" in said
    assert said.count("FAULT") == 1


@pytest.mark.parametrize("planted", [True, False])
def test_a_shortcut_through_headers_is_measured_and_warned_of(tmp_path, capsys, planted):
    """Unhealthy exams with a longer echo time, or echo times thrown at random."""
    times = 30 + 5 * (np.arange(40) % 2) if planted else np.random.default_rng(0).integers(30, 40, 40)
    exams = [write_exam(tmp_path, number, EchoTime=int(time)) for number, time in enumerate(times)]
    status, said = audit(tmp_path, exams, capsys)
    assert status == 0
    assert ("AUC of header fields alone: 1.000" in said) == planted
    assert ("WARNING shortcut" in said) == planted
