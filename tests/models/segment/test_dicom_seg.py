"""A proposal as a DICOM Segmentation: valid, and read back voxel for voxel with the names of its structures."""

import subprocess

import numpy as np
import pytest
from pydicom import dcmread

from data_prep.masks.segmentations import read_segmentation
from data_prep.masks.structures import STRUCTURES, Shows
from data_prep.selection.series import Selection, load_study
from models.segment.dicom_seg import NOTICE, write_segmentation
from tests.app.results.made import PATIENT, validator
from tests.data_prep.dicom_factory import enhanced, make_series, named

SHA = "9f" * 32


def study(is_enhanced: bool, **headers) -> Selection:
    images = make_series(**PATIENT, Laterality="R", **headers)
    return load_study(named([enhanced(images)] if is_enhanced else images))


def labelled(selection: Selection, structures: int) -> np.ndarray:
    """A square for each structure, the later ones on later slices; the last structure isn't there."""
    labels = np.zeros(selection.volume.shape, np.uint8)
    for index in range(structures - 1 or 1):
        labels[1 + index % 5, 4 + 3 * index : 9 + 3 * index, 5:20] = 1 + index
    return labels


@pytest.mark.parametrize("is_enhanced", [False, True])
@pytest.mark.parametrize("structures", [("acl",), STRUCTURES])
def test_it_is_valid_and_is_read_back(structures, is_enhanced, tmp_path):
    selection = study(is_enhanced)
    labels = labelled(selection, len(structures))
    path = tmp_path / "mask.dcm"
    write_segmentation(path, labels, structures, selection, "localiser-first", SHA)
    found = read_segmentation(path, selection.volume, Shows())
    expected = {name: labels == 1 + index for index, name in enumerate(structures) if (labels == 1 + index).any()}
    assert set(found) == set(expected)
    for name, mask in expected.items():
        np.testing.assert_array_equal(found[name], mask)
    done = subprocess.run([validator(), path], capture_output=True, text=True, timeout=60)
    said = (done.stdout + done.stderr).splitlines()
    assert "Segmentation" in said
    assert [line for line in said if line.startswith("Error")] == []


def test_it_says_whose_it_is_and_that_it_is_a_proposal(tmp_path):
    selection = study(is_enhanced=False)
    write_segmentation(tmp_path / "mask.dcm", labelled(selection, 1), ("acl",), selection, "localiser-first", SHA)
    made = dcmread(tmp_path / "mask.dcm")
    assert (made.PatientName, made.StudyInstanceUID) == (PATIENT["PatientName"], selection.volume.study_uid)
    assert (made.ContentDescription, made.ContentLabel) == (NOTICE, "PROPOSAL")
    (segment,) = made.SegmentSequence
    assert segment.SegmentAlgorithmType == "AUTOMATIC"
    assert segment.SegmentAlgorithmName == "localiser-first"
