"""Images and masks are paired by their names, in the usual layouts, or not at all."""

import re
from pathlib import Path

import numpy as np
import pytest

from data_prep.masks.load import load_annotated
from data_prep.masks.pairs import find_pairs
from data_prep.masks.table import by_exam
from tests.data_prep.masks.making import blob, grey, put

# What is found: exam, image, mask, structure, split.
Found = tuple[str, str, str, str, str]


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def found(folder: Path, **options: object) -> list[Found]:
    return [
        (
            row.exam_id,
            row.image.relative_to(folder).as_posix(),
            row.mask.relative_to(folder).as_posix(),
            str(row.structure),
            row.split,
        )
        for row in find_pairs(folder, **options)
    ]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        pytest.param(
            ["images/1.png", "images/2.jpg", "masks/1.png", "masks/2.png"],
            [("1", "images/1.png", "masks/1.png", "", ""), ("2", "images/2.jpg", "masks/2.png", "", "")],
            id="two folders",
        ),
        pytest.param(
            ["Images/1.PNG", "Labels/1_mask.PNG"],
            [("1", "Images/1.PNG", "Labels/1_mask.PNG", "", "")],
            id="folders and a word",
        ),
        pytest.param(
            ["knee 1.png", "knee 1_mask.png", "mask-knee 2.png", "knee 2.png"],
            [
                ("knee_1", "knee 1.png", "knee 1_mask.png", "", ""),
                ("knee_2", "knee 2.png", "mask-knee 2.png", "", ""),
            ],
            id="words before and after",
        ),
        pytest.param(
            ["a/image.npy", "a/seg.npy", "b/image.npy", "b/seg.npz"],
            [("a", "a/image.npy", "a/seg.npy", "", ""), ("b", "b/image.npy", "b/seg.npz", "", "")],
            id="a folder for each",
        ),
        pytest.param(
            ["train/images/1.png", "train/masks/1.png", "images/test/1.png", "masks/test/1.png"],
            [
                ("test-1", "images/test/1.png", "masks/test/1.png", "", "test"),
                ("train-1", "train/images/1.png", "train/masks/1.png", "", "train"),
            ],
            id="splits",
        ),
        pytest.param(
            ["1.png", "1_acl.png", "1_femur.png"],
            [("1", "1.png", "1_acl.png", "acl", ""), ("1", "1.png", "1_femur.png", "femur", "")],
            id="structures in names",
        ),
        pytest.param(
            ["images/1.png", "masks/acl/1.png", "masks/PCL/1.png"],
            [("1", "images/1.png", "masks/PCL/1.png", "pcl", ""), ("1", "images/1.png", "masks/acl/1.png", "acl", "")],
            id="structures as folders",
        ),
        pytest.param(
            ["acl/1.png", "acl/1_mask.png", ".hidden/2.png", "notes.txt"],
            [("acl-1", "acl/1.png", "acl/1_mask.png", "", "")],
            id="a folder with a structure's name, and other files",
        ),
    ],
)
def test_usual_layouts(tmp_path, names, expected):
    assert found(touch(tmp_path, *names)) == expected


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "holds no pictures"),
        (["1.png", "2.png"], "no file is named as a mask"),
        (["1.png", "1.jpg", "1_mask.png"], "which is the image: 1.jpg, 1.png"),
        (["1.png", "1_mask.png", "1_seg.png"], "what each of these masks shows: 1_mask.png, 1_seg.png"),
        (["1.png", "1_mask.png", "1_acl_mask.png"], "what each of these masks shows: 1_acl_mask.png, 1_mask.png"),
        (["1.png", "1_mask.png", "2.png"], "1 images have no mask: 2.png; --skip-unpaired"),
        (["1.png", "1_mask.png", "2_mask.png"], "1 masks have no image: 2_mask.png; --skip-unpaired"),
    ],
)
def test_what_isn_t_clear_is_refused(tmp_path, names, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        find_pairs(touch(tmp_path, *names))


def test_a_folder_that_isn_t_there_is_named(tmp_path):
    with pytest.raises(ValueError, match="gone: there is no such folder"):
        find_pairs(tmp_path / "gone")


def test_unpaired_files_can_be_left_out(tmp_path):
    touch(tmp_path, "1.png", "1_mask.png", "2.png", "3_mask.png")
    assert [row[0] for row in found(tmp_path, skip_unpaired=True)] == ["1"]
    touch(tmp_path / "none", "1.png", "2_mask.png")
    with pytest.raises(ValueError, match=r"no image has a mask: 1.png; 2_mask.png"):
        find_pairs(tmp_path / "none", skip_unpaired=True)


def test_patients_by_a_pattern(tmp_path):
    touch(tmp_path, "p7_s1.png", "p7_s1_mask.png", "p7_s2.png", "p7_s2_mask.png", "p8_s1.png", "p8_s1_mask.png")
    assert [row.patient_id for row in find_pairs(tmp_path)] == ["p7_s1", "p7_s2", "p8_s1"]
    assert [row.patient_id for row in find_pairs(tmp_path, re.compile(r"p(\d+)"))] == ["7", "7", "8"]
    assert [row.patient_id for row in find_pairs(tmp_path, re.compile(r"p\d+"))] == ["p7", "p7", "p8"]
    with pytest.raises(ValueError, match=r"p7_s1.png: --patient x isn't in its name"):
        find_pairs(tmp_path, re.compile("x"))


def test_pairs_can_be_loaded(tmp_path):
    put(tmp_path / "1.png", grey())
    put(tmp_path / "1_acl.png", blob())
    put(tmp_path / "1_femur.png", blob(left=25))
    ((_, rows),) = by_exam(find_pairs(tmp_path)).items()
    one = load_annotated(rows)
    assert one.structures == ("acl", "femur")
    np.testing.assert_array_equal(one.mask("femur")[0], blob(left=25))
