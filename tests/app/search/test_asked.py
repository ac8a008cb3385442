"""What is asked of a key becomes conditions, or a sentence. What they find is in test_finding.py."""

import pytest

from app.search.asked import MOST_ASKED, Effort, InvalidKey, conditions
from app.store.index.keys import Level, keys_for

BY_NAME = {key.name: key for key in keys_for(Level.INSTANCE)}
WRONG_DATES = ["abc", "2026-01-31", "20260101-20260131-", "-", "\u0661" * 8, "20260131,20260201", "2026"]


def asked(name: str, text: str):
    return conditions([(BY_NAME[name], text)])


@pytest.mark.parametrize("text", ["", " ", "*"])
@pytest.mark.parametrize("name", ["PatientName", "PatientID", "StudyDate", "StudyInstanceUID", "Modality", "Rows"])
def test_nothing_and_a_star_are_universal_matching(name, text):
    """PS3.4 C.2.2.2.3 and C.2.2.2.4."""
    assert asked(name, text) == []


@pytest.mark.parametrize(("name", "text"), [("PatientName", "**"), ("PatientName", "*="), ("Modality", "MR,*")])
def test_what_holds_a_star_alone_is_it_too(name, text):
    assert asked(name, text) == []


@pytest.mark.parametrize(
    ("name", "text", "effort"),
    [
        ("StudyInstanceUID", "1.2", Effort.UID),
        ("PatientID", "A", Effort.VALUE),
        ("PatientID", "A*", Effort.BEGINNING),
        ("PatientID", "*A", Effort.ANY),
        ("PatientID", "?A", Effort.ANY),
        ("StudyDate", "20260101-", Effort.BEGINNING),
        ("Modality", "MR,S*", Effort.BEGINNING),
        ("InstanceNumber", "7", Effort.VALUE),
    ],
)
def test_the_most_selective_condition_is_tried_first(name, text, effort):
    (condition,) = asked(name, text)
    assert condition.effort is effort


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *((name, text) for name in ("StudyDate", "ContentDate") for text in WRONG_DATES),
        *(("StudyTime", text) for text in ("25:00", "1", "101530.", "-", "1015-1016-")),
        *(("InstanceNumber", text) for text in ("abc", "1.5", "2*", "1,2", "9" * 13, "\u0661")),
        ("PatientID", "x" * (MOST_ASKED + 1)),
    ],
)
def test_a_value_that_cannot_be_one_is_told_and_not_quoted(name, text):
    with pytest.raises(InvalidKey, match=name) as told:
        asked(name, text)
    assert len(text) < 5 or text not in str(told.value)


def test_codes_of_one_sequence_are_one_condition():
    of_request = [
        BY_NAME[f"RequestAttributesSequence.{one}"] for one in ("ScheduledProcedureStepID", "RequestedProcedureID")
    ]
    (condition,) = conditions([(of_request[0], "A*"), (of_request[1], "B")])
    assert ([part.key for part in condition.parts], condition.effort) == (of_request, Effort.VALUE)
    assert conditions([(of_request[0], "*"), (of_request[1], "")]) == []


def test_a_name_in_groups_is_a_condition_for_each():
    found = asked("PatientName", "a*=山*=*")
    assert [condition.parts[0].representation for condition in found] == [0, 1]
