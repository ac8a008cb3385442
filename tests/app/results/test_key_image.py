"""The key image: the decisive slice with its colours, where it came from, and what it says in words."""

import numpy as np
import pytest

from app.results.key_image import SIDE, WIDTH, _explained, _found, key_image, picture
from data_prep.labels import FOUR_CLASS
from tests.app.results.made import PATIENT, POINT, SCALE, evidence_of, read, result_of
from tests.data_prep.dicom_factory import enhanced, make_pixels, make_series


def lines(result, evidence=None) -> list[str]:
    evidence = evidence or evidence_of(result)
    return [line.text for line in (*_found(result, evidence), *_explained(result, evidence))]


def assert_in_place(dataset, result, evidence) -> None:
    """The middle of the picture's knee is the middle of the slice, at the slice's orientation."""
    index, spacing = result.decisive(evidence), np.array(dataset.PixelSpacing, float)
    across, down = np.array(dataset.ImageOrientationPatient, float).reshape(2, 3)
    _, rows, columns = result.volume.shape
    factor = 0.5 / spacing[0]  # pixels of 0.5 mm are enlarged
    middle = (dataset.Columns - 1) / 2, (factor * rows - 1) / 2
    there = np.array(dataset.ImagePositionPatient, float) + spacing * middle @ np.array([across, down])
    np.testing.assert_allclose([across, down], result.volume.directions, atol=1e-9)
    expected = result.in_patient(index, np.array([((columns - 1) / 2, (rows - 1) / 2)]))[0]
    np.testing.assert_allclose(there, expected, atol=1e-6)
    assert dataset.FrameOfReferenceUID == PATIENT["FrameOfReferenceUID"]


def test_it_is_the_slice_with_the_peak():
    result = result_of(scale=SCALE)
    evidence = evidence_of(result)
    dataset = read(key_image(result, evidence))
    assert dataset.SourceImageSequence[0].ReferencedSOPInstanceUID == result.volume.sop_uids[evidence.peak[0]]
    np.testing.assert_array_equal(dataset.pixel_array[..., ::-1], picture(result, evidence))
    assert dataset.BurnedInAnnotation == "YES"
    assert dataset.ImageType[:2] == ["DERIVED", "SECONDARY"]
    assert f"Slice {evidence.peak[0] + 1} of 8 " in dataset.DerivationDescription


def test_without_a_region_it_is_the_slice_that_contributes_most_and_grey():
    result = result_of(scale=SCALE | {"classes": {"unhealthy": 9.0}})
    evidence = evidence_of(result)
    dataset = read(key_image(result, evidence))
    assert dataset.SourceImageSequence[0].ReferencedSOPInstanceUID == result.volume.sop_uids[result.strongest]
    knee = dataset.pixel_array[: 40 * 20].astype(int)
    assert (np.ptp(knee, axis=2) == 0).all()
    assert "No region above the threshold: nothing is coloured" in lines(result, evidence)


def test_the_slice_is_enlarged_and_no_text_lies_on_it():
    """A volume of 40 x 36 pixels is enlarged 20 times, and text and colour scale stand below."""
    result = result_of(scale=SCALE)
    plain = result_of(scale=SCALE, predicted=0)
    shown, other = picture(result, evidence_of(result)), picture(plain, evidence_of(plain))
    assert SIDE <= 40 * 20
    assert WIDTH <= shown.shape[1] == 36 * 20
    np.testing.assert_array_equal(shown[: 40 * 20], other[: 40 * 20])
    assert (shown[40 * 20 :] != other[40 * 20 :]).any()
    spacing = read(key_image(result, evidence_of(result))).PixelSpacing
    assert [float(value) for value in spacing] == [0.025, 0.025]
    assert_in_place(read(key_image(result, evidence_of(result))), result, evidence_of(result))


