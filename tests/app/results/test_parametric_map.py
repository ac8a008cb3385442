"""The map read back: the right values, on the right slices, in the right order, however the slices came."""

import numpy as np
import pytest
from highdicom.pm.sop import pmread
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO

from app.results.parametric_map import Stored, parametric_map
from data_prep.network_input.footprint import Footprint
from tests.app.results.made import PATIENT, SCALE, evidence_of, map_of, read, result_of, volume_of
from tests.data_prep.dicom_factory import bounded_memory, enhanced, make_series

pytestmark = pytest.mark.slow

TURN = np.deg2rad(20)
OBLIQUE = [round(float(cosine), 9) for cosine in (-np.sin(TURN), np.cos(TURN), 0, 0, 0, -1)]
AGAINST_THE_NORMAL = [0.0, -1.0, 0.0, 0.0, 0.0, -1.0]
GEOMETRIES = {
    "straight": make_series(**PATIENT),
    "shuffled": [make_series(**PATIENT)[place] for place in (3, 0, 7, 5, 1, 6, 2, 4)],
    "reversed": make_series(**PATIENT)[::-1],
    "against the normal": make_series(**PATIENT, ImageOrientationPatient=AGAINST_THE_NORMAL),
    "oblique": make_series(**PATIENT, ImageOrientationPatient=OBLIQUE)[::-1],
}
# A share of half a step that rounding in double precision may add.
ROUNDING = 1e-6


def test_scaling_and_carrying_back_take_little_more_than_the_result():
    """One slice at a time is in double precision."""
    footprint = Footprint((64, 256, 256), (0, 64), (0, 256), (0, 256))
    maps, size = np.ones((64, 7, 7), np.float32), 64 * 256 * 256
    with bounded_memory(4 * size + (4 << 20)):
        values = footprint.carry_back(maps)
    with bounded_memory(2 * size + (4 << 20)):
        Stored.scaled(values)


def pixels(image: Dataset) -> np.ndarray:
    """A map that says of each place what the scanner measured there: signed, and told apart by every voxel."""
    stored = np.frombuffer(image.PixelData, "<u2").reshape(image.Rows, image.Columns)
    return stored.astype(np.float32) / 1000 - 1


def map_from_voxels(result) -> np.ndarray:
    return result.volume.voxels / np.float32(1000) - 1


def evidence_from_voxels(result):
    return result.evidence(map_from_voxels(result))


def mapping(dataset: Dataset) -> Dataset:
    return dataset.SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence[0]


def stored_values(dataset: Dataset) -> np.ndarray:
    floats = "FloatPixelData" in dataset
    stored = np.frombuffer(dataset.FloatPixelData if floats else dataset.PixelData, "<f4" if floats else "<u2")
    return stored.reshape(-1, dataset.Rows, dataset.Columns)


def by_hand(dataset: Dataset) -> np.ndarray:
    stored = stored_values(dataset)
    return stored * mapping(dataset).RealWorldValueSlope + mapping(dataset).RealWorldValueIntercept


def half_step(dataset: Dataset) -> float:
    return mapping(dataset).RealWorldValueSlope / 2 * (1 + ROUNDING)


@pytest.mark.parametrize("name", GEOMETRIES)
def test_each_frame_lies_on_the_slice_that_it_was_made_from(name):
    images = {image.SOPInstanceUID: image for image in GEOMETRIES[name]}
    result = result_of(*images.values())
    dataset = read(parametric_map(result, evidence_from_voxels(result), "uint16"))
    frames = by_hand(dataset)
    assert len(frames) == dataset.NumberOfFrames == len(images)
    assert np.abs(frames - map_from_voxels(result)).max() <= half_step(dataset)
    for frame, groups in zip(frames, dataset.PerFrameFunctionalGroupsSequence, strict=True):
        source = images.pop(groups.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID)
        position = groups.PlanePositionSequence[0].ImagePositionPatient
        np.testing.assert_allclose(position, source.ImagePositionPatient, atol=1e-6)
        assert np.abs(frame - pixels(source)).max() <= half_step(dataset)
    orientation = dataset.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0].ImageOrientationPatient
    # Digit by digit: OHIF 3.12 takes what differs at all for oblique to its source.
    assert [float(cosine) for cosine in orientation] == [float(cosine) for cosine in source.ImageOrientationPatient]
    assert dataset.FrameOfReferenceUID == PATIENT["FrameOfReferenceUID"]


