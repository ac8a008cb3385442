"""An answer as FHIR, over HTTP."""

import pytest
from fhir.resources.R4B.bundle import Bundle

from tests.app.studies import PATIENT

pytestmark = pytest.mark.slow


def test_it_is_valid_fhir_of_the_study_and_patient_that_were_sent(answered):
    client, answer = answered
    response = client.get(f"/v1/predictions/{answer['id']}/fhir")
    assert (response.status_code, response.mimetype) == (200, "application/fhir+json"), response.text
    found = {entry.resource.get_resource_type(): entry.resource for entry in Bundle.model_validate(response.json).entry}
    assert found["Patient"].identifier[0].value == PATIENT["PatientID"]
    assert found["ImagingStudy"].identifier[0].value == f"urn:oid:{answer['study']['study_uid']}"
    assert answer["result"]["predicted"] in found["DiagnosticReport"].conclusion
    assert client.get(f"/v1/predictions/{answer['id']}/fhir").data == response.data


def test_without_an_answer_there_is_a_problem(answered):
    client, _ = answered
    response = client.get(f"/v1/predictions/{'0' * 32}/fhir")
    assert (response.status_code, response.mimetype) == (404, "application/problem+json")
