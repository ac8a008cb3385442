"""A study's attributes come from the study."""

import pytest

from app.store.index.entries import Member, columns_of, leading, moment, study_attributes
from app.store.index.keys import Level

DATE, TIME, DESCRIPTION, NAME, MODALITY = "00080020", "00080030", "00081030", "00100010", "00080060"


def member(uid: str, ours: bool = False, **values) -> Member:
    attributes = {f"{key[1:]}": {"vr": "LO", **({"Value": [value]} if value else {})} for key, value in values.items()}
    return Member(uid, f"{uid}.1", 1, ours, 5.0, attributes)


def test_a_series_that_lacks_a_value_does_not_hide_it():
    members = [
        member("1", _00081030="KNEE", _00080060="MR"),
        member("2", _00081030=None, _00080060="SR"),
        member("3", True, _00080060="SR"),
    ]
    for order in (members, members[::-1]):
        found = study_attributes(order)
        assert found[DESCRIPTION]["Value"] == ["KNEE"]
        assert found["00080061"] == {"vr": "CS", "Value": ["MR", "SR"]}
        assert MODALITY not in found


def test_what_was_received_counts_before_our_results():
    members = [member("2", _00081030="KNEE"), member("3", True, _00081030="RESULT"), member("1", _00081030="OLD")]
    assert study_attributes(members)[DESCRIPTION]["Value"] == ["KNEE"]
    assert leading(members).uid == "2"
    assert study_attributes(members[1:2])[DESCRIPTION]["Value"] == ["RESULT"]


@pytest.mark.parametrize(
    ("date", "time", "expected"),
    [
        ("20260131", "101530.5", "20260131101530.5"),
        ("20260131", None, "20260131"),
        ("20260131", "soon", "20260131"),
        (None, "1015", "19700101000005.000000"),
        ("2026.01.31", "1015", "19700101000005.000000"),
    ],
)
def test_a_study_has_a_moment(date, time, expected):
    attributes = member("1", _00080020=date, _00080030=time).attributes
    assert moment(attributes, 5.0) == expected


def test_a_column_has_the_first_value_and_the_others_are_further():
    attributes = {
        "00080060": {"vr": "CS", "Value": ["MR", "SR"]},
        "00400275": {"vr": "SQ", "Value": [{}, {"00400009": {"vr": "SH", "Value": ["Q"]}}]},
    }
    columns, further = columns_of(Level.SERIES, attributes)
    assert (columns["modality"], columns["scheduled_procedure_step_id"]) == ("MR", None)
    assert further == [
        {"key": "Modality", "place": 1, "value": "SR"},
        {"key": "RequestAttributesSequence.ScheduledProcedureStepID", "place": 1, "value": "Q"},
    ]
