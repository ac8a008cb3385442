"""The tables in docs/masks.md can be read as they stand, with files of the kinds that they name."""

import csv
import io
import re
from pathlib import Path

import numpy as np
import pytest

from data_prep.masks.check import check_masks
from data_prep.masks.row import COLUMNS
from data_prep.masks.structures import STRUCTURES
from data_prep.masks.table import OTHERS, read_masks
from tests.data_prep.masks.making import described, grey, put, put_segmentation, put_series

PAGE = (Path(__file__).parents[3] / "docs" / "masks.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"(?:^    exam_id,.*\n)(?:^    .*\n)+", PAGE, re.MULTILINE)
SHAPE = (24, 200, 160)


def mask_of(number: int) -> np.ndarray:
    """A mask that no other number has, `[S, R, C]`."""
    mask = np.zeros(SHAPE, bool)
    mask[10:15, 20 + 7 * number : 60 + 7 * number, 30 + 9 * number : 50 + 9 * number] = True
    return mask


def put_files(folder: Path, number: int, row: dict[str, str]) -> None:
    """The files of a row, by their names."""
    image, mask = folder / row["image"], folder / row.get("mask", "")
    for path in (image, mask):
        path.parent.mkdir(parents=True, exist_ok=True)
    images = []
    if image.suffix in (".png", ".jpg"):
        put(image, grey(*SHAPE[1:], seed=number))
    elif image.suffix == ".npy":
        np.save(image, np.stack([grey(*SHAPE[1:], seed=100 * number + index) for index in range(SHAPE[0])]))
    else:
        attributes = {"StudyInstanceUID": f"2.25.5{number}", "FrameOfReferenceUID": f"2.25.6{number}"}
        pixels = grey(*SHAPE[1:], seed=number).astype("u2")
        images = put_series(image, SHAPE[0], series=number + 1, pixels=pixels, **attributes)
    drawn = mask_of(number)
    if mask.suffix == ".png":
        levels = (
            drawn[12] + 0 * drawn[12] if "=" not in row.get("structure", "") else drawn[12] + 2 * drawn[12][:, ::-1]
        )
        put(mask, levels.astype(np.uint8) if levels.dtype != bool else levels)
    elif mask.suffix == ".npz":
        np.savez_compressed(mask, acl=drawn)
    elif mask.suffix == ".dcm":
        labels = ["Segment_1", "Cyst"] if row["structure"] else ["ACL", "Left femur"]
        segments = [described(place, label) for place, label in enumerate(labels, start=1)]
        put_segmentation(mask, images, np.stack([drawn, drawn[:, ::-1]], axis=3), segments)


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_examples_can_be_read(tmp_path, example):
    text = re.sub(r"^    ", "", example, flags=re.MULTILINE)
    for number, row in enumerate(csv.DictReader(io.StringIO(text))):
        put_files(tmp_path, number, row)
    (tmp_path / "masks.csv").write_text(text)
    checked = check_masks(read_masks(tmp_path / "masks.csv"))
    assert checked.faults == ()


def test_every_kind_has_an_example():
    assert len(EXAMPLES) == 6
    joined = "".join(EXAMPLES)
    assert all(suffix in joined for suffix in (".png", ".jpg", ".npy", ".npz", ".dcm", "|120:180|"))


def test_every_column_and_structure_is_named():
    table = PAGE.partition("## The table")[2].partition("\n## ")[0]
    named = set(re.findall(r"`([a-z_]+)`", table))
    assert {*COLUMNS, *OTHERS, *STRUCTURES} <= named
