"""The report read back by another reader: who was predicted on, by what, and what came out."""

import pytest
from highdicom.sr import srread
from pydicom.filebase import DicomBytesIO
from pydicom.sr.codedict import codes

from app.results.report import report
from data_prep.labels import BINARY, FOUR_CLASS
from tests.app.results.made import PATIENT, result_of
from tests.data_prep.dicom_factory import enhanced, make_series

pytestmark = pytest.mark.slow

RIGHT, LEFT = "24028007", "7771000"
PRESENT, ABSENT = "52101004", "272519000"


def document(result):
    return srread(DicomBytesIO(report(result)))


def groups(result):
    return document(result).content.get_image_measurement_groups()


@pytest.mark.parametrize("scheme", [BINARY, FOUR_CLASS])
def test_every_class_has_its_probability(scheme):
    result = result_of(scheme=scheme)
    _, *classes = groups(result)
    said = {group.tracking_identifier: group.get_measurements(codes.DCM.Probability)[0].value for group in classes}
    probabilities = result.answer["result"]["probabilities"]
    assert said == pytest.approx({f"ACL: {name}": value for name, value in probabilities.items()})


@pytest.mark.parametrize(
    ("predicted", "grade", "presence", "ruptured"),
    [
        (0, "HEALTHY", ABSENT, 0.2),
        (1, "STRAIN", ABSENT, 0.2),
        (2, "PARTIAL", PRESENT, 0.8),
        (3, "COMPLETE", PRESENT, 0.8),
    ],
)
def test_a_rupture_is_there_from_a_partial_one_upwards(predicted, grade, presence, ruptured):
    finding = groups(result_of(scheme=FOUR_CLASS, predicted=predicted))[0]
    evaluations = {one.name.value: one.value.value for one in finding.get_qualitative_evaluations()}
    assert finding.finding_type.value == "239725005"
    assert evaluations == {"239725005": presence, "GRADE": grade}
    assert finding.get_measurements()[0].value == pytest.approx(ruptured)


@pytest.mark.parametrize(("side", "code"), [("R", RIGHT), ("L", LEFT), ("", None)])
def test_the_site_is_the_knee_on_its_side(side, code):
    for group in groups(result_of(*make_series(**PATIENT, Laterality=side))):
        (site,) = group.finding_sites
        assert site.value.value == "49076000"
        assert (site.laterality and site.laterality.value) == code


def test_the_model_is_named_with_its_digest():
    result = result_of()
    (observer,) = document(result).content.get_observer_contexts()
    attributes = observer.observer_identifying_attributes
    assert (attributes.name, attributes.model_name, attributes.serial_number) == ("Cruciate", "demo", "9f" * 32)
    texts = [element.value for element in document(result).iterall() if element.keyword == "TextValue"]
    for text in ("Cruciate demo", "0.1.0", f"bundle sha256 {'9f' * 32}", "route mrnet"):
        assert text in texts
    assert "Research use only, not for diagnosis." in texts
    assert "The model has only seen synthetic knees." in texts


def test_it_is_complete_preliminary_and_verified_by_nobody():
    said = document(result_of())
    flags = (said.CompletionFlag, said.PreliminaryFlag, said.VerificationFlag)
    assert flags == ("COMPLETE", "PRELIMINARY", "UNVERIFIED")


def test_every_slice_is_evidence_and_source():
    result = result_of()
    assert [str(sop) for _, _, sop, _ in document(result).get_evidence()] == list(result.volume.sop_uids)
    sources = groups(result)[0].source_images
    assert [one.referenced_sop_instance_uid for one in sources] == list(result.volume.sop_uids)


def test_frames_of_an_enhanced_instance_are_one_source():
    (source,) = groups(result_of(enhanced(make_series(**PATIENT))))[0].source_images
    assert source.referenced_frame_numbers == list(range(1, 9))


def test_findings_are_tracked_across_models_and_told_apart():
    first = result_of()
    second = result_of()
    second.answer["bundle"]["sha256"] = "00" * 32
    tracked = [group.tracking_uid for group in groups(first)]
    assert tracked == [group.tracking_uid for group in groups(second)]
    assert len(set(tracked)) == 3
