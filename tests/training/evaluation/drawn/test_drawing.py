"""Drawings: kept whole, recognised by their series, and on the real knee they lie where a ligament lies."""

import dataclasses
import hashlib

import numpy as np
import pytest

from data_prep.selection.series import load_study
from tests.conftest import make_volume
from tests.data_prep.dicom_factory import uploads
from training.evaluation.drawn import Drawing, drawings


@pytest.fixture
def volume():
    return make_volume(np.zeros((3, 20, 24)))


@pytest.fixture
def drawing(volume) -> Drawing:
    mask = np.zeros(volume.voxels.shape, bool)
    mask[1, 4:9, 5:7] = True
    digest = "57e7a2d2ed5ec3d3bd5a4fcf6ac77a0d9e7d5cd44c5b9e0a3fa2a80d9cdbbf3d"
    return Drawing(digest, volume.positions_mm, mask, np.array([True, True, False]))


def of_this_series(drawing: Drawing, volume) -> Drawing:
    return dataclasses.replace(drawing, series_sha256=hashlib.sha256(volume.series_uid.encode()).hexdigest())


def test_a_drawing_is_read_as_it_was_written(drawing: Drawing, tmp_path) -> None:
    drawing.write(tmp_path / "one.npz")
    again = Drawing.read(tmp_path / "one.npz")
    assert again.series_sha256 == drawing.series_sha256
    for name in ("positions_mm", "mask", "certain"):
        assert np.array_equal(getattr(again, name), getattr(drawing, name))


def test_slices_in_another_order_get_their_masks(drawing: Drawing, volume) -> None:
    backwards = dataclasses.replace(
        volume, positions_mm=volume.positions_mm[::-1], sop_uids=volume.sop_uids[::-1], directions=volume.directions
    )
    assert np.array_equal(of_this_series(drawing, volume).on(backwards), drawing.mask[::-1])


def test_another_series_or_matrix_is_refused(drawing: Drawing, volume) -> None:
    with pytest.raises(ValueError, match="another series"):
        drawing.on(volume)
    ours = of_this_series(drawing, volume)
    with pytest.raises(ValueError, match="other slices or another matrix"):
        ours.on(dataclasses.replace(volume, voxels=np.zeros((3, 20, 20), np.float32)))
    with pytest.raises(ValueError, match="other slices or another matrix"):
        ours.on(dataclasses.replace(volume, positions_mm=volume.positions_mm + 1))


@pytest.mark.real_knee
def test_the_drawing_of_the_real_knee_lies_on_a_ligament(real_knee) -> None:
    """Darker than the fat and marrow around it, behind and below in the middle of the joint, 20 to 45 mm long."""
    real = load_study(uploads(real_knee)).volume
    mine = next(one for one in drawings() if one.shows(real))
    mask = mine.on(real)
    assert mask.any(axis=(1, 2)).sum() == 3
    _, rows, columns = np.nonzero(mask)
    _, row_mm, column_mm = real.spacing_mm
    length = np.hypot(np.ptp(rows) * row_mm, np.ptp(columns) * column_mm)
    assert 20 < length < 50
    low, high = np.quantile(rows, 0.1), np.quantile(rows, 0.9)
    assert columns[rows > high].mean() < columns[rows < low].mean()  # down and forward
    shown = real.voxels[mask.any(axis=(1, 2))]
    assert real.voxels[mask].mean() < 0.7 * np.percentile(shown, 80)
