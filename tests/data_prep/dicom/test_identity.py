"""One patient or two: what software does to IDs and names makes no second patient, and a second one isn't missed."""

import pytest
from pydicom.dataset import Dataset

from data_prep.dicom.identity import fewest_patients, identity
from data_prep.errors import UnsuitableStudy
from data_prep.selection.series import load_study
from tests.data_prep.dicom_factory import make_series, named


def who(patient_id: str | None = None, name: str | None = None, charset: str | None = None):
    dataset = Dataset()
    if charset:
        dataset.SpecificCharacterSet = charset
    for keyword, value in (("PatientID", patient_id), ("PatientName", name)):
        if value is not None:
            setattr(dataset, keyword, value)
    return identity(dataset)


@pytest.mark.parametrize(
    "patients",
    [
        [("123", "Made^Up"), ("", "Made^Up"), (None, "MADE^UP^^")],
        [("123", "Made^Up"), ("123", "Other^Name"), ("", "Other^Name")],
        [("123", "Made^Up"), ("", ""), (None, None)],
        [("", "Made^Up"), ("", "made up"), (None, "Made^Up ")],
        [("abc ", ""), ("ABC", None)],
        [("1", "Yamada^Tarou=山田^太郎"), ("", "Yamada^Tarou"), ("", "=山田^太郎")],
        [("", "Yamada^Tarou"), ("", "=山田^太郎")],
        [("", "Ｍade^Up"), ("", "Made^Up")],
        [],
    ],
)
def test_one_patient(patients):
    assert fewest_patients(who(*patient) for patient in patients) == 1


@pytest.mark.parametrize(
    "patients",
    [
        [("123", "Made^Up"), ("124", "Made^Up")],
        [("123", ""), ("0123", "")],
        [("123", "Made^Up"), ("", "Somebody^Else")],
        [("", "Made^Up"), ("", "Somebody^Else")],
        [("123", "Made^Up"), (None, "Made^Down"), ("", "")],
        [("", "A^B=山田^太郎"), ("", "C^D=山本^太郎")],
    ],
)
def test_two_patients(patients):
    assert fewest_patients(who(*patient) for patient in patients) == 2


def test_a_name_is_compared_in_whatever_character_set_it_came():
    latin, unicode = who(None, "Müller^Jörg", "ISO_IR 100"), who(None, "MÜLLER^JÖRG", "ISO_IR 192")
    assert fewest_patients([latin, unicode]) == 1


def test_nothing_of_a_patient_is_printed():
    assert "Made" not in repr(who("123", "Made^Up"))
    assert "123" not in repr(who("123", "Made^Up"))


def test_a_study_is_refused_only_where_two_patients_are_named():
    scanned = make_series(10, PatientName="Made^Up")
    for attributes in ({"PatientID": ""}, {"PatientID": None}, {"PatientID": "", "PatientName": "MADE^UP"}):
        derived = make_series(2, series=2, **{"PatientName": "Made^Up"} | attributes)
        assert load_study(named(scanned + derived)).volume.series_uid == "2.25.77.1"
    with pytest.raises(UnsuitableStudy, match="at least 2 patients") as caught:
        load_study(named(scanned + make_series(2, series=2, PatientID="", PatientName="Somebody^Else")))
    assert "Somebody" not in str(caught.value)
