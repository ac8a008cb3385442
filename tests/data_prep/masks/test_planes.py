"""Frames lie in the volume where the patient's coordinates say, whatever their order, size and direction."""

from collections.abc import Callable
from dataclasses import replace
from itertools import compress
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from data_prep.errors import MalformedInput
from data_prep.masks.planes import NEAR
from data_prep.masks.segmentations import read_segmentation
from data_prep.masks.structures import UNNAMED
from data_prep.prepare.load import load_exam
from data_prep.tables.exams import Exam
from data_prep.volume import Volume
from tests.data_prep.dicom_factory import CORONAL, encode, enhanced
from tests.data_prep.masks.making import described, put_segmentation, put_series, slab

MASK = slab((8, 40, 36), 2, 4)


@pytest.fixture
def images(tmp_path) -> list[Dataset]:
    return put_series(tmp_path / "knee")


@pytest.fixture
def volume(tmp_path, images) -> Volume:
    return load_exam(Exam("e", "p", tmp_path / "knee"))


@pytest.fixture
def changed(tmp_path, images) -> Callable[..., Path]:
    """Writes the Segmentation of `MASK` after a change of the data set."""
    path = put_segmentation(tmp_path / "m.dcm", images, MASK, [described(1, "ACL")])

    def write(change: Callable[[Dataset], None]) -> Path:
        segmentation = pydicom.dcmread(path)
        change(segmentation)
        segmentation.save_as(tmp_path / "changed.dcm")
        return tmp_path / "changed.dcm"

    return write


def pixels_of(segmentation: Dataset) -> np.ndarray:
    return np.asarray(segmentation.pixel_array)


def store(segmentation: Dataset, pixels: np.ndarray) -> None:
    segmentation.NumberOfFrames, segmentation.Rows, segmentation.Columns = pixels.shape
    content = np.packbits(pixels.astype(bool), bitorder="little").tobytes()
    segmentation.PixelData = content + b"\0" * (len(content) % 2)


def move(frame: Dataset, steps: np.ndarray) -> None:
    position = frame.PlanePositionSequence[0]
    position.ImagePositionPatient = [float(x) for x in np.array(position.ImagePositionPatient, float) + steps]


def height(frame: Dataset, volume: Volume) -> float:
    return float(np.dot(frame.PlanePositionSequence[0].ImagePositionPatient, volume.normal))


def measures(segmentation: Dataset) -> tuple[Dataset, Dataset]:
    shared = segmentation.SharedFunctionalGroupsSequence[0]
    return shared.PixelMeasuresSequence[0], shared.PlaneOrientationSequence[0]


def test_frames_in_another_order(changed, volume):
    def shuffle(segmentation: Dataset) -> None:
        order = [2, 0, 1]
        groups = list(segmentation.PerFrameFunctionalGroupsSequence)
        segmentation.PerFrameFunctionalGroupsSequence = [groups[index] for index in order]
        store(segmentation, pixels_of(segmentation)[order])

    np.testing.assert_array_equal(read_segmentation(changed(shuffle), volume, UNNAMED)["acl"], MASK)


def test_cropped_frames(changed, volume):
    def crop(segmentation: Dataset) -> None:
        store(segmentation, pixels_of(segmentation)[:, 4:30, 6:30])
        for frame in segmentation.PerFrameFunctionalGroupsSequence:
            move(frame, 4 * 0.5 * volume.directions[1] + 6 * 0.5 * volume.directions[0])

    np.testing.assert_array_equal(read_segmentation(changed(crop), volume, UNNAMED)["acl"], MASK)


@pytest.mark.parametrize("turned", [False, True])
def test_frames_that_are_flipped_or_turned(changed, volume, turned):
    across, down = volume.directions

    def flip(segmentation: Dataset) -> None:
        pixels = pixels_of(segmentation)[:, :, ::-1]
        for frame in segmentation.PerFrameFunctionalGroupsSequence:
            move(frame, 35 * 0.5 * across)
        directions = np.stack([-across, down])
        if turned:
            pixels, directions = pixels.transpose(0, 2, 1), directions[::-1]
        store(segmentation, pixels)
        measures(segmentation)[1].ImageOrientationPatient = [float(x) for x in directions.ravel()]

    np.testing.assert_array_equal(read_segmentation(changed(flip), volume, UNNAMED)["acl"], MASK)


