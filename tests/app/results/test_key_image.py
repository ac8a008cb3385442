"""The key image: the strongest slice as our pictures show it, and where it came from."""

import numpy as np
import pytest

from app.results import render
from app.results.key_image import OPACITY, key_image
from tests.app.results.made import PATIENT, map_of, read, result_of
from tests.data_prep.dicom_factory import enhanced, make_series


def test_it_is_the_overlay_of_the_strongest_slice():
    result = result_of()
    values = map_of(result)
    dataset = read(key_image(result, values))
    strongest = int(np.argmax(np.sin(np.arange(8))))  # as the answer's contributions were made
    assert dataset.SourceImageSequence[0].ReferencedSOPInstanceUID == result.volume.sop_uids[strongest]
    scale = render.Scale.of(result.volume.voxels, result.full_brightness(values))
    grey, glow = render.grey(result.volume.voxels[strongest], scale), render.glow(values[strongest], scale)
    np.testing.assert_array_equal(dataset.pixel_array, render.overlay(grey, glow, OPACITY)[..., ::-1])
    notice = render.overlay(grey, glow, 0.0)[..., 0] != grey
    assert notice.any()
    assert dataset.BurnedInAnnotation == "YES"
    assert dataset.ImageType[:2] == ["DERIVED", "SECONDARY"]
    assert f"Slice {strongest} " in dataset.DerivationDescription


def test_what_glows_is_warm_in_rgb():
    result = result_of()
    values = np.zeros(result.volume.shape, np.float32)
    values[result.strongest, 10:20, 10:20] = 1
    red, _, blue = read(key_image(result, values)).pixel_array[12:18, 12:18].mean(axis=(0, 1))
    assert red > blue


@pytest.mark.parametrize(
    ("orientation", "letters"),
    [([0.0, 1.0, 0.0, 0.0, 0.0, -1.0], ["P", "F"]), ([0.2, -0.9797958971, 0.0, 0.0, 0.0, -1.0], ["A", "F"])],
)
def test_its_sides_are_named(orientation, letters):
    result = result_of(*make_series(**PATIENT, ImageOrientationPatient=orientation))
    assert read(key_image(result, map_of(result))).PatientOrientation == letters


def test_its_source_is_a_frame_of_an_enhanced_instance():
    result = result_of(enhanced(make_series(**PATIENT)[::-1]))
    (source,) = read(key_image(result, map_of(result))).SourceImageSequence
    assert source.ReferencedFrameNumber == 8 - result.strongest