def test_a_narrow_slice_gets_room_for_the_text():
    images = make_series(**PATIENT)
    for image in images:
        image.Rows, image.Columns = 800, 100
        image.PixelData = make_pixels(800, 100).tobytes()
    result = result_of(*images, scale=SCALE)
    evidence = evidence_of(result)
    assert picture(result, evidence).shape[1] == WIDTH
    assert_in_place(read(key_image(result, evidence)), result, evidence)


def test_it_says_class_probability_side_slice_colours_model_and_notice():
    result = result_of(scale=SCALE)
    said = lines(result)
    index = evidence_of(result).peak[0]
    assert said[:2] == ["ACL: unhealthy, probability 0.90 (calibrated)", f"Right knee, slice {index + 1} of 8"]
    assert said[2].startswith("Colour shows evidence for 'unhealthy': the share of the model's score")
    assert said[3] == (
        "Nothing is coloured below 0.04. Full brightness is 0.08 logit/mm2, "
        "which 25% of 20 injured validation knees reach."
    )
    assert said[4:] == [
        "The model has only seen synthetic knees.",
        "Research use only, not for diagnosis",
        "Cruciate 0.1.0, model demo (mrnet, 9f9f9f9f9f9f)",
    ]


def test_it_says_what_the_operating_point_and_the_threshold_rest_on():
    exams = {"threshold_exams": {"below": 19, "exams": 20}}
    result = result_of(scale=SCALE | exams)
    result.answer["result"]["operating_point"] = POINT
    said = lines(result)
    assert said[1] == POINT["message"]
    assert said[4].startswith("Nothing is coloured below 0.04, as in 19 of 20 healthy validation knees. Full")


def test_it_says_nothing_that_is_not_known():
    result = result_of(*make_series(**PATIENT))
    result.answer["warnings"].append({"code": "not-calibrated", "message": "The probabilities aren't calibrated."})
    said = lines(result)
    assert said[0] == "ACL: unhealthy, probability 0.90 (not calibrated)"
    assert said[1].startswith("Side not known, slice ")
    assert "Scaled by this study's own peak: brightness can't be compared between studies." in said
    assert not any("validation" in line or "operating point" in line for line in said)


@pytest.mark.parametrize(
    ("chance", "said"), [(0.999, "above 0.99"), (0.004, "below 0.01"), (0.995, "0.99"), (0.5, "0.50")]
)
def test_a_probability_is_never_rounded_to_certainty(chance, said):
    result = result_of(scheme=FOUR_CLASS)
    result.answer["result"]["probabilities"]["complete rupture"] = chance
    assert lines(result)[0] == f"ACL: complete rupture, probability {said} (calibrated)"
    assert lines(result)[1].startswith("healthy 0.10, minor strain 0.10")


def test_what_is_coloured_is_warm_in_rgb():
    result = result_of(scale=SCALE)
    values = np.zeros(result.volume.shape, np.float32)
    values[result.strongest, 10:20, 10:20] = 1
    shown = read(key_image(result, result.evidence(values))).pixel_array
    red, _, blue = shown[12 * 20 : 18 * 20, 12 * 20 : 18 * 20].mean(axis=(0, 1))
    assert red > blue + 50


@pytest.mark.parametrize(
    ("orientation", "letters"),
    [([0.0, 1.0, 0.0, 0.0, 0.0, -1.0], ["P", "F"]), ([0.2, -0.9797958971, 0.0, 0.0, 0.0, -1.0], ["A", "F"])],
)
def test_its_sides_are_named(orientation, letters):
    result = result_of(*make_series(**PATIENT, ImageOrientationPatient=orientation))
    assert read(key_image(result, evidence_of(result))).PatientOrientation == letters


def test_its_source_is_a_frame_of_an_enhanced_instance():
    result = result_of(enhanced(make_series(**PATIENT)[::-1]))
    evidence = evidence_of(result)
    (source,) = read(key_image(result, evidence)).SourceImageSequence
    assert source.ReferencedFrameNumber == 8 - result.decisive(evidence)
