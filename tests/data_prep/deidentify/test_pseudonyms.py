"""Replacements are always the same for one key, and others for another key."""

from datetime import date

import pytest

from data_prep.deidentify.pseudonyms import FEWEST_DAYS, MOST_DAYS, Pseudonyms, moved
from data_prep.dicom.part10 import is_uid

ONE, OTHER = Pseudonyms(b"k" * 32), Pseudonyms(b"l" * 32)


def test_a_uid_has_one_other_uid_for_each_key():
    assert is_uid(ONE.uid("1.2.3"))
    assert ONE.uid("1.2.3") == Pseudonyms(b"k" * 32).uid("1.2.3")
    assert len({ONE.uid("1.2.3"), ONE.uid("1.2.4"), OTHER.uid("1.2.3"), "1.2.3"}) == 4
    assert Pseudonyms(b"k" * 32, retain_uids=True).uid("1.2.3") == "1.2.3"
    assert ONE.uid("Quibble") == ONE.uid("") == Pseudonyms(b"", retain_uids=True).uid("Quibble") == ""


def test_a_patient_has_one_pseudonym_and_nobody_has_none():
    assert ONE.patient("mrn-55512") == ONE.patient("mrn-55512")
    assert len({ONE.patient("mrn-55512"), ONE.patient("mrn-55513"), OTHER.patient("mrn-55512")}) == 3
    assert ONE.patient("") == ""


def test_the_key_is_not_shown():
    assert "kkk" not in repr(ONE)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("20260105", "20260104"),
        ("2026.01.01", "20251231"),
        ("20260105103000.5+0100", "20260104103000.5+0100"),
        ("20260105Quibble", ""),
        ("20261399", ""),
        ("00010101", ""),
        ("19610304-19610305", ""),
        ("Quibble", ""),
        ("", ""),
    ],
)
def test_a_date_is_moved_and_what_is_no_date_is_dropped(sent, kept):
    assert moved(sent, 1) == kept


def test_dates_of_one_study_keep_their_distance():
    days = ONE.days("1.2.3")
    assert FEWEST_DAYS <= days <= MOST_DAYS
    assert days == ONE.days("1.2.3") != ONE.days("1.2.4")
    first, second = (date.fromisoformat(moved(day, days)) for day in ("20240228", "20240301"))
    assert (second - first).days == 2
