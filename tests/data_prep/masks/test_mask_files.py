"""One row's mask or box in the pixels of its exam: what fits, and what is refused with the file named."""

from pathlib import Path

import numpy as np
import pytest

from data_prep.masks.images import read_image
from data_prep.masks.mask_files import Drawing, read_drawing
from tests.data_prep.masks.making import blob, described, grey, put, put_segmentation, put_series, rows_of, slab

SHAPE = (6, 48, 40)
VOLUME = np.stack([grey(seed=number) for number in range(6)])


def drawing(folder: Path, **cells: object) -> Drawing:
    """The drawing of a row about the picture a.png, or the volume v.npy if the row says so."""
    put(folder / "a.png", grey())
    np.save(folder / "v.npy", VOLUME)
    (row,) = rows_of(folder, {"image": "a.png", **cells})
    return read_drawing(row, read_image([row]))


def refused(folder: Path, message: str, **cells: object) -> None:
    with pytest.raises(ValueError, match=f"masks.csv, row 2: .*{message}"):
        drawing(folder, **cells)


def test_a_picture_s_mask(tmp_path):
    put(tmp_path / "m.png", blob())
    found = drawing(tmp_path, mask="m.png", structure="pcl")
    np.testing.assert_array_equal(found.masks["pcl"][0], blob())
    assert found.known.tolist() == [True]


def test_masks_of_one_slice_and_of_a_volume(tmp_path):
    put(tmp_path / "m.png", blob())
    found = drawing(tmp_path, image="v.npy", mask="m.png", slice=4)
    assert np.flatnonzero(found.known).tolist() == [4]
    np.testing.assert_array_equal(found.masks["acl"][4], blob())
    assert found.masks["acl"].sum() == blob().sum()
    np.save(tmp_path / "m.npy", slab(SHAPE))
    assert drawing(tmp_path, image="v.npy", mask="m.npy").known.all()
    assert np.flatnonzero(drawing(tmp_path, image="v.npy", mask="m.npy", drawn="shown").known).tolist() == [3, 4, 5]
    found = drawing(tmp_path, image="v.npy", mask="m.npy", drawn="1:4|4:6")
    assert np.flatnonzero(found.known).tolist() == [1, 2, 3, 4, 5]


def test_archives_by_the_names_of_their_arrays(tmp_path):
    np.savez(tmp_path / "m.npz", acl=slab(SHAPE), Medial_meniscus=slab(SHAPE, 0, 1), box=np.arange(6))
    found = drawing(tmp_path, image="v.npy", mask="m.npz")
    assert list(found.masks) == ["acl", "menisci"]
    np.testing.assert_array_equal(found.masks["menisci"], slab(SHAPE, 0, 1))
    assert list(drawing(tmp_path, image="v.npy", mask="m.npz", structure="acl").masks) == ["acl"]
    np.savez(tmp_path / "n.npz", one=slab(SHAPE), two=slab(SHAPE, 0, 1), three=slab(SHAPE, 1, 1))
    found = drawing(tmp_path, image="v.npy", mask="n.npz", structure="one=femur|two=femur|three=skip")
    np.testing.assert_array_equal(found.masks["femur"], slab(SHAPE) | slab(SHAPE, 0, 1))
    refused(
        tmp_path, r"n.npz: none of its arrays \(one, two, three\) is called as a structure", image="v.npy", mask="n.npz"
    )
    refused(tmp_path, "is called pcl", image="v.npy", mask="m.npz", structure="pcl")
    refused(tmp_path, "several arrays .*must name them", image="v.npy", mask="n.npz", structure="1=femur")


def test_an_archive_of_one_array(tmp_path):
    np.savez(tmp_path / "m.npz", drawn=slab(SHAPE).astype("u1") + 2 * slab(SHAPE, 0, 1))
    assert list(drawing(tmp_path, image="v.npy", mask="m.npz", structure="1=acl|2=pcl").masks) == ["acl", "pcl"]
    np.savez(tmp_path / "n.npz", femur=slab(SHAPE))
    assert list(drawing(tmp_path, image="v.npy", mask="n.npz").masks) == ["femur"]
    refused(
        tmp_path,
        "its array is called femur, but column structure says acl",
        image="v.npy",
        mask="n.npz",
        structure="acl",
    )


def test_boxes(tmp_path):
    found = drawing(tmp_path, box="2:9|3:8")
    assert found.masks["acl"].sum() == 7 * 5
    assert found.masks["acl"][0, 2:9, 3:8].all()
    found = drawing(tmp_path, image="v.npy", box="2:4|2:9|3:8")
    assert found.known.all()
    assert found.masks["acl"].any(axis=(1, 2)).tolist() == [False, False, True, True, False, False]


@pytest.mark.parametrize(
    ("box", "said"),
    [
        ("0:7|2:9|3:8", "slices 0:7, but the image has 6"),
        ("0:6|2:49|3:8", "rows 2:49"),
        ("0:6|2:9|3:41", "columns 3:41"),
    ],
)
def test_a_box_outside_the_image_is_refused(tmp_path, box, said):
    refused(tmp_path, f"v.npy: its box reaches over {said}", image="v.npy", box=box)


def test_empty_is_said_or_refused(tmp_path):
    put(tmp_path / "m.png", np.zeros((48, 40), np.uint8))
    refused(tmp_path, "m.png: the mask is empty; if the structure isn't there, write yes in column empty", mask="m.png")
    for cells in ({"mask": "m.png"}, {}):
        found = drawing(tmp_path, empty="yes", structure="pcl", **cells)
        assert (list(found.masks), found.masks["pcl"].any(), found.known.all()) == (["pcl"], False, True)
    put(tmp_path / "n.png", blob())
    refused(tmp_path, "n.png: something is drawn, but column empty says", mask="n.png", empty="yes")
    found = drawing(tmp_path, image="v.npy", empty="yes", slice=2)
    assert np.flatnonzero(found.known).tolist() == [2]
    refused(tmp_path, "it says nothing about any slice", image="v.npy", empty="yes", drawn="shown")


