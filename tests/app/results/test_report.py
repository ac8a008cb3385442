"""The report read back by another reader: who was predicted on, by what, and what came out."""

import numpy as np
import pytest
from highdicom.sr import srread
from pydicom.filebase import DicomBytesIO

from app.results.region import region
from app.results.report import report
from data_prep.labels import BINARY, FOUR_CLASS
from tests.app.results.made import PATIENT, POINT, SCALE, evidence_of, read, result_of
from tests.data_prep.dicom_factory import SAGITTAL, enhanced, make_series

pytestmark = pytest.mark.slow

# Sagittal, with the rows from front to back or from back to front, and turned by 20 degrees.
ORIENTATIONS = [SAGITTAL, (0.0, -1.0, 0.0, 0.0, 0.0, -1.0), (-0.342020143, 0.939692621, 0.0, 0.0, 0.0, -1.0)]
RIGHT, LEFT = "24028007", "7771000"
PRESENT, ABSENT, UNDETERMINED = "52101004", "272519000", "373068000"


def document(result, evidence=None):
    return srread(DicomBytesIO(report(result, evidence or evidence_of(result))))


def groups(result, evidence=None):
    return document(result, evidence).content.get_planar_roi_measurement_groups()


def evaluated(group):
    return {one.name.value: one.value.value for one in group.get_qualitative_evaluations()}


@pytest.mark.parametrize("scheme", [BINARY, FOUR_CLASS])
def test_every_class_has_its_probability(scheme):
    result = result_of(scheme=scheme)
    (finding,) = groups(result)
    said = {one.name.meaning: one.value for one in finding.get_measurements()[1:]}
    probabilities = result.answer["result"]["probabilities"]
    assert said == pytest.approx({f"Probability of {name}": 100 * value for name, value in probabilities.items()})


@pytest.mark.parametrize(("predicted", "grade", "presence"), [(0, "HEALTHY", ABSENT), (1, "UNHEALTHY", PRESENT)])
def test_two_classes_tell_an_abnormality_and_nothing_of_a_rupture(predicted, grade, presence):
    result = result_of(scheme=BINARY, predicted=predicted)
    (finding,) = groups(result)
    assert finding.finding_type.value == "ABNORMAL"
    assert evaluated(finding) == {"ABNORMAL": presence, "GRADE": grade}
    assert finding.get_measurements()[0].value == pytest.approx(
        100 * result.answer["result"]["probabilities"]["unhealthy"]
    )
    assert "239725005" not in {
        element.value for element in document(result).iterall() if element.keyword == "CodeValue"
    }


@pytest.mark.parametrize(
    ("predicted", "grade", "abnormal", "ruptured", "probability"),
    [
        (0, "HEALTHY", ABSENT, ABSENT, 30),
        (1, "STRAIN", PRESENT, ABSENT, 90),
        (2, "PARTIAL", PRESENT, UNDETERMINED, 90),
        (3, "COMPLETE", PRESENT, PRESENT, 90),
    ],
)
def test_four_classes_tell_a_rupture_where_the_class_does(predicted, grade, abnormal, ruptured, probability):
    (finding,) = groups(result_of(scheme=FOUR_CLASS, predicted=predicted))
    assert evaluated(finding) == {"ABNORMAL": abnormal, "GRADE": grade, "239725005": ruptured}
    assert finding.get_measurements()[0].value == pytest.approx(probability)


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


def test_every_slice_is_evidence():
    result = result_of()
    assert [str(sop) for _, _, sop, _ in document(result).get_evidence()] == list(result.volume.sop_uids)


def test_findings_are_tracked_across_models_and_told_apart():
    first = result_of(scale=SCALE)
    second = result_of(scale=SCALE)
    second.answer["bundle"]["sha256"] = "00" * 32
    tracked = [group.tracking_uid for group in groups(first)]
    assert tracked == [group.tracking_uid for group in groups(second)]
    assert len(set(tracked)) == 3


def place(group):
    (item,) = [one for one in group[0].ContentSequence if one.ValueType in ("SCOORD", "SCOORD3D")]
    return item


