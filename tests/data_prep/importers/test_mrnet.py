"""MRNet's folder as published, on a small scale; and the real knee in MRNet's form."""

import io
from argparse import ArgumentError
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from data_prep.labels import FOUR_CLASS
from data_prep.prepare.load import load_exam
from data_prep.selection.series import load_study
from tests.data_prep.importers.asking import ask, change, check_german_excel_changes_nothing, exams_of, write_csv

HEALTHY, STRAIN, PARTIAL, COMPLETE = FOUR_CLASS.classes
LABELS: dict[str, Any] = {
    "train": {"acl": (0, 1, 0), "abnormal": (1, 1, 0), "meniscus": (0, 1, 0)},
    "valid": {"acl": (1,), "abnormal": (1,), "meniscus": (0,)},
}
FIRST = {"train": 0, "valid": 1130}
SLICES = 17


def make_slices(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (SLICES, 256, 256), np.uint8)


@pytest.fixture
def root(tmp_path) -> Path:
    """Exams 0 to 2 for training, 1130 for validation, each in three planes."""
    root = tmp_path / "MRNet-v1.0"
    for part, tables in LABELS.items():
        for plane, offset in (("sagittal", 0), ("coronal", 1000), ("axial", 2000)):
            (root / part / plane).mkdir(parents=True)
            for number in range(FIRST[part], FIRST[part] + len(tables["acl"])):
                np.save(root / part / plane / f"{number:04d}.npy", make_slices(number + offset))
        for name, labels in tables.items():
            write_csv(root / f"{part}-{name}.csv", [(f"{FIRST[part] + i:04d}", x) for i, x in enumerate(labels)])
    return root


def test_every_fact_of_every_row(root, tmp_path):
    found = ask("mrnet", root)
    exams = exams_of(found, tmp_path)
    assert list(exams) == ["mrnet-0000", "mrnet-0001", "mrnet-0002", "mrnet-1130"]
    assert [row.place for row in found.rows] == [f"train-acl.csv, row {n}" for n in (1, 2, 3)] + [
        "valid-acl.csv, row 1"
    ]
    assert [exam.split for exam in exams.values()] == ["train", "train", "train", "val"]
    assert [exam.readers for exam in exams.values()] == [
        "acl=0|abnormal=1|meniscus=0",
        "acl=1|abnormal=1|meniscus=1",
        "acl=0|abnormal=0|meniscus=0",
        "acl=1|abnormal=1|meniscus=0",
    ]
    whole, torn = exams["mrnet-0000"], exams["mrnet-0001"]
    assert (whole.binary, whole.four_class) == ({"healthy"}, {HEALTHY, STRAIN})
    assert (torn.binary, torn.four_class) == ({"unhealthy"}, {PARTIAL, COMPLETE})
    assert torn.path == root / "train" / "sagittal" / "0001.npy"
    assert {(exam.source, exam.scanner, exam.laterality) for exam in exams.values()} == {
        ("mrnet", "unknown", "unknown")
    }
    assert all(exam.patient_id == name for name, exam in exams.items())
    assert {(exam.spacing_mm, exam.notes) for exam in exams.values()} == {((4.0, 0.625, 0.625), "spacing assumed")}
    assert "1,088 patients" in found.notes[0]
    assert "4 mm between slices and 0.625 x 0.625 mm pixels are assumed" in found.notes[1]
    assert len(found.notes) == 2


@pytest.mark.parametrize(("plane", "offset"), [("sagittal", 0), ("coronal", 1000), ("axial", 2000)])
def test_the_plane_asked_for_is_loaded_with_the_spacing_asked_for(root, plane, offset):
    found = ask("mrnet", root, "--plane", plane, "--spacing", "3|0.5|0.6")
    volume = load_exam(found.rows[1].exam)
    np.testing.assert_array_equal(volume.voxels, make_slices(1 + offset))
    assert volume.spacing_mm == (3, 0.5, 0.6)


def test_other_findings_and_zeros_before_ids_may_be_missing(root, tmp_path):
    (root / "train-abnormal.csv").unlink()
    change(root / "train-acl.csv", "0001,1", "1,1")
    exams = exams_of(ask("mrnet", root), tmp_path)
    assert exams["mrnet-0001"].readers == "acl=1|meniscus=1"


def test_arrays_without_a_row_are_named_and_left_out(root):
    change(root / "train-acl.csv", "0001,1\n", "")
    found = ask("mrnet", root)
    assert [row.exam.exam_id for row in found.rows] == ["mrnet-0000", "mrnet-0002", "mrnet-1130"]
    assert "train-acl.csv has no row for 0001.npy of train/sagittal: left out." in found.notes


def save_ragged(path: Path) -> None:
    slices = np.empty(2, object)
    slices[:] = [np.zeros((256, 256)), np.zeros((256, 255))]
    np.save(path, slices, allow_pickle=True)


