"""What separates images and what doesn't: rounding, measured numbers and copies make no second volume."""

from copy import deepcopy

import numpy as np
import pytest
from pydicom import uid
from pydicom.dataset import Dataset

from data_prep.errors import UnsuitableStudy
from data_prep.selection.series import Selection, load_study
from tests.data_prep.dicom_factory import (
    encode,
    encode_codestreams,
    jpeg_2000,
    make_pixels,
    make_series,
    named,
    uploads,
)


def load(images: list[Dataset]) -> Selection:
    return load_study(named(images))


def renamed(images: list[Dataset], series: int | None = None) -> list[Dataset]:
    """The same images under other SOPInstanceUIDs."""
    copies = deepcopy(images)
    for image in copies:
        image.SOPInstanceUID += ".1"
        if series:
            image.SeriesInstanceUID = f"2.25.77.{series}"
    return copies


def repeated(images: list[Dataset], seed: int) -> list[Dataset]:
    """Other images of the same slices."""
    others = renamed(images)
    for place, image in enumerate(others):
        image.PixelData = make_pixels(seed=seed + place).tobytes()
    return others


def reasons(selection: Selection) -> list[str]:
    return [one.reason for one in selection.passed_over]


@pytest.mark.parametrize("places", [[4], [0, 7], [3, 3], list(range(9))], ids=["one", "ends", "three times", "all"])
def test_images_sent_again_under_another_uid_are_taken_once(places):
    images = make_series(9)
    copies = []
    for number, place in enumerate(places):
        copies += renamed([images[place]])
        copies[-1].SOPInstanceUID += f".{number}"
    selection = load(copies + images)
    assert selection.volume.digest() == load(images).volume.digest()
    plural = "s" if len(places) > 1 else ""
    assert reasons(selection) == [f"{len(places)} image{plural} sent twice, under another SOPInstanceUID: used once"]


def test_a_copy_may_be_moved_by_rounding_and_compressed():
    images = make_series(9)
    copy = deepcopy(images[4])
    copy.SOPInstanceUID += ".1"
    copy.ImagePositionPatient[0] += 0.001
    pixels = np.frombuffer(copy.PixelData, "<u2").reshape(copy.Rows, copy.Columns)
    files = {f"{place}": encode(image) for place, image in enumerate(images)}
    files["copy"] = encode_codestreams(copy, uid.JPEG2000Lossless, [jpeg_2000(pixels)])
    selection = load_study(uploads(files))
    assert selection.volume.shape[0] == 9
    assert reasons(selection) == ["1 image sent twice, under another SOPInstanceUID: used once"]


def test_a_series_sent_again_under_another_series_uid_is_predicted_on_once():
    images = make_series(9)
    selection = load(images + renamed(images, series=2))
    assert selection.volume.digest() == load(images).volume.digest()
    assert [one.series_uid for one in selection.passed_over] == ["2.25.77.2"]


def test_other_pixels_at_the_same_position_cant_be_told_apart():
    images = make_series(9)
    with pytest.raises(UnsuitableStudy, match="1 more images than positions; headers don't distinguish them") as caught:
        load(images + repeated(images[4:5], 500))
    assert caught.value.kind == "no-positions"
    other = make_series(9, series=2)
    selection = load(images + repeated(images[4:5], 500) + other)
    assert selection.volume.series_uid == "2.25.77.2"


@pytest.mark.parametrize(
    ("keyword", "values"),
    [
        ("EchoTime", [35, 35.000001]),
        ("EchoTime", [35.02, 34.98, 35.0]),
        ("EchoTime", [100, 101.5]),
        ("ImageOrientationPatient", [[0, 1, 0, 0, 0, -1], [0.0004, 0.99999, 0.0031, 0.002, 0, -1]]),
        ("PixelSpacing", [[0.3125, 0.3125], [0.31250001, 0.31249999], [0.31, 0.3125]]),
        ("AcquisitionNumber", list(range(1, 9))),
        ("RepetitionTime", [3000, 3000.01]),
    ],
)
def test_numbers_that_jitter_make_one_volume(keyword, values):
    images = make_series(8)
    for place, image in enumerate(images):
        setattr(image, keyword, values[place % len(values)])
    selection = load(images)
    assert selection.volume.shape[0] == 8
    assert reasons(selection) == []


