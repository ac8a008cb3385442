"""The checks of a whole table: every faulty file is named, and exams that share what they shouldn't are found."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from data_prep.masks.check import check_masks, split_masks
from data_prep.masks.row import MaskRow
from data_prep.masks.table import read_masks
from tests.data_prep.masks.making import blob, grey, put, put_table


def cohort(folder: Path, count: int = 4, **more: object) -> list[dict[str, object]]:
    """Rows of pictures with masks of different size and place, one exam each."""
    rows = []
    for number in range(count):
        put(folder / f"{number}.png", grey(48 + number, 40, seed=number))
        put(folder / f"{number}_mask.png", blob(48 + number, 40, left=5 + number))
        rows.append({"image": f"{number}.png", "mask": f"{number}_mask.png", "split": "train", **more})
    return rows


def checked(folder: Path, rows: list[dict[str, object]]) -> tuple[str, ...]:
    return check_masks(read_masks(put_table(folder, *rows))).faults


def test_a_clean_table_is_summarised(tmp_path):
    rows = cohort(tmp_path, row_mm=0.5, column_mm=0.5)
    rows[3] |= {"split": "test", "row_mm": "", "column_mm": "", "mask": "", "empty": "yes"}
    result = check_masks(read_masks(put_table(tmp_path, *rows)))
    assert result.faults == ()
    result.check()
    lines = str(result).splitlines()
    assert lines[0] == "4 exams (train 3, test 1), 4 slices, 4 of them drawn"
    assert lines[1] == "sizes: 48 x 40 (1), 49 x 40 (1), 50 x 40 (1), 51 x 40 (1)"
    assert lines[2:4] == ["pixels of 0.5 to 0.5 mm", "size of a pixel unknown: 1 exams"]
    share = 3 * 45 / (40 * (48 + 49 + 50))
    assert lines[4] == f"acl: in 3 exams, not there in 1, on 3 slices, {share:.2%} of their pixels"


def test_every_exam_s_fault_is_named(tmp_path):
    rows = cohort(tmp_path)
    put(tmp_path / "0_mask.png", blob(30, 30))
    (tmp_path / "2.png").write_bytes(b"")
    put(tmp_path / "3_mask.png", np.zeros((51, 40), np.uint8))
    faults = checked(tmp_path, rows)
    assert len(faults) == 3
    for fault, said in zip(faults, ("row 2: ", "row 4: ", "row 5: "), strict=True):
        assert said in fault
    assert "0_mask.png: it has 30 x 30 pixels" in faults[0]
    assert "2.png: it isn't a PNG" in faults[1]
    assert "3_mask.png: the mask is empty" in faults[2]
    with pytest.raises(ValueError, match=r"3 faults\n  masks.csv, row 2: .*\n  .*row 4: .*\n  .*row 5: "):
        check_masks(read_masks(tmp_path / "masks.csv")).check()


def test_the_same_image_in_two_splits_is_found_whatever_its_scale(tmp_path):
    rows = cohort(tmp_path)
    rows[3]["split"] = "test"
    picture = cv2.imread(str(tmp_path / "1.png"), cv2.IMREAD_UNCHANGED)
    put(tmp_path / "3.png", picture.astype(np.uint16) * 60 + 7)
    put(tmp_path / "3_mask.png", blob(49, 40, top=30))
    (fault,) = checked(tmp_path, rows)
    assert "row 5: " in fault
    assert "3.png (test) has the same image as masks.csv, row 3: " in fault
    assert "1.png (train)" in fault
    with pytest.raises(ValueError, match=r"^masks.csv, row 5: .*has the same image as"):
        check_masks(read_masks(tmp_path / "masks.csv")).check()
    for split in ("train", ""):
        rows[3]["split"] = split
        assert checked(tmp_path, rows) == ()


def test_a_copy_of_another_exam_s_mask_is_found(tmp_path):
    rows = cohort(tmp_path)
    put(tmp_path / "2.png", grey(49, 40, seed=2))
    (tmp_path / "2_mask.png").write_bytes((tmp_path / "1_mask.png").read_bytes())
    (fault,) = checked(tmp_path, rows)
    assert "row 4: " in fault
    assert "its mask is that of another exam, masks.csv, row 3: " in fault


def test_equal_boxes_and_empty_masks_are_no_copies(tmp_path):
    rows = cohort(tmp_path)
    for row in rows[:2]:
        row |= {"mask": "", "box": "2:9|2:9"}
    for row in rows[2:]:
        row |= {"mask": "", "empty": "yes"}
    assert checked(tmp_path, rows) == ()


def split(folder: Path, rows: list[dict[str, object]]) -> list[MaskRow]:
    read = read_masks(put_table(folder, *rows))
    return split_masks(read, check_masks(read).looked, test=0.25, val=0.25, seed=3)


def test_a_patient_and_equal_images_stay_in_one_split(tmp_path):
    rows = [row | {"split": "", "exam_id": f"e{number}"} for number, row in enumerate(cohort(tmp_path, 8))]
    rows[1]["patient_id"] = rows[5]["patient_id"] = "one"
    put(tmp_path / "7.png", cv2.imread(str(tmp_path / "2.png"), cv2.IMREAD_UNCHANGED))
    put(tmp_path / "7_mask.png", blob(50, 40, top=30))
    found = split(tmp_path, rows)
    splits = [row.split for row in found]
    assert splits[1] == splits[5]
    assert splits[2] == splits[7]
    assert {name: splits.count(name) for name in ("train", "val", "test")} == {"train": 4, "val": 2, "test": 2}
    assert [row.split for row in split(tmp_path, rows)] == splits
