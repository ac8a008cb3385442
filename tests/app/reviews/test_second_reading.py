"""A review in the structured report, read back by another reader and by the validator."""

import io
from typing import Any

import highdicom
import numpy as np
import pydicom
import pytest
from highdicom.sr import srread

from app.contract import masks
from app.results import KINDS
from tests.app.results.made import two_echoes
from tests.app.results.test_build import errors
from tests.app.reviews.clinic import AGREES, DRAWN, TORN, Clinic
from tests.data_prep.dicom_factory import encode, zipped

pytestmark = pytest.mark.slow


def fetched(clinic: Clinic, name: str = "ann") -> bytes:
    response = clinic.client.get(clinic.place.replace("reviews", "dicom/sr.dcm"), headers=clinic.of(name))
    assert response.status_code == 200, response.text
    return response.data


@pytest.fixture
def clinic(make_app) -> Clinic:
    return Clinic(make_app)


def test_a_review_is_a_reading_by_a_person(clinic):
    before = pydicom.dcmread(io.BytesIO(fetched(clinic)))
    clinic.give("ann", TORN)
    content = fetched(clinic)
    assert content == fetched(clinic)
    document: Any = srread(io.BytesIO(content))
    *_, reading = document.content.get_planar_roi_measurement_groups()
    said = {one.name.value: one.value.value for one in reading.get_qualitative_evaluations()}
    assert said.items() >= {"ABNORMAL": "52101004", "READGRADE": "COMPLETE"}.items()
    names = [item for item in reading[0].ContentSequence if item.ValueType == "PNAME"]
    assert [str(item.PersonName) for item in names] == ["ann^"]
    assert names[0].RelationshipType == "HAS OBS CONTEXT"
    drawn = masks.drawn(DRAWN, (14, 96, 80))[5]
    corners = np.array(reading.roi.value).reshape(-1, 2)
    rows, columns = np.nonzero(drawn)
    assert columns.min() <= corners[:, 0].min() <= corners[:, 0].max() <= columns.max() + 1
    assert rows.min() <= corners[:, 1].min() <= corners[:, 1].max() <= rows.max() + 1
    assert document.VerificationFlag == "UNVERIFIED"
    (predecessor,) = document.PredecessorDocumentsSequence
    named = predecessor.ReferencedSeriesSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID
    assert named == before.SOPInstanceUID != document.SOPInstanceUID
    assert isinstance(document, highdicom.sr.Comprehensive3DSR)


def test_it_names_all_that_the_report_without_it_names(make_app):
    """Of a series with two echoes: the slices that it refers to, and the original ones."""
    clinic = Clinic(make_app, results=KINDS)
    study = zipped({f"{number}.dcm": encode(image) for number, image in enumerate(two_echoes())})
    place = f"/v1/predictions/{clinic.predict('four', study)['id']}"

    def named() -> set[str]:
        content = clinic.client.get(f"{place}/dicom/sr.dcm", headers=clinic.of("ann")).data
        evidence = pydicom.dcmread(io.BytesIO(content)).CurrentRequestedProcedureEvidenceSequence
        series = [one for study in evidence for one in study.ReferencedSeriesSequence]
        return {str(item.ReferencedSOPInstanceUID) for one in series for item in one.ReferencedSOPSequence}

    before = named()
    assert len(before) > len(two_echoes()) // 2
    assert clinic.give("ann", AGREES, f"{place}/reviews").status_code == 201
    assert named() == before


@pytest.mark.parametrize(
    ("reviews", "flag"),
    [
        ({"ann": AGREES}, "VERIFIED"),
        ({"ann": AGREES, "ben": TORN}, "UNVERIFIED"),
        ({"ann": TORN, "ben": AGREES}, "UNVERIFIED"),
        ({"ann": {"verdict": "cannot-judge", "reason": "metal"}}, "UNVERIFIED"),
    ],
)
def test_it_is_verified_if_a_known_reader_agrees_and_nobody_contradicts(clinic, tmp_path, reviews, flag):
    for name, review in reviews.items():
        clinic.give(name, review)
    content = fetched(clinic)
    found = pydicom.dcmread(io.BytesIO(content))
    assert found.VerificationFlag == flag
    if flag == "VERIFIED":
        (observer,) = found.VerifyingObserverSequence
        assert str(observer.VerifyingObserverName) == "ann^"
    assert errors(content, tmp_path) == []


def test_a_reader_who_has_not_read_sees_the_report_without_readings(clinic):
    before = fetched(clinic, "ben")
    clinic.give("ann", TORN)
    assert fetched(clinic, "ben") == before


def test_what_a_reader_drew_is_a_segmentation(clinic, tmp_path):
    given = clinic.give("ann", TORN)
    place = f"{given.headers['Location']}/seg.dcm"
    response = clinic.client.get(place, headers=clinic.of("ann"))
    assert (response.status_code, response.mimetype) == (200, "application/dicom"), response.text
    found = pydicom.dcmread(io.BytesIO(response.data))
    drawn = masks.drawn(DRAWN, (14, 96, 80))
    np.testing.assert_array_equal(found.pixel_array, drawn[5])
    assert (str(found.ContentCreatorName), found.SegmentSequence[0].SegmentAlgorithmType) == ("ann^", "MANUAL")
    assert errors(response.data, tmp_path) == []
    assert clinic.client.get(place, headers=clinic.of("ben")).status_code == 404
    nothing = clinic.give("ann", AGREES).headers["Location"]
    assert clinic.client.get(f"{nothing}/seg.dcm", headers=clinic.of("ann")).status_code == 404
