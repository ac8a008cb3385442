"""Values as the tables hold them: equal where DICOM says so, and only there."""

import re
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.store.index.keys import Level, keys_for
from app.store.index.values import LONGEST, folded, plain, values_of

BY_NAME = {key.name: key for key in keys_for(Level.INSTANCE)}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("MÜLLER^JÖRG", "müller^jörg"),
        ("ЖУКОВ", "жуков"),
        ("ΣΟΦΌΣ", "σοφός"),
        ("İbrahim", "IBRAHIM"),
        ("Işık", "isik".replace("s", "ş")),
        ("STRAẞE", "straße"),
        ("ｱB", "ｱb"),
        ("e\u0301", "É"),
        ("Grundy^Solomon^^", "grundy^solomon"),
        (" a ", "A"),
    ],
)
def test_names_that_differ_in_case_only_are_equal(one, other):
    assert folded(one) == folded(other)


@pytest.mark.parametrize(("one", "other"), [("ss", "ß"), ("a", "á"), ("山", "川"), ("a b", "ab"), ("^a", "a")])
def test_others_are_not(one, other):
    assert folded(one) != folded(other)


@given(st.text(max_size=30))
@settings(max_examples=60)
def test_each_character_stays_one(text):
    assert len("".join(map(folded, text.strip("^ ")))) <= len(text)
    assert len(folded(f"x{text}x")) == len(plain(f"x{text}x"))
    assert folded(folded(text)) == folded(text)


def test_folding_is_that_of_regular_expressions():
    """Every letter is equal to its folded form for `re.IGNORECASE`, too, by which names were matched before."""
    wrong = []
    for number in range(0x20, sys.maxunicode):
        character = chr(number)
        if character.casefold() == character == character.upper():
            continue
        form = folded(character)
        is_another = character == plain(character) and form not in (character, "\ufffd", "")
        if is_another and re.fullmatch(re.escape(form), character, re.IGNORECASE) is None:
            wrong.append(character)
    assert wrong == []


@given(st.text(max_size=30))
@settings(max_examples=60)
def test_every_value_can_be_stored(text):
    """PostgreSQL stores no NUL, and neither database halves of characters."""
    for one in (plain(text), folded(text)):
        assert "\0" not in one
        one.encode()
    assert plain("\ud800\0\U0010ffff") == "\ufffd" * 3


@pytest.mark.parametrize(
    ("name", "element", "values"),
    [
        ("PatientID", {"vr": "LO", "Value": ["A", "B"]}, {0: "A", 1: "B"}),
        ("PatientID", {"vr": "LO", "Value": [None, " B "]}, {1: "B"}),
        ("PatientID", {"vr": "LO"}, {}),
        ("PatientID", {"vr": "UN", "InlineBinary": "QQ=="}, {}),
        ("PatientID", {"vr": "LO", "Value": ["x" * LONGEST]}, {0: "x" * LONGEST}),
        ("PatientID", {"vr": "LO", "Value": ["x" * (LONGEST + 1)]}, {}),
        ("PatientName", {"vr": "PN", "Value": [{"Alphabetic": "A^B", "Phonetic": "C"}]}, {0: "a^b", 2: "c"}),
        ("PatientName", {"vr": "PN", "Value": [{"Ideographic": "山田"}, {"Alphabetic": "A"}]}, {1: "山田", 3: "a"}),
        ("PatientName", {"vr": "PN", "Value": [None]}, {}),
        ("PatientName", {"vr": "LO", "Value": ["A"]}, {0: "a"}),
        ("Rows", {"vr": "US", "Value": [96]}, {0: "96"}),
        ("StudyDescription", {"vr": "LO", "Value": ["Knee"]}, {0: "knee"}),
    ],
)
def test_values_have_their_places(name, element, values):
    key = BY_NAME[name]
    assert values_of(key, {key.tags: element}) == values


def test_items_of_a_sequence_have_theirs():
    key = BY_NAME["RequestAttributesSequence.RequestedProcedureID"]
    items = [{"00400009": {"vr": "SH", "Value": ["Q"]}}, {"00401001": {"vr": "SH", "Value": ["R"]}}, None]
    assert values_of(key, {"00400275": {"vr": "SQ", "Value": items}}) == {1: "R"}
