"""Segmentations that highdicom writes: which structures they show, and of which series they are."""

from pathlib import Path

import numpy as np
import pydicom
import pytest

from data_prep.errors import MalformedInput
from data_prep.masks.segmentations import read_segmentation
from data_prep.masks.structures import UNNAMED, Shows
from data_prep.prepare.load import load_exam
from data_prep.tables.exams import Exam
from data_prep.volume import Volume
from tests.data_prep.masks.making import described, put_segmentation, put_series, slab

LOW, HIGH = slab((8, 40, 36), 1, 2), slab((8, 40, 36), 3, 5)


@pytest.fixture
def images(tmp_path) -> list[pydicom.Dataset]:
    return put_series(tmp_path / "knee")


@pytest.fixture
def volume(tmp_path, images) -> Volume:
    return load_exam(Exam("e", "p", tmp_path / "knee"))


def test_a_segment_is_found_by_its_code(tmp_path, images, volume):
    path = put_segmentation(tmp_path / "m.dcm", images, HIGH, [described(1, "what I drew", "acl")])
    found = read_segmentation(path, volume, UNNAMED)
    assert list(found) == ["acl"]
    np.testing.assert_array_equal(found["acl"], HIGH)
    assert pydicom.dcmread(path).NumberOfFrames == 3


@pytest.mark.parametrize("kind", ["BINARY", "FRACTIONAL", "LABELMAP"])
def test_several_segments_of_every_type(tmp_path, images, volume, kind):
    pixels = np.stack([LOW, HIGH], axis=3).astype(np.float32 if kind == "FRACTIONAL" else np.uint8)
    segments = [described(1, "Segment_1", "femur"), described(2, "Tibia right")]
    options = {"fractional_type": "PROBABILITY"} if kind == "FRACTIONAL" else {}
    path = put_segmentation(tmp_path / "m.dcm", images, pixels, segments, kind, **options)
    assert pydicom.dcmread(path).SegmentationType == kind
    found = read_segmentation(path, volume, UNNAMED)
    assert list(found) == ["femur", "tibia"]
    np.testing.assert_array_equal(found["femur"], LOW)
    np.testing.assert_array_equal(found["tibia"], HIGH)


def test_of_probabilities_the_likelier_half_counts(tmp_path, images, volume):
    pixels = np.where(HIGH, 0.7, np.where(LOW, 0.4, 0.0)).astype(np.float32)[..., None]
    options = {"fractional_type": "PROBABILITY", "max_fractional_value": 200}
    path = put_segmentation(tmp_path / "m.dcm", images, pixels, [described(1, "ACL")], "FRACTIONAL", **options)
    np.testing.assert_array_equal(read_segmentation(path, volume, UNNAMED)["acl"], HIGH)


def test_what_isn_t_clear_is_refused_or_skipped_with_a_word(tmp_path, images, volume):
    segments = [described(1, "ACL"), described(2, "my cyst")]
    path = put_segmentation(tmp_path / "m.dcm", images, np.stack([LOW, HIGH], axis=3), segments)
    with pytest.raises(
        MalformedInput, match=r"m.dcm: .*its segment 'my cyst' shows; write my cyst=acl or my cyst=skip"
    ):
        read_segmentation(path, volume, UNNAMED)
    assert list(read_segmentation(path, volume, Shows.parsed("My_Cyst=skip"))) == ["acl"]
    assert list(read_segmentation(path, volume, Shows("acl"))) == ["acl"]
    found = read_segmentation(path, volume, Shows.parsed("2=pcl"))
    np.testing.assert_array_equal(found["pcl"], HIGH)
    np.testing.assert_array_equal(found["acl"], LOW)
    with pytest.raises(MalformedInput, match=r"m.dcm: none of its segments is tibia"):
        read_segmentation(path, volume, Shows("tibia"))


def test_segments_of_one_structure_are_joined(tmp_path, images, volume):
    segments = [described(1, "Medial meniscus"), described(2, "Lateral", "menisci")]
    path = put_segmentation(tmp_path / "m.dcm", images, np.stack([LOW, HIGH], axis=3), segments)
    np.testing.assert_array_equal(read_segmentation(path, volume, UNNAMED)["menisci"], LOW | HIGH)


def test_one_segment_without_a_name_is_what_the_row_says_but_not_another_structure(tmp_path, images, volume):
    path = put_segmentation(tmp_path / "m.dcm", images, HIGH, [described(1, "Segment_1")])
    np.testing.assert_array_equal(read_segmentation(path, volume, Shows("pcl"))["pcl"], HIGH)
    path = put_segmentation(tmp_path / "n.dcm", images, HIGH, [described(1, "Segment_1", "femur")])
    with pytest.raises(MalformedInput, match=r"n.dcm: none of its segments is pcl"):
        read_segmentation(path, volume, Shows("pcl"))


def test_one_of_another_series_or_study_is_refused(tmp_path, volume):
    others = put_series(tmp_path / "other", series=2)
    path = put_segmentation(tmp_path / "m.dcm", others, HIGH, [described(1, "ACL")])
    with pytest.raises(MalformedInput, match=r"m.dcm: it was drawn on another series \(2.25.77.2\) than its image"):
        read_segmentation(path, volume, UNNAMED)
    others = put_series(tmp_path / "third", series=1, StudyInstanceUID="2.25.78")
    path = put_segmentation(tmp_path / "n.dcm", others, HIGH, [described(1, "ACL")])
    with pytest.raises(MalformedInput, match=r"n.dcm: it was drawn on another study than its image"):
        read_segmentation(path, volume, UNNAMED)


def test_what_is_no_segmentation_is_refused(tmp_path, images, volume):
    with pytest.raises(MalformedInput, match=r"1.dcm: it can't be read as a DICOM Segmentation"):
        read_segmentation(tmp_path / "knee" / "1.dcm", volume, UNNAMED)
    path = put_segmentation(tmp_path / "m.dcm", images, HIGH, [described(1, "ACL")])
    path.write_bytes(path.read_bytes()[:900])
    with pytest.raises(MalformedInput, match=r"m.dcm: it can't be read as a DICOM Segmentation"):
        read_segmentation(path, volume, UNNAMED)


def test_a_real_series_at_any_echo(tmp_path, real_knee):
    """One drawn on the first echo's images lies on the volume that is chosen, of another echo of the same series."""
    for name, content in real_knee.items():
        (tmp_path / "ge" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "ge" / name).write_bytes(content)
    volume = load_exam(Exam("ge", "ge", tmp_path / "ge"))
    chosen = {uid: index for index, uid in enumerate(volume.sop_uids)}
    mask = np.zeros(volume.shape, bool)
    mask[9, 100:140, 110:135] = mask[10, 95:130, 112:140] = mask[11, 90:100, 100:150] = True
    echoes: dict[float, list[pydicom.Dataset]] = {}
    for file in sorted(path for path in Path(tmp_path / "ge").rglob("*") if path.is_file()):
        image = pydicom.dcmread(file)
        image.StudyID = image.get("StudyID", "")
        echoes.setdefault(float(image.EchoTime), []).append(image)
    assert len(echoes) == 8
    for images in (echoes[min(echoes)], echoes[max(echoes)]):
        along = [np.dot(image.ImagePositionPatient, volume.normal) for image in images]
        ordered = [images[index] for index in np.argsort(along)]
        path = put_segmentation(tmp_path / "m.dcm", ordered, mask, [described(1, "ACL")])
        np.testing.assert_array_equal(read_segmentation(path, volume, UNNAMED)["acl"], mask)
    assert any(image.SOPInstanceUID not in chosen for images in echoes.values() for image in images)