@pytest.mark.parametrize("name", GEOMETRIES)
def test_another_reader_finds_each_value_at_its_place_in_the_patient(name):
    images = GEOMETRIES[name]
    result = result_of(*images)
    content = parametric_map(result, evidence_from_voxels(result), "uint16")
    volume = volume_of(pmread(DicomBytesIO(content)), apply_real_world_transform=True)
    for image in images:
        index = np.linalg.inv(volume.affine) @ [*image.ImagePositionPatient, 1.0]
        np.testing.assert_allclose(index, np.round(index), atol=1e-4)
        corner = np.round(index).astype(int)[:3]
        assert np.array_equal(corner[1:], [0, 0])
        assert np.abs(volume.array[corner[0]] - pixels(image)).max() <= half_step(read(content))


@pytest.mark.parametrize(("scale", "low", "full"), [({"scale": SCALE}, 0.01, 0.02), ({}, 0.0, None)])
def test_as_float32_zero_is_the_threshold_one_is_full_brightness_and_the_mapping_gives_the_map(scale, low, full):
    """The threshold is 0.04 logit/mm2, full brightness 0.08, and a pixel has 0.25 mm2."""
    result = result_of(*GEOMETRIES["shuffled"], **scale)
    dataset, values = read(parametric_map(result, evidence_of(result))), map_of(result)
    full = full or values.max()
    np.testing.assert_allclose(stored_values(dataset), (values - low) / (full - low), atol=1e-6)
    np.testing.assert_allclose(by_hand(dataset), values, atol=1e-7 * (low + np.abs(values).max()))
    assert not by_hand(dataset)[2].any()  # a slice of zeros stays one
    np.testing.assert_array_equal(stored_values(dataset) >= 0, evidence_of(result).region if scale else values >= 0)
    found = mapping(dataset).RealWorldValueSlope, mapping(dataset).RealWorldValueIntercept
    assert found == (pytest.approx(full - low), pytest.approx(low))


def test_frames_of_an_enhanced_instance_are_named_by_number():
    images = make_series(**PATIENT)
    result = result_of(enhanced(images[::-1]))
    dataset = read(parametric_map(result, evidence_from_voxels(result), "uint16"))
    assert len(dataset.ReferencedSeriesSequence[0].ReferencedInstanceSequence) == 1
    for frame, groups in zip(by_hand(dataset), dataset.PerFrameFunctionalGroupsSequence, strict=True):
        named = groups.DerivationImageSequence[0].SourceImageSequence[0]
        assert named.ReferencedSOPInstanceUID == images[-1].SOPInstanceUID
        assert np.abs(frame - pixels(images[-named.ReferencedFrameNumber])).max() <= half_step(dataset)


def test_no_frame_is_left_out_of_an_empty_map():
    dataset = read(parametric_map(result_of(), result_of().evidence(np.zeros((8, 40, 36), np.float32))))
    assert dataset.NumberOfFrames == 8
    assert not by_hand(dataset).any()


@pytest.mark.parametrize(
    ("method", "code"),
    [("cam", ("130402", "Class activation")), ("grad-cam", ("130403", "Gradient-weighted class activation"))],
)
def test_the_map_says_what_kind_of_explanation_it_is(method, code):
    dataset = read(parametric_map(result := result_of(method=method), evidence_of(result)))
    quantity = mapping(dataset).QuantityDefinitionSequence[0].ConceptCodeSequence[0]
    assert (quantity.CodeValue, quantity.CodeMeaning) == code
    assert (quantity.CodingSchemeDesignator, dataset.ImageType[0]) == ("DCM", "DERIVED")


@pytest.mark.parametrize("stored_as", ["uint16", "float32"])
@pytest.mark.parametrize(("scale", "low", "full"), [({"scale": SCALE}, 0.01, 0.02), ({}, 0.0, None)])
def test_the_window_runs_from_the_threshold_to_full_brightness(stored_as, scale, low, full):
    result = result_of(**scale)
    dataset = read(parametric_map(result, evidence_of(result), stored_as))
    window = dataset.SharedFunctionalGroupsSequence[0].FrameVOILUTSequence[0]
    slope, intercept = mapping(dataset).RealWorldValueSlope, mapping(dataset).RealWorldValueIntercept
    tolerance = slope if stored_as == "uint16" else 1e-7
    ends = [window.WindowCenter + side * window.WindowWidth / 2 for side in (-1, 1)]
    expected = [low, full or map_of(result).max()]
    np.testing.assert_allclose(np.array(ends) * slope + intercept, expected, atol=tolerance)


@given(arrays(np.float32, (2, 3), elements=st.floats(-(2.0**100), 2.0**100, width=32)))
def test_sixteen_bits_are_within_half_a_step_and_keep_zero(values):
    stored = Stored.scaled(values)
    back = stored.slope * stored.values + stored.intercept
    assert np.abs(back - values).max() <= stored.slope / 2 * (1 + ROUNDING)
    assert not back[values == 0].any()
    assert stored.slope <= max(np.ptp(values), np.abs(values).max()) / 65000 or not values.any()
