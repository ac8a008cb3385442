"""The segmentation read back by another reader: the map above the threshold, voxel for voxel, on the right slices."""

from contextlib import closing

import numpy as np
import pytest
from highdicom.seg import segread
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.filebase import DicomBytesIO

from app.results import build
from app.results.region import region
from data_prep.selection.series import load_study
from tests.app.results.made import (
    PATIENT,
    SCALE,
    evidence_of,
    ligament_in,
    map_of,
    read,
    result_from,
    result_of,
    volume_of,
)
from tests.data_prep.dicom_factory import enhanced, make_pixels, make_series, uploads

pytestmark = pytest.mark.slow

# Threshold of a pixel of 0.25 mm2.
THRESHOLD = 0.01
ORIENTATIONS = [
    [0.0, 1.0, 0.0, 0.0, 0.0, -1.0],
    [0.0, -1.0, 0.0, 0.0, 0.0, -1.0],
    [-0.342020143, 0.939692621, 0.0, 0.0, 0.0, -1.0],
]


def regions_by_slice(result, content: bytes) -> np.ndarray:
    """As highdicom reads it, by the instances or frames that were the source."""
    read_back = segread(DicomBytesIO(content))
    options = {"assert_missing_frames_are_empty": True, "ignore_spatial_locations": True, "combine_segments": True}
    first = result.origins[0]
    with closing(read_back._db_con):
        if "ReferencedFrameNumber" in first:
            numbers = [int(origin.ReferencedFrameNumber) for origin in result.origins]
            return read_back.get_pixels_by_source_frame(first.SOPInstanceUID, numbers, **options)
        return read_back.get_pixels_by_source_instance(list(result.volume.sop_uids), **options)


@given(
    st.sampled_from(ORIENTATIONS),
    st.permutations(range(8)),
    st.integers(0, 1000),
    st.booleans(),
    st.sampled_from([(40, 36), (33, 35), (41, 37)]),  # frames of whole bytes, and not
)
@settings(max_examples=12, deadline=None)
def test_it_is_the_map_above_the_threshold_voxel_for_voxel(orientation, order, seed, is_enhanced, shape):
    images = make_series(**PATIENT, ImageOrientationPatient=orientation)
    for image in images:
        image.Rows, image.Columns = shape
        image.PixelData = make_pixels(*shape, seed=int(image.InstanceNumber)).tobytes()
    images = [images[place] for place in order]
    result = result_of(*([enhanced(images)] if is_enhanced else images), scale=SCALE)
    evidence = evidence_of(result, seed)
    expected = evidence.values >= np.float32(THRESHOLD)
    assert expected.any()
    assert not expected[2].any()  # the map has a slice of zeros, which has no frame
    found = regions_by_slice(result, region(result, evidence))
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_another_reader_finds_each_voxel_at_its_place_in_the_patient(orientation):
    images = make_series(**PATIENT, ImageOrientationPatient=orientation)
    result = result_of(*images, scale=SCALE)
    evidence = evidence_of(result)
    volume = volume_of(segread(DicomBytesIO(region(result, evidence))), combine_segments=True)
    places = {tuple(voxel) for voxel in np.argwhere(volume.array)}
    for index, row, column in np.argwhere(evidence.region)[::50]:
        (image,) = [one for one in images if one.SOPInstanceUID == result.volume.sop_uids[index]]
        across, down = np.array(image.ImageOrientationPatient, float).reshape(2, 3)
        there = np.array(image.ImagePositionPatient, float) + 0.5 * column * across + 0.5 * row * down
        place = np.linalg.inv(volume.affine) @ [*there, 1.0]
        np.testing.assert_allclose(place, np.round(place), atol=1e-3)
        assert tuple(np.round(place[:3]).astype(int)) in places


def test_pydicom_reads_the_same_pixels():
    result = result_of(scale=SCALE)
    evidence = evidence_of(result)
    dataset = read(region(result, evidence))
    shown = [index for index in range(8) if index != 2]
    np.testing.assert_array_equal(dataset.pixel_array, evidence.region[shown])
    sources = [
        frame.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
        for frame in dataset.PerFrameFunctionalGroupsSequence
    ]
    assert sources == [result.volume.sop_uids[index] for index in shown]


