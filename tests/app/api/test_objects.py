"""An answer as DICOM objects, over HTTP."""

from io import BytesIO

import numpy as np
import pydicom
import pytest

from app.results import KINDS
from tests.app.studies import PATIENT, SLICES


def fetched(client, answer: dict, kind: str, query: str = "") -> pydicom.Dataset:
    response = client.get(f"/v1/predictions/{answer['id']}/dicom/{kind}.dcm{query}")
    assert (response.status_code, response.mimetype) == (200, "application/dicom"), response.text
    return pydicom.dcmread(BytesIO(response.data))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("seg", "slices", "ligament")])
def test_every_object_belongs_to_the_study_and_patient_that_were_sent(answered, kind):
    client, answer = answered
    found = fetched(client, answer, kind)
    assert found.StudyInstanceUID == answer["study"]["study_uid"]
    assert found.SeriesInstanceUID != answer["study"]["series_uid"]
    assert (str(found.PatientName), found.PatientID) == (PATIENT["PatientName"], PATIENT["PatientID"])
    assert found == fetched(client, answer, kind)


@pytest.mark.parametrize("values", ["uint16", "float32"])
def test_the_parametric_map_holds_what_map_npz_holds(answered, values):
    client, answer = answered
    served = client.get(f"/v1/predictions/{answer['id']}/map.npz").data
    with np.load(BytesIO(served)) as archive:
        expected = archive["map"]
    found = fetched(client, answer, "map", f"?values={values}")
    mapping = found.SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence[0]
    slope = mapping.RealWorldValueSlope
    read = found.pixel_array * slope + mapping.RealWorldValueIntercept
    tolerance = slope / 2 * (1 + 1e-6) if values == "uint16" else 1e-6 * np.abs(expected).max()
    assert np.abs(read - expected).max() <= tolerance


def test_what_does_not_exist_is_a_problem(answered):
    client, answer = answered
    paths = (
        ("sr.dcm?values=x", 400),
        ("overlay.dcm?slice=-1", 400),
        ("other.dcm", 404),
        (f"overlay.dcm?slice={SLICES}", 404),
    )
    for path, status in paths:
        response = client.get(f"/v1/predictions/{answer['id']}/dicom/{path}")
        assert (response.status_code, response.mimetype) == (status, "application/problem+json")
    assert client.get(f"/v1/predictions/{'0' * 32}/dicom/sr.dcm").status_code == 404


def test_an_overlay_is_of_the_slice_that_is_asked_for(answered):
    client, answer = answered
    for index in (0, SLICES - 1):
        assert fetched(client, answer, "overlay", f"?slice={index}").InstanceNumber == index + 1
    shown = fetched(client, answer, "key-image").SourceImageSequence[0].ReferencedSOPInstanceUID
    assert fetched(client, answer, "overlay").SourceImageSequence[0].ReferencedSOPInstanceUID == shown


def test_a_bundle_without_a_scale_has_no_region_and_says_so(answered):
    client, answer = answered
    response = client.get(f"/v1/predictions/{answer['id']}/dicom/seg.dcm")
    assert (response.status_code, response.mimetype) == (404, "application/problem+json")
    assert "no segmentation" in response.json["detail"]


def test_without_a_localiser_there_is_no_ligament_and_the_problem_says_so(answered):
    client, answer = answered
    response = client.get(f"/v1/predictions/{answer['id']}/dicom/ligament.dcm")
    assert response.status_code == 404
    assert "no localiser" in response.json["detail"]


def test_a_series_without_other_images_has_no_series_of_slices_and_says_so(answered):
    client, answer = answered
    response = client.get(f"/v1/predictions/{answer['id']}/dicom/slices.dcm")
    assert (response.status_code, response.mimetype) == (404, "application/problem+json")
    assert "no series of slices" in response.json["detail"]
