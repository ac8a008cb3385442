"""An exam's pixels from pictures, arrays and series, and what of them can't be used."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from data_prep.masks.images import read_image
from data_prep.masks.table import read_masks
from tests.data_prep.masks.making import blob, grey, put, put_series, put_table, rows_of

BOX = {"box": "0:1|2:9|3:8"}


def pictures(folder: Path, *cells: dict[str, object]) -> list:
    """Rows of one exam with a picture each."""
    for number in range(len(cells)):
        if not (folder / f"{number}.png").exists():
            put(folder / f"{number}.png", grey(seed=number))
    return rows_of(folder, *({"image": f"{number}.png"} | BOX | one for number, one in enumerate(cells)))


def test_pictures_are_slices_in_the_order_of_the_table_or_of_their_numbers(tmp_path):
    pixels = read_image(pictures(tmp_path, {}, {}))
    np.testing.assert_array_equal(pixels.voxels, [grey(seed=0), grey(seed=1)])
    assert (pixels.voxels.dtype, pixels.spacing_mm, pixels.volume) == (np.float32, None, None)
    pixels = read_image(pictures(tmp_path, {"slice": 7}, {"slice": 3}))
    np.testing.assert_array_equal(pixels.voxels, [grey(seed=1), grey(seed=0)])


def test_one_picture_needs_no_distance_between_slices(tmp_path):
    spacing = {"row_mm": 0.5, "column_mm": 0.4}
    assert read_image(pictures(tmp_path, spacing)).spacing_mm == (1.0, 0.5, 0.4)
    with pytest.raises(ValueError, match=r"slice_mm isn't, and the exam has several slices"):
        read_image(pictures(tmp_path, spacing, spacing))
    three = spacing | {"slice_mm": 3}
    assert read_image(pictures(tmp_path, three, three)).spacing_mm == (3.0, 0.5, 0.4)


@pytest.mark.parametrize(
    "picture",
    [
        np.dstack([grey()] * 3),
        np.dstack([grey()] * 3 + [np.full((48, 40), 255, np.uint8)]),
        np.dstack([grey()] * 3 + [np.zeros((48, 40), np.uint8)]),
        np.dstack([grey() * (grey() > 99)] * 3 + [255 * (grey() > 99).astype(np.uint8)]),
    ],
)
def test_grey_in_colours_is_grey(tmp_path, picture):
    put(tmp_path / "0.png", picture)
    np.testing.assert_array_equal(read_image(pictures(tmp_path, {})).voxels[0], picture[..., 0])


def test_a_small_coloured_mark_is_no_mask_and_an_outline_is(tmp_path):
    picture = np.dstack([cv2.GaussianBlur(grey(264, 386), (0, 0), 3)] * 3)
    cv2.putText(picture, "R", (20, 30), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (255, 200, 0))
    put(tmp_path / "0.png", picture)
    assert read_image(pictures(tmp_path, {})).shape == (1, 264, 386)
    cv2.ellipse(picture, (190, 130), (12, 40), 30, 0, 360, (255, 0, 0))
    put(tmp_path / "0.png", picture)
    with pytest.raises(ValueError, match=r"0.png: it has colours"):
        read_image(pictures(tmp_path, {}))


def test_sixteen_bits_stay_sixteen_bits(tmp_path):
    put(tmp_path / "0.png", stored := grey().astype(np.uint16) * 200)
    np.testing.assert_array_equal(read_image(pictures(tmp_path, {})).voxels[0], stored)


def drawn_on() -> np.ndarray:
    picture = np.dstack([grey()] * 3)
    picture[blob()] = (255, 0, 0)
    return picture


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (drawn_on(), "0.png: it has colours: a mask or a heatmap may be drawn on it"),
        (np.dstack([grey() | 1] * 3 + [255 * blob().astype(np.uint8)]), "0.png: a part of it is transparent"),
        (np.full((48, 40), 7, np.uint8), "0.png: all of its pixels are equal"),
    ],
)
def test_pictures_that_hold_their_own_mask_or_nothing_are_refused(tmp_path, picture, message):
    put(tmp_path / "0.png", picture)
    with pytest.raises(ValueError, match=f"masks.csv, row 2: .*{message}"):
        read_image(pictures(tmp_path, {}))


def test_pictures_of_one_exam_have_one_size(tmp_path):
    put(tmp_path / "1.png", grey(40, 48))
    with pytest.raises(ValueError, match=r"1.png: it has 40 x 48 pixels, but .*0.png of the same exam has 48 x 40"):
        read_image(pictures(tmp_path, {}, {}))


def test_two_pictures_can_t_have_one_number(tmp_path):
    with pytest.raises(ValueError, match="two pictures of this exam are in one place"):
        read_image(pictures(tmp_path, {"slice": 3}, {"slice": 3}))
    rows = rows_of(tmp_path, {"image": "0.png", "slice": 1} | BOX, {"image": "0.png", "slice": 2} | BOX)
    with pytest.raises(ValueError, match="another row gives this picture slice 1"):
        read_image(rows)


def test_an_array_has_the_spacing_of_the_table(tmp_path):
    np.save(tmp_path / "a.npy", volume := np.arange(6 * 20 * 24, dtype="i2").reshape(6, 20, 24))
    (row,) = rows_of(tmp_path, {"image": "a.npy", "row_mm": 0.5, "column_mm": 0.5, "slice_mm": 3} | BOX)
    pixels = read_image([row])
    np.testing.assert_array_equal(pixels.voxels, volume)
    assert pixels.spacing_mm == (3.0, 0.5, 0.5)
    assert read_image(rows_of(tmp_path, {"image": "a.npy"} | BOX)).spacing_mm is None
    with pytest.raises(ValueError, match="slice_mm isn't"):
        read_image(rows_of(tmp_path, {"image": "a.npy", "row_mm": 0.5, "column_mm": 0.5} | BOX))


def test_a_series_has_the_spacing_of_its_headers(tmp_path):
    put_series(tmp_path / "knee")
    pixels = read_image(rows_of(tmp_path, {"image": "knee"} | BOX))
    assert (pixels.shape, pixels.spacing_mm) == ((8, 40, 36), (3.0, 0.5, 0.5))
    agreeing = {"image": "knee", "row_mm": 0.5, "column_mm": 0.504, "slice_mm": 3} | BOX
    assert read_image(rows_of(tmp_path, agreeing)).spacing_mm == (3.0, 0.5, 0.5)
    with pytest.raises(ValueError, match=r"row 2: .*knee: its headers say 3 mm where column slice_mm says 4"):
        read_image(rows_of(tmp_path, agreeing | {"slice_mm": 4}))


def test_a_series_among_others_is_chosen_by_its_uid(tmp_path):
    put_series(tmp_path / "knee")
    put_series(tmp_path / "knee" / "other", 9, series=2)
    for number, slices in ((1, 8), (2, 9)):
        pixels = read_image(rows_of(tmp_path, {"image": "knee", "series_uid": f"2.25.77.{number}"} | BOX))
        assert len(pixels.voxels) == slices


def test_a_slice_is_named_by_number_or_uid(tmp_path):
    images = put_series(tmp_path / "knee")
    rows = rows_of(
        tmp_path,
        {"image": "knee", "slice": 3} | BOX,
        {"image": "knee", "slice": images[5].SOPInstanceUID} | BOX,
        {"image": "knee", "slice": 8} | BOX,
        {"image": "knee", "slice": "1.2.3.4"} | BOX,
        {"image": "knee"} | BOX,
    )
    pixels = read_image(rows)
    assert [pixels.slice_of(row) for row in rows[:2]] == [3, 5]
    assert pixels.slice_of(rows[4]) is None
    with pytest.raises(ValueError, match=r"row 4: .*there is no slice 8; it has slices 0 to 7"):
        pixels.slice_of(rows[2])
    with pytest.raises(ValueError, match=r"no single slice of this volume has the SOPInstanceUID 1.2.3.4"):
        pixels.slice_of(rows[3])


def test_what_can_t_be_read_is_named_with_its_row(tmp_path):
    (tmp_path / "knee").mkdir()
    (tmp_path / "knee" / "a.dcm").write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"masks.csv, row 2: "):
        read_image(rows_of(tmp_path, {"image": "knee"} | BOX))
    put(tmp_path / "b.png", grey())
    rows = [*rows_of(tmp_path, {"image": "b.png"} | BOX), *rows_of(tmp_path, {"image": "knee"} | BOX)]
    with pytest.raises(ValueError, match="the rows of this exam name different images"):
        read_image(rows)


def test_two_rows_of_one_picture_are_one_slice(tmp_path):
    put(tmp_path / "a.png", grey())
    table = put_table(
        tmp_path,
        *({"exam_id": "e", "patient_id": "p", "image": "a.png", "structure": name} | BOX for name in ("acl", "pcl")),
    )
    assert read_image(read_masks(table)).shape == (1, 48, 40)
