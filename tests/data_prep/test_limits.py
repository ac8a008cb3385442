"""Which geometry a knee can have, and how large a resampled volume may become."""

import math

import numpy as np
import pytest

from data_prep.errors import UnsuitableStudy
from data_prep.limits import MOST_RESAMPLED, check_geometry, check_resampled, odd_geometry, odd_pixels, odd_rescale
from data_prep.network_input.crop import crop
from data_prep.network_input.recipe import Recipe
from tests.conftest import make_volume

# Usual and unusual knees that must be read: 2D, fine and coarse, isotropic, a low-field scanner's.
KNEES = [
    ((24, 256, 256), (3.6, 0.6, 0.6)),
    ((40, 1024, 1024), (2.0, 0.15, 0.15)),
    ((200, 640, 640), (0.5, 0.25, 0.25)),
    ((8, 128, 128), (10.0, 1.6, 1.6)),
]
ODD = {
    "PixelSpacing is 0.006": ((24, 256, 256), (3.6, 0.006, 0.006)),
    "PixelSpacing is 0.5 x 1e-300": ((24, 256, 256), (3.6, 0.5, 1e-300)),
    "PixelSpacing is -1": ((24, 256, 256), (3.6, -1.0, 1.0)),
    "PixelSpacing is nan": ((24, 256, 256), (3.6, math.nan, 1.0)),
    "PixelSpacing is 1e[+]06": ((24, 256, 256), (3.6, 1e6, 1e6)),
    "slices lie 1e[+]07 mm apart": ((24, 256, 256), (1e7, 0.5, 0.5)),
    "slices lie inf mm apart": ((24, 256, 256), (math.inf, 0.5, 0.5)),
    "slices lie nan mm apart": ((24, 256, 256), (math.nan, 0.5, 0.5)),
    "slices lie 0 mm apart": ((24, 256, 256), (0.0, 0.5, 0.5)),
    "measures 86.4 x 1280 x 1280 mm": ((24, 256, 256), (3.6, 5.0, 5.0)),
    "measures 1200 x 128 x 128 mm": ((400, 256, 256), (3.0, 0.5, 0.5)),
    "513 slices": ((513, 64, 64), (0.5, 0.5, 0.5)),
    "24 slices of 4096 x 64": ((24, 4096, 64), (3.6, 0.1, 0.1)),
    "134,217,728 pixels in all": ((400, 640, 640), (0.4, 0.4, 0.4)),
}


@pytest.mark.parametrize(("shape", "spacing"), KNEES)
def test_a_knee_passes(shape, spacing):
    assert odd_geometry(shape, spacing) is None
    check_geometry(shape, spacing)


@pytest.mark.parametrize("says", ODD)
def test_what_is_no_knee_is_refused_with_the_number_that_is_wrong(says):
    shape, spacing = ODD[says]
    with pytest.raises(UnsuitableStudy, match=says) as refused:
        check_geometry(shape, spacing, "Series 1.2")
    assert refused.value.detail.startswith("Series 1.2 can't be predicted on: ")
    assert refused.value.kind == "odd-geometry"


def test_no_volume_has_such_a_spacing():
    """Whichever way it came: DICOM, an array of an exam table, a job in the database."""
    with pytest.raises(UnsuitableStudy, match=r"PixelSpacing is 0\.01"):
        make_volume(np.zeros((8, 9, 9)), (3.0, 0.01, 0.01))


def test_ends_of_the_ranges_belong_to_them():
    assert [odd_pixels(*ends) for ends in ((0.05, 5.0), (5.0, 0.05))] == [None, None]
    assert odd_pixels(0.049, 1.0) is not None
    assert odd_pixels(1.0, 5.1) is not None


def test_a_resampled_volume_has_a_bound_of_its_own():
    check_resampled((24, 512, 512), 24 * 64 * 64)
    for shape, voxels in [((1025, 256, 256), 10**9), ((65, 512, 512), 10_000)]:
        assert math.prod(shape) > min(MOST_RESAMPLED, 8 * voxels)
        with pytest.raises(UnsuitableStudy, match=f"{shape[0]} slices of {shape[1]} x {shape[2]} pixels"):
            check_resampled(shape, voxels)


@pytest.mark.parametrize("spacing", [1e-3, 1e-9])
def test_resamplers_refuse_before_they_allocate(spacing):
    """Spacings that no volume has: the resamplers don't rely on that."""
    voxels = np.zeros((8, 16, 16), np.float32)
    with pytest.raises(UnsuitableStudy, match="Check its spacing"):
        crop(voxels, (3.0, spacing, spacing), Recipe((60.0, 110.0, 110.0), (224, 224)))


@pytest.mark.parametrize(
    ("slope", "intercept", "says"),
    [
        (1.0, 0.0, None),
        (-0.5, 1024.0, None),
        (1e-5, -1e5, None),
        (0.0, 0.0, "RescaleSlope 0"),
        (1e308, 0.0, "RescaleSlope 1e+308"),
        (5e-324, 0.0, "RescaleSlope 4.94066e-324"),
        (math.nan, 0.0, "RescaleSlope nan"),
        (1.0, math.inf, "RescaleIntercept inf"),
        (1.0, math.nan, "RescaleIntercept nan"),
        (1.0, -1e10, "RescaleIntercept -1e+10"),
    ],
)
def test_factors_that_no_scanner_writes(slope, intercept, says):
    assert odd_rescale(slope, intercept) == (says and f"{says} can't be right")