@pytest.mark.parametrize("scale", [{"scale": SCALE}, {}])
@pytest.mark.parametrize("attributes", [{}, {"ImagePositionPatient": None, "SpacingBetweenSlices": 4.0}])
def test_every_group_has_a_place(scale, attributes):
    """OHIF shows nothing of a report in which a group has none."""
    result = result_of(*make_series(**PATIENT, **attributes), **scale)
    found = groups(result)
    assert len(found) == (3 if scale else 1)
    shapes = [(place(group).ValueType, place(group).GraphicType) for group in found]
    in_patient = [("SCOORD3D", "POINT"), ("SCOORD3D", "POLYLINE")]
    in_slice = [("SCOORD", "POINT"), ("SCOORD", "POLYLINE")]
    expected = in_slice if attributes else in_patient
    assert shapes == [("SCOORD", "POLYLINE"), *(expected if scale else [])]


def test_the_finding_leads_to_the_decisive_slice():
    result = result_of(enhanced(make_series(**PATIENT)[::-1]), scale=SCALE)
    evidence = evidence_of(result)
    selected = place(groups(result)[0]).ContentSequence[0].ReferencedSOPSequence[0]
    assert selected.ReferencedSOPInstanceUID == result.volume.sop_uids[0]
    assert selected.ReferencedFrameNumber == 8 - evidence.peak[0]  # frames are in the opposite order
    assert evidence.peak[0] == result.decisive(evidence)


def test_without_a_region_it_leads_to_the_strongest_slice_and_what_was_examined():
    result, values = result_of(), np.zeros((8, 40, 36), np.float32)
    values[result.strongest, 5:15, 10:30] = -1
    (group,) = groups(result, result.evidence(values))
    selected = place(group).ContentSequence[0].ReferencedSOPSequence[0]
    assert selected.ReferencedSOPInstanceUID == result.volume.sop_uids[result.strongest]
    assert place(group).GraphicData == [10, 5, 30, 5, 30, 15, 10, 15, 10, 5]


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_the_peak_is_where_the_scanner_says_in_the_patient(orientation):
    images = make_series(**PATIENT, ImageOrientationPatient=list(orientation))
    result = result_of(*images, scale=SCALE)
    evidence = evidence_of(result)
    (source,) = [one for one in images if one.SOPInstanceUID == result.volume.sop_uids[evidence.peak[0]]]
    _, row, column = evidence.peak
    across, down = np.array(source.ImageOrientationPatient, float).reshape(2, 3)
    expected = np.array(source.ImagePositionPatient, float) + 0.5 * column * across + 0.5 * row * down
    _, peak, region = groups(result)
    np.testing.assert_allclose(place(peak).GraphicData, expected, atol=1e-4)
    assert place(peak).ReferencedFrameOfReferenceUID == PATIENT["FrameOfReferenceUID"]
    assert peak.get_measurements()[0].value == pytest.approx(evidence.values.max() / 0.25)
    assert region.get_measurements()[0].value == pytest.approx(SCALE["threshold"])
    assert len(place(region)["GraphicData"].value) * 4 <= 1024  # what archives give with the header
    corners = np.array(place(region).GraphicData).reshape(-1, 3)
    assert np.abs((corners - expected) @ np.cross(across, down)).max() < 1e-4  # in the plane of the slice


def test_the_region_is_tracked_like_the_segment():
    result = result_of(scale=SCALE)
    segment = read(region(result, evidence_of(result))).SegmentSequence[0]
    group = groups(result)[2]
    assert (group.tracking_uid, group.tracking_identifier) == (segment.TrackingUID, segment.TrackingID)


@pytest.mark.parametrize(
    ("scale", "sentence"),
    [
        ({"scale": SCALE}, "The region is where the evidence for 'unhealthy' is 0.04 logit/mm2 or more."),
        ({"scale": SCALE | {"classes": {"unhealthy": 9.0}}}, "No region above the threshold: the evidence for"),
        ({}, "The bundle has no colour scale for 'unhealthy', so no threshold is known"),
    ],
)
def test_the_report_says_what_the_region_is_or_why_there_is_none(scale, sentence):
    texts = [element.value for element in document(result_of(**scale)).iterall() if element.keyword == "TextValue"]
    assert [text for text in texts if text.startswith(sentence)]


def test_the_report_says_whether_the_knee_is_positive_at_the_operating_point():
    result = result_of(scale=SCALE)
    silent = document(result)
    result.answer["result"]["operating_point"] = POINT
    (named,) = [item for item in document(result).ContentSequence if _name(item) == "CAD Operating Point Description"]
    assert named.TextValue == POINT["message"]
    assert not [item for item in silent.ContentSequence if _name(item) == "CAD Operating Point Description"]


def _name(item) -> str:
    return item.ConceptNameCodeSequence[0].CodeMeaning
