import cv2
import numpy as np

from training.fitting.pictures import ENLARGED, FOUND, TRUE, confusion, outlines, overlay, png


def test_a_cell_is_as_dark_as_its_share_of_the_true_class():
    truth, answer = np.array([0, 0, 0, 0, 1]), np.array([0, 0, 0, 1, 1])
    (axes,) = confusion(truth, answer, ("healthy", "unhealthy")).axes
    assert np.array_equal(axes.images[0].get_array(), [[0.75, 0.25], [0, 1]])
    assert [text.get_text() for text in axes.texts] == ["3", "1", "0", "1"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["healthy", "unhealthy"]


def test_a_class_without_exams_is_an_empty_row():
    figure = confusion(np.array([], int), np.array([], int), ("healthy", "unhealthy"))
    assert not figure.axes[0].images[0].get_array().any()
    assert cv2.imdecode(np.frombuffer(png(figure), np.uint8), cv2.IMREAD_COLOR).shape[2] == 3


def test_evidence_is_red_where_it_is_for_and_blue_where_it_is_against():
    maps = np.zeros((3, 4, 4), np.float32)
    maps[0, 0, 0], maps[2, 3, 3] = 1, -1
    slices = np.full((3, 32, 40), 0.5, np.float32)
    picture = overlay(slices, maps, ((0.0, 1.0), (0.0, 1.0))).astype(int)
    assert picture.shape == (64, 80, 3)  # three slices in two rows of two
    blue, _, red = np.moveaxis(picture, -1, 0)
    assert np.unravel_index((red - blue).argmax(), red.shape) < (8, 10)
    top, left = np.unravel_index((blue - red).argmax(), red.shape)
    assert (top, left) >= (32 + 24, 30)
    assert (picture[:32, 40:] == 128).all()  # the second slice has no evidence
    assert (picture[32:, 40:] == 0).all()


def test_an_empty_map_leaves_the_slices_as_they_are():
    slices = np.linspace(0, 1, 64, dtype=np.float32).reshape(1, 8, 8)
    picture = overlay(slices, np.zeros((1, 2, 2), np.float32), ((0.2, 0.8), (0.2, 0.8)))
    assert np.array_equal(picture[..., 1], np.round(slices[0] * 255))


def test_outlines_are_green_for_what_is_there_and_red_for_what_was_found():
    truth, found = np.zeros((3, 20, 24)), np.zeros((3, 20, 24), int)
    truth[:, 0, 0] = -1  # unknown
    truth[1, 4:10, 4:10] = 1
    truth[2, 4:6, 4:6] = 1
    found[1, 12:18, 12:18] = 1
    found[0] = 1
    picture = outlines(np.full((3, 20, 24), 0.5, np.float32), truth, found)
    assert picture.shape == (20 * ENLARGED, 24 * ENLARGED, 3)
    green, red = ((picture == colour).all(axis=-1) for colour in (TRUE, FOUND))
    for line, start in ((green, 4), (red, 12)):  # of the slice that shows most of the structure
        rows, columns = (np.flatnonzero(line.any(axis=axis)) for axis in (1, 0))
        assert (rows[0], rows[-1]) == (columns[0], columns[-1]) == (start * ENLARGED, (start + 6) * ENLARGED - 1)
        assert not line[rows[0] + 3 : rows[-1] - 3, columns[0] + 3 : columns[-1] - 3].any()
