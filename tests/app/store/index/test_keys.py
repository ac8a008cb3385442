"""Every key that QIDO-RS requires is there, with a column of its own."""

import pytest

from app.store.index.keys import KEYS, Level, keys_for, tag
from app.store.index.tables import ENTRIES

# PS3.18 tables 10.6.1-5, 10.6.1-6 and 10.6.1-7.
REQUIRED = {
    Level.STUDY: (
        *("StudyDate", "StudyTime", "AccessionNumber", "ModalitiesInStudy", "ReferringPhysicianName", "PatientName"),
        *("PatientID", "StudyInstanceUID", "StudyID"),
    ),
    Level.SERIES: (
        *("Modality", "SeriesInstanceUID", "SeriesNumber", "PerformedProcedureStepStartDate"),
        *("PerformedProcedureStepStartTime", "RequestAttributesSequence.ScheduledProcedureStepID"),
        "RequestAttributesSequence.RequestedProcedureID",
    ),
    Level.INSTANCE: ("SOPClassUID", "SOPInstanceUID", "InstanceNumber"),
}


@pytest.mark.parametrize("level", list(Level))
def test_required_keys_are_indexed(level):
    by_name = {key.name: key for key in KEYS[level]}
    assert set(REQUIRED[level]) <= by_name.keys()
    assert all(by_name[name].is_indexed for name in REQUIRED[level])
    assert {key.column for key in KEYS[level]} <= set(ENTRIES[level].c.keys())


def test_a_key_has_one_name_and_one_column():
    names = [key.name for key in keys_for(Level.INSTANCE)]
    assert len(set(names)) == len(names)
    by_name = {key.name: key for key in keys_for(Level.INSTANCE)}
    assert by_name["TimezoneOffsetFromUTC"].column == "timezone_offset_from_utc"
    assert by_name["SOPClassUID"].column == "sop_class_uid"
    request = by_name["RequestAttributesSequence.RequestedProcedureID"]
    assert (request.tags, request.column, request.vr) == ("00400275.00401001", "requested_procedure_id", "SH")


def test_an_unknown_keyword_is_told():
    with pytest.raises(KeyError):
        tag("Grumpus")