def test_a_small_shift_is_rounding_and_a_larger_one_another_grid(changed, volume):
    def shifted(voxels: float) -> Path:
        def shift(segmentation: Dataset) -> None:
            for frame in segmentation.PerFrameFunctionalGroupsSequence:
                move(frame, voxels * 0.5 * volume.directions[0])

        return changed(shift)

    np.testing.assert_array_equal(read_segmentation(shifted(NEAR - 0.05), volume, UNNAMED)["acl"], MASK)
    with pytest.raises(MalformedInput, match=r"changed.dcm: its pixels lie between the voxels of its image"):
        read_segmentation(shifted(NEAR + 0.05), volume, UNNAMED)
    with pytest.raises(MalformedInput, match=r"of the marked pixels of a frame lie outside its image"):
        read_segmentation(shifted(30), volume, UNNAMED)


def test_a_frame_between_or_beyond_the_slices_is_refused(changed, volume):
    def shifted(slices: float) -> Path:
        def shift(segmentation: Dataset) -> None:
            for frame in segmentation.PerFrameFunctionalGroupsSequence:
                move(frame, slices * 3.0 * volume.normal)

        return changed(shift)

    with pytest.raises(MalformedInput, match="lie between the voxels"):
        read_segmentation(shifted(0.5), volume, UNNAMED)
    for slices in (-3, 4):
        with pytest.raises(MalformedInput, match="lie outside its image"):
            read_segmentation(shifted(slices), volume, UNNAMED)


def test_other_pixels_are_another_grid(changed, volume):
    def enlarge(segmentation: Dataset) -> None:
        measures(segmentation)[0].PixelSpacing = [1.0, 1.0]

    with pytest.raises(MalformedInput, match=r"its pixels are 1 mm apart, those of its image 0.5 mm"):
        read_segmentation(changed(enlarge), volume, UNNAMED)


def test_another_plane_is_another_grid(changed, volume):
    def turn(segmentation: Dataset) -> None:
        measures(segmentation)[1].ImageOrientationPatient = list(CORONAL)

    with pytest.raises(MalformedInput, match=r"changed.dcm: its pixels .*another grid"):
        read_segmentation(changed(turn), volume, UNNAMED)


def unplaced(segmentation: Dataset) -> None:
    """Without positions, also as a dimension (PS3.3 C.7.6.17)."""
    kept = [one.DimensionIndexPointer != Tag("ImagePositionPatient") for one in segmentation.DimensionIndexSequence]
    segmentation.DimensionIndexSequence = list(compress(segmentation.DimensionIndexSequence, kept))
    for frame in segmentation.PerFrameFunctionalGroupsSequence:
        del frame.PlanePositionSequence
        content = frame.FrameContentSequence[0]
        content.DimensionIndexValues = list(compress(np.atleast_1d(content.DimensionIndexValues).tolist(), kept))


def test_without_positions_the_named_images_count(changed, volume):
    np.testing.assert_array_equal(read_segmentation(changed(unplaced), volume, UNNAMED)["acl"], MASK)


def test_without_positions_and_images_nothing_is_guessed(changed, volume):
    def unnamed(segmentation: Dataset) -> None:
        unplaced(segmentation)
        for frame in segmentation.PerFrameFunctionalGroupsSequence:
            del frame.DerivationImageSequence

    with pytest.raises(MalformedInput, match="neither a position nor one slice of its image"):
        read_segmentation(changed(unnamed), volume, UNNAMED)

    def smaller(segmentation: Dataset) -> None:
        unplaced(segmentation)
        store(segmentation, pixels_of(segmentation)[:, :30, :30])

    with pytest.raises(MalformedInput, match=r"its frames have 30 x 30 pixels, the slices of its image 40 x 36"):
        read_segmentation(changed(smaller), volume, UNNAMED)


def test_slices_at_unequal_distances(changed, volume):
    heights = np.array([0.0, 3.0, 6.0, 9.4, 12.0, 15.0, 18.0, 21.0])
    uneven = replace(volume, positions_mm=heights[:, None] * volume.normal)

    def place(segmentation: Dataset) -> None:
        for frame in segmentation.PerFrameFunctionalGroupsSequence:
            move(frame, (heights - 3.0 * np.arange(8))[np.rint(height(frame, volume) / 3).astype(int)] * volume.normal)

    np.testing.assert_array_equal(read_segmentation(changed(place), uneven, UNNAMED)["acl"], MASK)


def test_an_enhanced_instance(tmp_path, images, volume):
    """All slices are frames of one instance, so only positions tell where a frame lies."""
    (tmp_path / "enhanced").mkdir()
    one = enhanced(images)
    one.SOPInstanceUID = "2.25.77.1.99"
    (tmp_path / "enhanced" / "a.dcm").write_bytes(encode(one))
    whole = load_exam(Exam("e", "p", tmp_path / "enhanced"))
    assert set(whole.sop_uids) == {"2.25.77.1.99"}
    path = put_segmentation(tmp_path / "m.dcm", images, MASK, [described(1, "ACL")])
    np.testing.assert_array_equal(read_segmentation(path, whole, UNNAMED)["acl"], MASK)
