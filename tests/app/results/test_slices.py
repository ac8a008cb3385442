"""The series of slices: what was predicted on, as one plain volume, which region, map and report then refer to."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from highdicom.seg import segread
from highdicom.sr import srread
from pydicom.filebase import DicomBytesIO
from pydicom.pixels.processing import apply_modality_lut
from pydicom.uid import SecondaryCaptureImageStorage

from app.results import Site, build
from app.results.common import OF_EACH_SLICE
from data_prep.errors import UnsuitableStudy
from data_prep.selection.series import load_study
from tests.app.results.made import SCALE, map_of, read, result_of, two_echoes
from tests.data_prep.dicom_factory import enhanced, named

pytestmark = pytest.mark.slow

PLACE = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "FrameOfReferenceUID")


def made(kind, result):
    return [read(content) for content in build(kind, result, lambda: map_of(result))]


@pytest.mark.parametrize("pack", [lambda images: images, lambda images: [enhanced(images)]])
def test_it_has_the_pixels_and_places_of_the_slices_that_were_predicted_on(pack):
    result = result_of(*pack(two_echoes()), scale=SCALE)
    found = made("slices", result)
    assert [one.InstanceNumber for one in found] == list(range(1, 9))
    assert len({one.SeriesInstanceUID for one in found}) == len({one.Modality for one in found}) == 1
    for index, one in enumerate(found):
        np.testing.assert_array_equal(apply_modality_lut(one.pixel_array, one), result.volume.voxels[index])
        assert [one[keyword].value for keyword in PLACE] == [result.images[index][keyword].value for keyword in PLACE]
        (source,) = one.SourceImageSequence
        assert source.ReferencedSOPInstanceUID == result.volume.sop_uids[index]


@pytest.mark.parametrize("factor", [0.1, 1e6])
def test_values_that_are_no_whole_numbers_of_16_bits_are_kept_within_half_a_step(factor):
    result = result_of(*two_echoes(), scale=SCALE)
    result = replace(result, volume=replace(result.volume, voxels=result.volume.voxels * np.float32(factor) - 3))
    for one, plane in zip(made("slices", result), result.volume.voxels, strict=True):
        back = apply_modality_lut(one.pixel_array, one)
        assert np.abs(back - plane).max() <= float(one.RescaleSlope) * 0.5001 + 1e-6 * np.abs(plane).max()


def test_region_map_and_report_refer_to_it():
    result = result_of(*two_echoes(), scale=SCALE)
    slices = [str(one.SOPInstanceUID) for one in made("slices", result)]
    (map_,), (report,) = made("map", result), made("sr", result)
    (content,) = build("seg", result, lambda: map_of(result))
    for one in (map_, read(content)):
        (series,) = one.ReferencedSeriesSequence
        assert [item.ReferencedSOPInstanceUID for item in series.ReferencedInstanceSequence] == slices
    found = segread(DicomBytesIO(content)).get_pixels_by_source_instance(
        slices, assert_missing_frames_are_empty=True, ignore_spatial_locations=True, combine_segments=True
    )
    np.testing.assert_array_equal(found, result.evidence(map_of(result)).region)
    coordinates = [one for one in report.iterall() if one.keyword == "ReferencedSOPInstanceUID"]
    assert coordinates[-1].value in slices
    (evidence,) = report.CurrentRequestedProcedureEvidenceSequence
    named_ = {
        item.ReferencedSOPInstanceUID for one in evidence.ReferencedSeriesSequence for item in one.ReferencedSOPSequence
    }
    assert named_ == {*slices, *result.volume.sop_uids, read(content).SOPInstanceUID}


def test_the_report_leads_to_a_slice_of_it_with_coordinates():
    result = result_of(enhanced(two_echoes()), scale=SCALE)
    (content,) = build("sr", result, lambda: map_of(result))
    document: Any = srread(DicomBytesIO(content))
    group = document.content.get_planar_roi_measurement_groups()[0]
    (place,) = [one for one in group[0].ContentSequence if one.ValueType == "SCOORD"]
    (referred,) = place.ContentSequence[0].ReferencedSOPSequence
    decisive = result.decisive(result.evidence(map_of(result)))
    assert referred.ReferencedSOPClassUID == SecondaryCaptureImageStorage
    assert referred.ReferencedSOPInstanceUID == made("slices", result)[decisive].SOPInstanceUID
    assert "ReferencedFrameNumber" not in referred


def test_a_site_that_does_not_want_it_gets_references_to_the_original_slices():
    result = replace(result_of(*two_echoes(), scale=SCALE), site=Site(kinds=("sr", "seg", "map")))
    for kind in ("seg", "map"):
        (one,) = made(kind, result)
        assert one.ReferencedSeriesSequence[0].SeriesInstanceUID == result.volume.series_uid


def test_a_series_without_other_images_has_none():
    assert made("slices", result_of(scale=SCALE)) == []


def test_nobody_predicts_on_it():
    result = result_of(*two_echoes(), scale=SCALE)
    with pytest.raises(UnsuitableStudy, match="secondary capture"):
        load_study(named(made("slices", result)))


def test_one_slice_can_be_made_alone():
    result = result_of(*two_echoes(), scale=SCALE)
    for kind in OF_EACH_SLICE:
        all_ = build(kind, result, lambda: map_of(result))
        assert build(kind, result, lambda: map_of(result), only=3) == [all_[3]]
