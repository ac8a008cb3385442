"""Places in the patient, and the image that a report leads to."""

import io

import numpy as np
import pydicom
import pytest
from highdicom.spatial import PixelToReferenceTransformer
from pydicom.dataset import Dataset

from data_prep.selection.series import load_study
from tests.app.studies import instances, voxels
from tests.data_prep.dicom_factory import named
from tests.viewers.studies import ECHOES_SEED, Answered, in_mm, two_echoes


def test_a_pixel_lies_where_highdicom_says():
    source = pydicom.dcmread(io.BytesIO(instances(voxels())[3]))
    transformer = PixelToReferenceTransformer(
        source.ImagePositionPatient, source.ImageOrientationPatient, source.PixelSpacing
    )
    assert np.allclose(in_mm(source, column=21, row=40), transformer(np.array([[21, 40]]))[0])


def item(value_type: str, *children: Dataset) -> Dataset:
    """An item of a report's content."""
    dataset = Dataset()
    dataset.ValueType = value_type
    dataset.ContentSequence = list(children)
    return dataset


def image(uid: str) -> Dataset:
    """An image in a report's content."""
    reference = Dataset()
    reference.ReferencedSOPInstanceUID = uid
    dataset = item("IMAGE")
    dataset.ReferencedSOPSequence = [reference]
    return dataset


def answered(report: Dataset, peak: float) -> Answered:
    """A study with this report."""
    answer = {"explanation": {"scale": {"peak": peak, "threshold": 0.5}}}
    return Answered("torn", "1.2", answer, np.zeros(3), "1.2.3", {}, np.zeros((1, 1, 3), np.uint8), report)


def test_the_decisive_slice_is_that_of_the_first_coordinates_on_an_image():
    first = item("CONTAINER", image("1.2.1"), item("SCOORD3D"), item("SCOORD", image("1.2.2")))
    report = item("CONTAINER", first, item("CONTAINER", item("SCOORD", image("1.2.3"))))
    assert answered(report, 0.4).decisive == "1.2.2"


def test_pictures_glow_from_the_threshold():
    assert [answered(item("CONTAINER"), peak).glows for peak in (0.4, 0.5, 0.6)] == [False, True, True]


@pytest.mark.slow
def test_of_two_echoes_the_first_is_predicted_on():
    images = two_echoes(ECHOES_SEED)
    selection = load_study(named(images))
    assert len(images) == 2 * len(selection.volume.voxels)
    assert {*selection.volume.sop_uids} == {one.SOPInstanceUID for one in images if one.EchoNumbers == 1}
