"""An exam's picture shows its middle slice, in the shape that millimetres give it."""

import cv2
import numpy as np

from data_prep.exams.pictures import WIDTH, exam_picture, picture
from data_prep.tables.exams import Exam
from tests.conftest import make_volume


def decoded(png: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)


def test_the_middle_slice_is_shown_in_its_own_window():
    voxels = np.zeros((5, 40, 40))
    voxels[2] = 1000 + np.linspace(0, 7, 40)  # brighter from left to right
    voxels[3:] = 1e6
    pixels = decoded(picture(make_volume(voxels)))
    assert pixels.shape == (WIDTH, WIDTH)
    assert pixels.dtype == np.uint8
    assert pixels[:, 0].max() < 5
    assert pixels[:, -1].min() > 250
    assert (np.diff(pixels[0].astype(int)) >= 0).all()


def test_millimetres_give_the_shape():
    tall = make_volume(np.zeros((3, 50, 100)), spacing_mm=(3.0, 1.5, 0.5))
    assert decoded(picture(tall)).shape == (round(WIDTH * 75 / 50), WIDTH)


def test_a_blank_slice_is_black():
    assert not decoded(picture(make_volume(np.full((3, 30, 30), 7.0)))).any()


def test_an_exam_is_loaded_from_its_files(tmp_path):
    np.save(tmp_path / "knee.npy", np.random.default_rng(0).integers(0, 256, (9, 32, 64), np.uint8))
    exam = Exam("a", "p", tmp_path / "knee.npy", spacing_mm=(3.6, 0.5, 0.5))
    assert decoded(exam_picture(exam)).shape == (WIDTH // 2, WIDTH)
