"""The FHIR resources: valid by another library, with what the slices and the answer say, and nothing invented."""

import json

import pytest
from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.humanname import HumanName

from app.results.common import NOTICE, Answered
from app.results.fhir import fhir
from data_prep.labels import BINARY, FOUR_CLASS
from data_prep.selection.series import load_study
from tests.app.results.made import ORDER, PATIENT, answer_of
from tests.data_prep.dicom_factory import enhanced, make_series, named

SNOMED = "http://snomed.info/sct"


def answered(*images, scheme=BINARY, predicted=-1):
    selection = load_study(named(images or make_series(**PATIENT, **ORDER, Laterality="R")))
    answer = answer_of(selection, scheme, predicted)
    answer["study"] = {"laterality": selection.volume.laterality}
    return Answered(answer, selection.origins)


def resources(one: Answered) -> dict[str, dict]:
    document = json.loads(json.dumps(fhir(one), allow_nan=False))
    assert json.loads(Bundle.model_validate(document).model_dump_json()) == document
    return {entry["resource"]["resourceType"]: entry["resource"] for entry in document["entry"]}


def test_every_reference_leads_to_a_resource_of_the_bundle():
    document = fhir(answered())
    kinds = {entry["fullUrl"]: entry["resource"]["resourceType"] for entry in document["entry"]}
    references = []

    def collect(value):
        if isinstance(value, dict):
            references.extend([value] if "reference" in value else [])
            value = list(value.values())
        if isinstance(value, list):
            for one in value:
                collect(one)

    collect(document)
    assert references
    assert all(kinds[one["reference"]] == one["type"] for one in references)


def test_the_same_answer_gives_the_same_resources_and_another_answer_other_addresses():
    one, other = answered(), answered()
    assert fhir(one) == fhir(other)
    other.answer["id"] = "0" * 32
    addresses = [{entry["fullUrl"] for entry in fhir(each)["entry"]} for each in (one, other)]
    assert not addresses[0] & addresses[1]


def test_patient_study_and_order_are_those_of_the_slices():
    found = resources(answered())
    patient, study, report = found["Patient"], found["ImagingStudy"], found["DiagnosticReport"]
    assert patient["identifier"] == [{"value": PATIENT["PatientID"]}]
    assert patient["name"] == [{"text": "Zebedee Quibble", "family": "Quibble", "given": ["Zebedee"]}]
    assert (patient["gender"], patient["birthDate"]) == ("male", "1961-03-04")
    assert study["started"] == "2026-01-02T12:13:14+05:30"
    assert study["identifier"][1]["value"] == "A77"
    assert study["description"] == "MR knee right"
    assert study["procedureCode"][0]["coding"][0]["code"] == report["code"]["coding"][0]["code"] == "KNEE"
    assert study["basedOn"] == report["basedOn"] == [{"type": "ServiceRequest", "identifier": {"value": "RP1"}}]


def test_the_slices_that_were_predicted_on_are_listed_once():
    for images in (make_series(**PATIENT), [enhanced(make_series(**PATIENT))]):
        one = answered(*images)
        (series,) = resources(one)["ImagingStudy"]["series"]
        uids = [instance["uid"] for instance in series["instance"]]
        assert uids == list(dict.fromkeys(origin.SOPInstanceUID for origin in one.origins))
        assert series["numberOfInstances"] == len(uids) == len(images)
        assert series["instance"][0]["sopClass"]["code"] == f"urn:oid:{images[0].SOPClassUID}"


@pytest.mark.parametrize(("side", "code"), [("R", "24028007"), ("L", "7771000"), ("", None)])
def test_the_side_is_told_if_it_is_known(side, code):
    found = resources(answered(*make_series(**PATIENT, Laterality=side)))
    (series,) = found["ImagingStudy"]["series"]
    assert series.get("laterality", {}).get("code") == code
    site = [one["code"] for one in found["Observation"]["bodySite"]["coding"]]
    assert site == ["49076000"] + [code] * (code is not None)
    assert {one["system"] for one in found["Observation"]["bodySite"]["coding"]} == {SNOMED}


@pytest.mark.parametrize(("scheme", "predicted"), [(BINARY, 0), (BINARY, 1), (FOUR_CLASS, 2)])
def test_grade_and_probabilities_are_those_of_the_answer(scheme, predicted):
    one = answered(scheme=scheme, predicted=predicted)
    found, said = resources(one), one.answer["result"]
    observation, report = found["Observation"], found["DiagnosticReport"]
    grades = {name: one.codes.grades[name].value for name in scheme.classes}
    told = {part["code"]["coding"][0]["code"]: part["valueQuantity"]["value"] for part in observation["component"]}
    assert told == pytest.approx({grades[name]: value for name, value in said["probabilities"].items()})
    expected = grades[said["predicted"]]
    assert observation["valueCodeableConcept"]["coding"][0]["code"] == expected
    assert report["conclusionCode"][0]["coding"][0]["code"] == expected
    assert said["predicted"] in report["conclusion"]


def test_nothing_is_final_and_each_resource_of_the_prediction_says_what_it_is_for():
    found = resources(answered())
    assert found["Observation"]["status"] == found["DiagnosticReport"]["status"] == "preliminary"
    for text in (
        found["DiagnosticReport"]["conclusion"],
        found["DiagnosticReport"]["text"]["div"],
        found["Observation"]["note"][0]["text"],
        found["Device"]["note"][0]["text"],
    ):
        assert NOTICE in text
    assert "The model has only seen synthetic knees." in [note["text"] for note in found["Observation"]["note"]]


def test_what_the_slices_do_not_say_is_left_out():
    empty = dict.fromkeys(PATIENT, "") | {"FrameOfReferenceUID": "2.25.9", "SliceThickness": 2.5}
    found = resources(answered(*make_series(**empty)))
    assert found["Patient"] == {"resourceType": "Patient"}
    assert "started" not in found["ImagingStudy"]
    assert [one["system"] for one in found["ImagingStudy"]["identifier"]] == ["urn:dicom:uid"]
    assert "basedOn" not in found["DiagnosticReport"]
    assert found["DiagnosticReport"]["code"]["coding"][0]["code"] == "363679005"


@pytest.mark.parametrize(
    ("time", "started"),
    [("", "2026-01-02"), ("12", "2026-01-02"), ("1213", "2026-01-02T12:13:00Z"), ("121314.5", "2026-01-02T12:13:14Z")],
)
def test_a_time_that_is_not_known_is_not_told(time, started):
    found = resources(answered(*make_series(**PATIENT | {"StudyTime": time})))
    assert found["ImagingStudy"]["started"] == found["Observation"]["effectiveDateTime"] == started


@pytest.mark.parametrize(
    ("name", "texts"),
    [
        ("Yamada^Tarou=山田^太郎=やまだ^たろう", ["Tarou Yamada", "太郎 山田", "たろう やまだ"]),
        ("Adams^John Robert Quincy^^Rev.^B.A. M.Div.", ["Rev. John Robert Quincy Adams B.A. M.Div."]),
        ("=山田^太郎", ["太郎 山田"]),
        ("<b>&^\"'", ["\"' <b>&"]),
    ],
)
def test_names_of_any_form_survive(name, texts):
    patient = resources(answered(*make_series(**PATIENT | {"PatientName": name}, SpecificCharacterSet="ISO_IR 192")))
    assert [one["text"] for one in patient["Patient"]["name"]] == texts
    assert all(HumanName.model_validate(one) for one in patient["Patient"]["name"])