def put_arrays(folder: Path) -> None:
    """Masks of which none fits."""
    put(folder / "size.png", blob(40, 40))
    put(folder / "turned.png", blob(40, 48))
    put(folder / "inverted.png", ~blob())
    put(folder / "full.png", np.full((48, 40), 255, np.uint8))
    put(folder / "grey.png", grey(seed=5))
    put(folder / "slice.png", blob())
    np.save(folder / "channels.npy", np.stack([blob()] * 3, axis=2))
    np.save(folder / "four.npy", np.stack([slab(SHAPE)] * 2))
    np.save(folder / "axes.npy", slab(SHAPE).transpose(1, 2, 0))
    np.save(folder / "slices.npy", slab((7, 48, 40)))
    np.save(folder / "fits.npy", slab(SHAPE))
    np.save(folder / "flipped.npy", ~slab(SHAPE))
    (folder / "text.png").write_text("a mask")


@pytest.mark.parametrize(
    ("image", "mask", "more", "message"),
    [
        ("a.png", "size.png", {}, r"size.png: it has 40 x 40 pixels, its image .*a.png has 48 x 40"),
        ("a.png", "turned.png", {}, r"turned.png: .* its axes are in another order"),
        ("a.png", "inverted.png", {}, r"inverted.png: acl covers 98% of the image; it may be inverted"),
        ("a.png", "full.png", {}, r"full.png: acl covers the whole image"),
        ("a.png", "grey.png", {}, r"grey.png: it has \d+ grey values between"),
        ("a.png", "a.png", {}, r"a.png: image and mask are the same file"),
        ("slice.png", "grey.png", {}, r"grey.png: .*image and mask may be swapped"),
        ("a.png", "channels.npy", {}, r"channels.npy: .* it seems to have 3 channels, and one is needed"),
        ("a.png", "text.png", {}, r"text.png: it isn't a PNG or JPEG file"),
        ("a.png", "fits.npy", {}, r"fits.npy: it has 6 x 48 x 40 pixels, its image .* has 1 x 48 x 40"),
        ("v.npy", "four.npy", {}, r"four.npy: its shape \(2, 6, 48, 40\) isn't"),
        ("v.npy", "axes.npy", {}, r"axes.npy: .* its axes are in another order"),
        ("v.npy", "slices.npy", {}, r"slices.npy: it has 7 x 48 x 40 pixels, its image .*v.npy has 6 x 48 x 40"),
        ("v.npy", "slice.png", {}, r"slice.png: it shows one slice, and its image has 6; fill in column slice"),
        ("v.npy", "slice.png", {"slice": 6}, r"v.npy: there is no slice 6; it has slices 0 to 5"),
        ("v.npy", "fits.npy", {"slice": 2}, r"fits.npy: it shows the whole volume, but column slice names one"),
        ("v.npy", "flipped.npy", {}, r"flipped.npy: acl covers the whole image \(slice 0\)"),
        ("v.npy", "fits.npy", {"drawn": "2:5"}, r"fits.npy: something is drawn on slice 5, which column drawn"),
        ("v.npy", "fits.npy", {"drawn": "2:9"}, r"v.npy: column drawn says 2:9, but the volume has 6 slices"),
    ],
)
def test_masks_that_don_t_fit_are_refused_by_name(tmp_path, image, mask, more, message):
    put_arrays(tmp_path)
    refused(tmp_path, message, image=image, mask=mask, **more)


def test_a_segmentation_needs_a_series(tmp_path):
    (tmp_path / "m.dcm").write_bytes(b"")
    refused(tmp_path, "m.dcm: a DICOM Segmentation needs the DICOM series", image="v.npy", mask="m.dcm")
    put_series(tmp_path / "knee")
    refused(tmp_path, "m.dcm: it can't be read as a DICOM Segmentation", image="knee", mask="m.dcm")
    refused(tmp_path, "knee: image and mask are the same|knee: a folder; a mask is one file", image="knee", mask="knee")


@pytest.mark.parametrize("name", ["m.png", "m.npy", "m.npz", "m.dcm"])
def test_damaged_files_are_refused_or_read_but_never_crash(tmp_path, name):
    """One to five bytes changed, 40 times."""
    images = put_series(tmp_path / "knee")
    mask = slab((8, 40, 36), 3, 5)
    image, more = "knee", {}
    if name == "m.png":
        put(tmp_path / name, mask[3])
        more = {"slice": 3}
    elif name == "m.npy":
        np.save(tmp_path / name, mask)
    elif name == "m.npz":
        np.savez_compressed(tmp_path / name, acl=mask)
    else:
        put_segmentation(tmp_path / name, images, mask, [described(1, "ACL")])
    (row,) = rows_of(tmp_path, {"image": image, "mask": name, **more})
    pixels = read_image([row])
    content, rng = (tmp_path / name).read_bytes(), np.random.default_rng(7)
    refusals = 0
    for _ in range(40):
        damaged = np.frombuffer(content, np.uint8).copy()
        damaged[rng.integers(0, len(damaged), rng.integers(1, 6))] ^= rng.integers(1, 256, 1, dtype=np.uint8)
        (tmp_path / name).write_bytes(damaged.tobytes())
        try:
            read_drawing(row, pixels)
        except ValueError as error:
            refusals += 1
            assert name in str(error)  # noqa: PT017  # both outcomes are right
    assert refusals > 0
