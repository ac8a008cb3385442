"""Paths and tables become images to segment."""

import csv
import shutil

import cv2
import numpy as np
import pytest

from data_prep.phantom.dicom_out import write
from data_prep.phantom.knee import generate
from models.segment.asked import asked, images, without

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two pictures in a folder, an array, a DICOM series and a zip of it."""
    tmp_path = tmp_path_factory.mktemp("given")
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    noise = np.random.default_rng(0).integers(0, 255, (2, 40, 50), np.uint8)
    for name, plane in zip(("one.png", "two.JPG"), noise, strict=True):
        (pictures / name).write_bytes(cv2.imencode(name[-4:].lower(), plane)[1].tobytes())
    np.save(tmp_path / "array.npy", noise.astype(np.float32))
    write(generate(1, "healthy"), tmp_path / "exam")
    shutil.make_archive(str(tmp_path / "zipped"), "zip", tmp_path / "exam" / "dicom")
    return tmp_path


def test_each_image_is_an_exam_of_its_own(folder):
    paths = [folder / name for name in ("pictures", "array.npy", "exam/dicom", "zipped.zip")]
    rows = asked(paths)
    assert [row.exam_id for row in rows] == ["one", "two", "array", "exam", "zipped"]
    assert [row.kind for row in rows] == ["picture", "picture", "array", "series", "series"]
    read = list(images(rows))
    assert [one.selection is not None for one in read] == [False, False, False, True, True]
    assert [one.pixels.shape for one in read[:3]] == [(1, 40, 50), (1, 40, 50), (2, 40, 50)]
    assert read[3].pixels.spacing_mm == read[4].pixels.spacing_mm is not None
    np.testing.assert_array_equal(read[3].pixels.voxels, generate(1, "healthy").to_volume().voxels)


def test_a_table_says_whose_exams_they_are(folder):
    rows = [
        {"exam_id": "e1", "patient_id": "p1", "path": "exam/dicom", "split": "test"},
        {"exam_id": "e2", "patient_id": "p2", "path": "array.npy", "spacing_mm": "3.0|0.5|0.4"},
    ]
    with (folder / "exams.csv").open("w", newline="") as stream:
        table = csv.DictWriter(stream, ["exam_id", "patient_id", "path", "split", "spacing_mm"])
        table.writeheader()
        table.writerows(rows)
    series, array = asked([folder / "exams.csv"])
    assert (series.exam_id, series.patient_id, series.split, series.kind) == ("e1", "p1", "test", "series")
    assert (array.slice_mm, array.row_mm, array.column_mm) == (3.0, 0.5, 0.4)
    assert next(iter(images([array]))).pixels.spacing_mm == (3.0, 0.5, 0.4)


def test_what_is_annotated_is_left_out(folder):
    rows = asked([folder / "pictures", folder / "array.npy"])
    assert [row.exam_id for row in without(rows, [rows[1]])] == ["one", "array"]


def test_what_is_not_there_or_has_the_same_name_is_refused(folder):
    with pytest.raises(ValueError, match=r"none\.png: there is no such file"):
        asked([folder / "none.png"])
    shutil.copy(folder / "array.npy", folder / "one.npy")
    with pytest.raises(ValueError, match="have the same name"):
        asked([folder / "pictures", folder / "one.npy"])
