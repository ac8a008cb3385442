"""The series of overlays: the service's own pictures, each with the geometry of its slice."""

import numpy as np
import pytest

from app.results import build, render
from app.results.overlays import OPACITY
from tests.app.results.made import PATIENT, SCALE, map_of, read, result_of
from tests.data_prep.dicom_factory import enhanced, make_series

PLACE = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness")
OBLIQUE = [-0.342020143, 0.939692621, 0.0, 0.0, 0.0, -1.0]


def overlays(result):
    return [read(content) for content in build("overlay", result, lambda: map_of(result))]


@pytest.mark.parametrize("orientation", [[0.0, 1.0, 0.0, 0.0, 0.0, -1.0], [0.0, -1.0, 0.0, 0.0, 0.0, -1.0], OBLIQUE])
def test_each_lies_where_its_slice_lies_and_shows_it(orientation):
    images = {one.SOPInstanceUID: one for one in make_series(**PATIENT, ImageOrientationPatient=orientation)[::-1]}
    result = result_of(*images.values(), scale=SCALE)
    values, found = map_of(result), overlays(result)
    scale = render.Scale.of(result.volume.voxels, result.evidence(values).bounds)
    assert [one.InstanceNumber for one in found] == list(range(1, 9))
    assert len({one.SeriesInstanceUID for one in found}) == 1
    for index, one in enumerate(found):
        source = images.pop(one.SourceImageSequence[0].ReferencedSOPInstanceUID)
        for keyword in PLACE:
            there = np.array(source[keyword].value, float)
            np.testing.assert_allclose(np.array(one[keyword].value, float), there, atol=1e-9)
        assert one.FrameOfReferenceUID == source.FrameOfReferenceUID
        grey, glow = render.grey(result.volume.voxels[index], scale), render.glow(values[index], scale)
        np.testing.assert_array_equal(one.pixel_array[..., ::-1], render.overlay(grey, glow, OPACITY))
        assert one.BurnedInAnnotation == "YES"
        assert one.DerivationDescription.startswith(f"Slice {index + 1} of 8 with the heatmap of 'unhealthy'.")
    assert images == {}


def test_colours_are_where_the_region_is():
    result = result_of(scale=SCALE)
    upper = slice(0, 20)  # the notice stands below
    for one, lit in zip(overlays(result), result.evidence(map_of(result)).region, strict=True):
        coloured = np.ptp(one.pixel_array.astype(int), axis=2) > 0
        np.testing.assert_array_equal(coloured[upper], lit[upper])


def test_without_positions_there_is_no_geometry():
    result = result_of(*make_series(ImagePositionPatient=None, SpacingBetweenSlices=4.0, **PATIENT), scale=SCALE)
    for one in overlays(result):
        assert "ImagePositionPatient" not in one
        assert "FrameOfReferenceUID" not in one


def test_sources_are_frames_of_an_enhanced_instance():
    result = result_of(enhanced(make_series(**PATIENT)[::-1]), scale=SCALE)
    numbers = [one.SourceImageSequence[0].ReferencedFrameNumber for one in overlays(result)]
    assert numbers == list(range(8, 0, -1))


def test_one_slice_alone_is_the_same_object():
    result = result_of(scale=SCALE)
    every, values = build("overlay", result, lambda: map_of(result)), map_of(result)
    assert build("overlay", result, lambda: values, only=5) == [every[5]]


@pytest.mark.parametrize(("scale", "said"), [({"scale": SCALE | {"classes": {"unhealthy": 9.0}}}, True), ({}, False)])
def test_what_the_colours_do_not_show_is_written(scale, said):
    """Without evidence above the threshold, no pixel but those of the text differs from the grey slice."""
    result = result_of(**scale)
    values = map_of(result)
    bounds = result.evidence(values).bounds
    assert bounds.is_dark == said
    full = render.Scale.of(result.volume.voxels, bounds)
    assert full.said == (render.NO_REGION if said else render.OWN_SCALE)
    plain = render.overlay(render.grey(result.volume.voxels[0], full), 0 * values[0], OPACITY)
    shown = overlays(result)[0].pixel_array[..., ::-1]
    assert (shown != plain).any()
    if said:
        assert (np.ptp(shown.astype(int), axis=2) == 0).all()
