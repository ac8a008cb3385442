"""An annotated exam can't be made of parts that don't fit."""

from typing import Any

import numpy as np
import pytest

from data_prep.masks.annotated import Annotated


def annotated(**changed: Any) -> Annotated:
    parts: dict[str, Any] = {
        "exam_id": "e",
        "patient_id": "p",
        "split": "train",
        "voxels": np.zeros((3, 8, 6), np.float32),
        "spacing_mm": (3.0, 0.5, 0.5),
        "labels": np.zeros((3, 8, 6), np.uint8),
        "drawn": np.array([True, True, False]),
        "structures": ("acl", "femur"),
    }
    return Annotated(**parts | changed)


def with_label(value: int, index: int = 1) -> np.ndarray:
    labels = np.zeros((3, 8, 6), np.uint8)
    labels[index, 2, 3] = value
    return labels


def test_a_structure_s_mask_is_where_its_label_is():
    one = annotated(labels=with_label(2))
    assert one.shape == (3, 8, 6)
    assert np.argwhere(one.mask("femur")).tolist() == [[1, 2, 3]]
    assert not one.mask("acl").any()
    with pytest.raises(ValueError, match="no pcl was drawn, only acl, femur"):
        one.mask("pcl")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"exam_id": ""}, "exam id"),
        ({"patient_id": ""}, "patient id"),
        ({"voxels": np.zeros((3, 8, 6))}, "voxels must be float32"),
        ({"voxels": np.zeros((8, 6), np.float32)}, "voxels must be float32"),
        ({"voxels": np.full((3, 8, 6), np.nan, np.float32)}, "not finite"),
        ({"labels": np.zeros((3, 6, 8), np.uint8)}, r"labels must be uint8 \(3, 8, 6\)"),
        ({"labels": np.zeros((3, 8, 6), np.int64)}, "labels must be uint8"),
        ({"labels": with_label(3)}, "a label is 3, but it has only 2 structures"),
        ({"labels": with_label(1, 2)}, "labels in a slice that isn't drawn"),
        ({"drawn": np.ones(2, bool)}, "drawn must be bool"),
        ({"drawn": np.zeros(3, bool)}, "no slice is drawn"),
        ({"structures": ()}, "names of its structures"),
        ({"structures": ("acl", "acl")}, "each of them once"),
        ({"structures": ("acl", "cyst")}, "unknown structure cyst"),
        ({"spacing_mm": (3.0, -0.5, 0.5)}, "PixelSpacing is -0.5"),
        ({"spacing_mm": (300.0, 0.5, 0.5)}, "slices lie 300 mm apart"),
    ],
)
def test_what_doesn_t_fit_is_refused(changed, message):
    with pytest.raises(ValueError, match=message):
        annotated(**changed)
