import numpy as np
import pytest

from tests.conftest import make_volume


def test_float64_voxels_are_refused_rather_than_rounded():
    volume = make_volume(np.zeros((3, 4, 5)))
    with pytest.raises(ValueError, match="float32"):
        type(volume)(**{**volume.__dict__, "voxels": np.zeros((3, 4, 5))})


def test_voxels_cannot_be_written():
    with pytest.raises(ValueError, match="read-only"):
        make_volume(np.zeros((3, 4, 5))).voxels[0] = 1


def test_the_normal_points_along_the_slices():
    volume = make_volume(np.zeros((3, 4, 5)))
    assert np.diff(volume.positions_mm @ volume.normal) == pytest.approx([3.0, 3.0])


@pytest.mark.parametrize("spacing", [(0.0, 1.0, 1.0), (1.0, -1.0, 1.0), (1.0, 1.0, float("nan"))])
def test_spacing_must_be_positive(spacing):
    with pytest.raises(ValueError, match="spacing"):
        make_volume(np.zeros((3, 4, 5)), spacing)


def test_the_digest_changes_with_pixels_geometry_and_identity_only():
    voxels = np.arange(60.0).reshape(3, 4, 5)
    digest = make_volume(voxels).digest()
    assert make_volume(voxels.copy()).digest() == digest
    changed = voxels.copy()
    changed[1, 2, 3] += 1e-3
    others = [
        make_volume(changed),
        make_volume(voxels, (3.1, 0.5, 0.5)),
        make_volume(voxels, laterality="L"),
        make_volume(voxels[:, :, ::-1]),
    ]
    assert digest not in {other.digest() for other in others}