@pytest.mark.parametrize("times", [(6.28, 6.30, 12.56, 12.6), (35, 35.000001, 70, 70.3), (2.2, 2.21, 4.4, 4.41)])
def test_echo_times_that_jitter_are_as_many_echoes_as_they_are(times):
    images = make_series(8)
    second = repeated(images, 500)
    for place, (one, other) in enumerate(zip(images, second, strict=True)):
        one.EchoTime, other.EchoTime = times[place % 2], times[2 + place % 2]
    selection = load(images + second)
    assert selection.volume.shape[0] == 8
    assert len(selection.passed_over) == 1


@pytest.mark.parametrize(
    ("b_values", "reason"),
    [
        ((0, 0, 500, 499.98), "diffusion image"),
        ((50, 50.4, 800, 806), "diffusion image"),
        ((0, 0, 40, 40.3), "the lowest is chosen"),
    ],
)
def test_b_values_that_jitter(b_values, reason):
    images = make_series(8)
    second = repeated(images, 500)
    for place, (one, other) in enumerate(zip(images, second, strict=True)):
        one.DiffusionBValue, other.DiffusionBValue = float(b_values[place % 2]), float(b_values[2 + place % 2])
    selection = load(images + second)
    assert selection.volume.shape[0] == 8
    assert reason in reasons(selection)[0]


def test_a_number_that_each_slice_has_for_itself_separates_nothing():
    images = make_series(8)
    second = repeated(images, 500)
    for place, image in enumerate([*images, *second]):
        image.AcquisitionNumber = place + 1
        image.TemporalPositionIdentifier = 1 + place // 8
    assert load(images + second).volume.sop_uids == tuple(image.SOPInstanceUID for image in images)
    for image in [*images, *second]:
        del image.TemporalPositionIdentifier
    with pytest.raises(UnsuitableStudy, match="8 more images than positions") as caught:
        load(images + second)
    assert "only 1" not in caught.value.detail


@pytest.mark.parametrize("jitter_mm", [0.001, 0.02, 0.3])
def test_positions_that_jitter_are_no_gap(jitter_mm):
    images = make_series(12)
    for place, image in enumerate(images):
        image.ImagePositionPatient[0] = float(image.ImagePositionPatient[0]) + jitter_mm * (-1) ** place
    assert load(images).volume.shape[0] == 12


def test_positions_in_whole_millimetres_are_no_gap_and_a_missing_slice_is_one():
    images = make_series(12)
    for place, image in enumerate(images):
        image.ImagePositionPatient[0] = -float(round(3.3 * place))
    assert load(images).volume.shape[0] == 12
    with pytest.raises(UnsuitableStudy, match="mm apart where") as caught:
        load(images[:5] + images[6:])
    assert caught.value.kind == "gap"


@pytest.mark.parametrize("position", [[0.0, 0.0, 0.0], [-20.0, 3.5, 80.0]])
@pytest.mark.parametrize("numbered", [True, False])
def test_images_at_one_position_have_that_as_their_cause_once(position, numbered):
    images = make_series(20)
    for place, image in enumerate(images):
        image.ImagePositionPatient = position
        image.AcquisitionNumber = place + 1 if numbered else 1
    with pytest.raises(UnsuitableStudy, match="all 20 images have the same position") as caught:
        load(images)
    assert caught.value.detail.count("position") == 1
    assert "only 1" not in caught.value.detail


def test_a_cause_that_holds_for_many_parts_or_series_is_told_once():
    with pytest.raises(UnsuitableStudy) as caught:
        load([image for series in range(1, 6) for image in make_series(1, series=series)])
    assert caught.value.detail.count("only 1 slice; at least 8 are needed") == 1
    assert "series 2.25.77.1 and 4 more" in caught.value.detail
    turned = make_series(3)
    for place, image in enumerate(turned):
        image.ImageOrientationPatient = [0.1 * place, float(np.sqrt(1 - (0.1 * place) ** 2)), 0, 0, 0, -1]
    selection = load(make_series(9, series=2) + turned)
    assert reasons(selection) == ["3 parts: only 1 slice; at least 8 are needed"]


def test_without_positions_the_cause_is_named():
    with pytest.raises(UnsuitableStudy, match="slice positions are missing, and InstanceNumber"):
        load(make_series(ImagePositionPatient=None))