@pytest.mark.parametrize(
    ("save", "message"),
    [
        (Path.unlink, "train/sagittal/0002.npy is missing"),
        (save_ragged, "0002.npy: It can't be read: .*objects"),
        (
            lambda path: np.save(path, np.zeros((17, 256, 256))),
            r"0002.npy is float64 \(17, 256, 256\); MRNet's arrays are",
        ),
        (lambda path: np.save(path, np.zeros((17, 256, 255), "u1")), r"0002.npy is uint8 \(17, 256, 255\)"),
        (lambda path: np.save(path, np.zeros((256, 256), "u1")), r"0002.npy: Its shape \(256, 256\)"),
        (lambda path: path.write_bytes(path.read_bytes()[:5000]), "0002.npy: It can't be read"),
        (lambda path: path.write_bytes(b"text"), "0002.npy: It can't be read"),
    ],
)
def test_an_array_that_is_not_mrnets_is_named_with_its_row(root, save, message):
    save(root / "train" / "sagittal" / "0002.npy")
    with pytest.raises(ValueError, match=rf"^train-acl\.csv, row 3: {message}"):
        ask("mrnet", root)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("0002,0", "0002,7", r"row 3: the label isn't one of mrnet's: 0, 1"),
        ("0002,0", "0001,0", r"row 3: the same id as train-acl\.csv, row 2"),
        ("0002,0", "1,0", r"row 3: the same id as train-acl\.csv, row 2"),
        ("0002,0", "x,0", r"row 3, column id: not a whole number"),
        ("0002,0", "0002", r"row 3: the label is empty"),
        ("0002,0", "0009,0", r"row 3: train/sagittal/0009\.npy is missing"),
    ],
)
def test_mistakes_in_the_table_are_named_by_row(root, old, new, message):
    change(root / "train-acl.csv", old, new)
    with pytest.raises(ValueError, match=rf"^train-acl\.csv, {message}"):
        ask("mrnet", root)


def test_an_exam_in_both_parts_is_refused(root):
    write_csv(root / "valid-acl.csv", [("0002", 0)])
    with pytest.raises(ValueError, match=r"^valid-acl\.csv, row 1: the same id as train-acl\.csv, row 3"):
        ask("mrnet", root)


def test_a_wrong_root_is_answered_with_the_right_form(root):
    with pytest.raises(ValueError, match=r"--root .* holds no train-acl\.csv; MRNet's folder has .*valid"):
        ask("mrnet", root / "train")
    (root / "valid-acl.csv").unlink()
    with pytest.raises(ValueError, match=r"holds no valid-acl\.csv"):
        ask("mrnet", root)


@pytest.mark.parametrize("spacing", ["4|0.6", "a|b|c", "0|1|1", "3|1e-300|1", "3|1|1e6"])
def test_a_spacing_is_three_distances(root, spacing):
    with pytest.raises(ArgumentError, match="is not three distances in mm"):
        ask("mrnet", root, "--spacing", spacing)


@pytest.mark.real_knee
def test_the_real_knee_in_mrnets_form(real_knee, root):
    """Another knee than noise: GE's slices as uint8 256 x 256, as MRNet's were made, come back in place and order."""
    volume = load_study([(name, io.BytesIO(content)) for name, content in real_knee.items()]).volume
    low, high = volume.voxels.min(), volume.voxels.max()
    slices = np.stack([cv2.resize((one - low) / (high - low) * 255, (256, 256)) for one in volume.voxels])
    slices = np.pad(slices.round().astype(np.uint8), ((0, max(0, SLICES - len(slices))), (0, 0), (0, 0)))
    np.save(root / "valid" / "sagittal" / "1130.npy", slices)
    side = volume.spacing_mm[1] * volume.shape[1] / 256
    found = ask("mrnet", root, "--spacing", f"{volume.spacing_mm[0]}|{side}|{side}")
    loaded = load_exam(found.rows[-1].exam)
    np.testing.assert_array_equal(loaded.voxels, slices)
    assert found.rows[-1].exam.split == "val"
    assert np.linalg.norm(np.diff(loaded.positions_mm, axis=0), axis=1) == pytest.approx(volume.spacing_mm[0])
    middle = len(volume.voxels) // 2
    again = cv2.resize(loaded.voxels[middle], volume.shape[:0:-1])
    assert np.corrcoef(again.ravel(), volume.voxels[middle].ravel())[0, 1] > 0.95


def test_tables_that_a_german_excel_saved_again_say_the_same(root):
    check_german_excel_changes_nothing("mrnet", root)


def test_a_header_that_somebody_added_is_no_row(root):
    for table in root.glob("*.csv"):
        table.write_text("ID,Label\n" + table.read_text())
    assert ask("mrnet", root).rows[0].place == "train-acl.csv, row 2"


def test_all_faults_of_all_tables_are_told_at_once(root):
    change(root / "train-acl.csv", "0000,0", "0000,5")
    change(root / "train-acl.csv", "0002,0", "x,0")
    change(root / "valid-acl.csv", "1130,1", "1131,1")
    with pytest.raises(ValueError, match=r"^3 faults\n") as caught:
        ask("mrnet", root)
    for place in (
        "train-acl.csv, row 1: ",
        "train-acl.csv, row 3, column id: ",
        "valid-acl.csv, row 1: valid/sagittal",
    ):
        assert place in str(caught.value)
