"""The rejection note read back by other readers: what it rejects, why, and whose it is."""

import subprocess
from datetime import timedelta, timezone

import pytest
from highdicom.ko import KeyObjectSelectionDocument
from pydicom.dataset import Dataset

from app.results import KINDS, build
from app.results.common import Site
from app.results.rejection_note import Rejection, rejection_note
from app.store.superseding import Reference
from tests.app.results.made import ORDER, PATIENT, map_of, read, result_of, validator
from tests.data_prep.dicom_factory import make_series

pytestmark = pytest.mark.slow

CREATED = "2026-11-21T22:30:05Z"


@pytest.fixture(scope="module")
def result():
    return result_of(*make_series(**PATIENT, **ORDER, Laterality="R"))


@pytest.fixture(scope="module")
def objects(result) -> list[Dataset]:
    return [read(one) for kind in KINDS for one in build(kind, result, lambda: map_of(result))]


def rejection(result, objects, **changed) -> Rejection:
    references = [Reference(one.SOPClassUID, one.SeriesInstanceUID, one.SOPInstanceUID) for one in objects]
    values = {"prediction": result.answer["id"], "number": 1, "superseded_by": "9f" * 16, "superseded": CREATED}
    return Rejection(**{**values, "origin": result.origins[0], "objects": references, "site": Site()} | changed)


def test_it_rejects_every_object_for_patient_safety(result, objects):
    note = KeyObjectSelectionDocument.from_dataset(read(rejection_note(rejection(result, objects))))
    title = note.ConceptNameCodeSequence[0]
    assert (title.CodeValue, title.CodingSchemeDesignator) == ("113037", "DCM")
    assert "CodingSchemeVersion" not in title  # some archives don't know the title then
    for one in objects:
        place = (one.StudyInstanceUID, one.SeriesInstanceUID, one.SOPInstanceUID)
        assert note.resolve_reference(one.SOPInstanceUID) == place
    (of_study,) = note.CurrentRequestedProcedureEvidenceSequence
    listed = [one for series in of_study.ReferencedSeriesSequence for one in series.ReferencedSOPSequence]
    assert sorted(one.ReferencedSOPInstanceUID for one in listed) == sorted(one.SOPInstanceUID for one in objects)
    types = {
        item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID: item.ValueType for item in note.ContentSequence[1:]
    }
    kinds = {"SR": "COMPOSITE", "OT": "IMAGE", "SEG": "IMAGE"}
    assert types == {one.SOPInstanceUID: kinds[one.Modality] for one in objects}


def test_it_says_what_replaces_them_and_what_they_are_for(result, objects):
    note = read(rejection_note(rejection(result, objects)))
    (text,) = [item.TextValue for item in note.ContentSequence if item.ValueType == "TEXT"]
    assert "9f" * 16 in text
    assert "Research use only, not for diagnosis" in text
    assert note.SeriesDescription == "Cruciate rejection note: Research use only, not for diagnosis"
    assert note.SeriesNumber == 9000
    assert read(rejection_note(rejection(result, objects, number=3))).SeriesNumber == 9020


def test_it_belongs_to_the_patient_and_the_study_and_has_the_time_of_the_replacement(result, objects):
    note = read(rejection_note(rejection(result, objects)))
    for keyword in ("PatientName", "PatientID", "StudyInstanceUID", "AccessionNumber", "StudyDescription"):
        assert note[keyword] == objects[0][keyword]
    assert note.ReferencedRequestSequence[0].RequestedProcedureID == "RP1"
    assert (note.ContentDate, note.ContentTime, note.TimezoneOffsetFromUTC) == ("20261122", "040005", "+0530")


def test_a_study_without_a_zone_gets_the_sites(objects):
    result = result_of()
    site = Site(zone=timezone(timedelta(hours=-3)))
    note = read(rejection_note(rejection(result, objects, site=site)))
    assert (note.ContentDate, note.ContentTime, note.TimezoneOffsetFromUTC) == ("20261121", "193005", "-0300")


def test_the_same_rejection_gives_the_same_bytes(result, objects):
    first = rejection_note(rejection(result, objects))
    assert first == rejection_note(rejection(result, objects))
    assert read(first).SOPInstanceUID != read(rejection_note(rejection(result, objects[:2]))).SOPInstanceUID


@pytest.mark.parametrize("ordered", [True, False])
def test_the_validator_finds_no_error(result, objects, ordered, tmp_path):
    origin = (result if ordered else result_of()).origins[0]
    (tmp_path / "note.dcm").write_bytes(rejection_note(rejection(result, objects, origin=origin)))
    done = subprocess.run([validator(), tmp_path / "note.dcm"], capture_output=True, text=True, timeout=60, check=False)
    said = (done.stdout + done.stderr).splitlines()
    assert "KeyObjectSelectionDocument" in said
    assert [line for line in said if line.startswith("Error")] == []