def test_it_states_the_threshold_the_algorithm_and_the_side():
    result = result_of(scale=SCALE)
    segment = read(region(result, evidence_of(result))).SegmentSequence[0]
    assert "'unhealthy' is 0.04 logit/mm2 or more" in segment.SegmentDescription
    assert "Research use only, not for diagnosis" in segment.SegmentDescription
    assert (segment.SegmentAlgorithmType, segment.SegmentAlgorithmName) == ("AUTOMATIC", "Cruciate demo")
    side = segment.AnatomicRegionSequence[0].AnatomicRegionModifierSequence[0]
    assert (segment.AnatomicRegionSequence[0].CodeValue, side.CodeValue) == ("49076000", "24028007")


def test_its_references_are_the_slices_that_were_predicted_on():
    """Of a series with two echoes at each position, only one echo's images are in the volume."""
    later = make_series(**PATIENT, EchoTime=90, EchoNumbers=2)
    for image in later:
        image.SOPInstanceUID += ".2.2"
    result = result_of(*make_series(**PATIENT, EchoNumbers=1), *later, scale=SCALE)
    assert len(result.volume.sop_uids) == 8
    dataset = read(region(result, evidence_of(result)))
    (series,) = dataset.ReferencedSeriesSequence
    named = [one.ReferencedSOPInstanceUID for one in series.ReferencedInstanceSequence]
    assert named == list(result.volume.sop_uids)
    assert not any(uid.endswith(".2.2") for uid in named)


@pytest.mark.real_knee
def test_the_results_of_a_real_series_of_eight_echoes_name_the_images_that_were_read(real_knee):
    """192 instances of one series at 24 positions."""
    images = {str(image.SOPInstanceUID): image for image in map(read, real_knee.values())}
    result = result_from(load_study(uploads(real_knee)), scale=SCALE)
    read_of = list(result.volume.sop_uids)
    assert (len(images), len(read_of)) == (192, 24)
    assert len({str(images[uid].EchoTime) for uid in read_of}) == 1
    kinds = ("slices", "sr", "seg", "map", "overlay")
    files = {kind: [read(one) for one in build(kind, result, lambda: map_of(result))] for kind in kinds}
    copies = {str(one.SOPInstanceUID) for one in files["slices"]}
    assert len(copies) == 24
    for dataset in (file for kind in kinds for file in files[kind]):
        named = {str(one.value) for one in dataset.iterall() if one.keyword == "ReferencedSOPInstanceUID"}
        assert named & (images.keys() | copies)
        assert named & images.keys() <= set(read_of)
        if "ImagePositionPatient" in dataset:
            (source,) = named
            assert dataset.ImagePositionPatient == images[source].ImagePositionPatient
            assert dataset.FrameOfReferenceUID == images[source].FrameOfReferenceUID


@pytest.mark.parametrize("is_enhanced", [False, True])
def test_the_ligament_is_the_localisers_mask_voxel_for_voxel(is_enhanced):
    images = make_series(**PATIENT, Laterality="R")
    result = result_of(*([enhanced(images)] if is_enhanced else images), scale=SCALE)
    (content,) = build("ligament", result, lambda: map_of(result))
    np.testing.assert_array_equal(regions_by_slice(result, content), ligament_in(result.volume.shape))
    found = read(content)
    assert (found.SeriesDescription, found.SeriesNumber) == (
        "Cruciate ligament: Research use only, not for diagnosis",
        9008,
    )
    (segment,) = found.SegmentSequence
    assert segment.SegmentAlgorithmType == "AUTOMATIC"
    assert segment.SegmentedPropertyTypeCodeSequence[0].CodeMeaning == "Anterior cruciate ligament"


@pytest.mark.parametrize("localisation", [None, {"found": False, "box": None}, {"found": True, "box": [[0, 1]] * 3}])
def test_without_a_mask_there_is_no_ligament(localisation):
    result = result_of(scale=SCALE)
    result.answer["study"].pop("localisation")
    if localisation:
        result.answer["study"]["localisation"] = localisation
    assert build("ligament", result, lambda: map_of(result)) == []
