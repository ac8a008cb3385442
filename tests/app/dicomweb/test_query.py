"""Matching as PS3.4 C.2.2.2 has it, against values that we know."""

import pytest
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import BadRequest

from app.dicomweb.query import MOST_RESULTS, Query

KEYWORDS = ("PatientName", "PatientID", "StudyDate", "StudyTime", "StudyInstanceUID", "ModalitiesInStudy", "Rows")
STUDY = {
    "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Quibble^Zebedee", "Ideographic": "山田^太郎"}]},
    "00100020": {"vr": "LO", "Value": ["MRN-[5]5512"]},
    "00080020": {"vr": "DA", "Value": ["20260304"]},
    "00080030": {"vr": "TM", "Value": ["101530.25"]},
    "0020000D": {"vr": "UI", "Value": ["2.25.7"]},
    "00080061": {"vr": "CS", "Value": ["MR", "SR"]},
    "00280010": {"vr": "US", "Value": [96]},
}


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, True),
        ({"PatientName": ""}, True),
        ({"PatientName": "*"}, True),
        ({"PatientName": "quibble^zebedee"}, True),
        ({"PatientName": "Quibble"}, False),
        ({"PatientName": "Qu?bble*"}, True),
        ({"PatientName": "山田*"}, True),
        ({"00100010": "Quibble*"}, True),
        ({"PatientID": "mrn-[5]5512"}, False),
        ({"PatientID": "MRN-[5]*"}, True),
        ({"PatientID": "MRN-5*"}, False),
        ({"StudyDate": "20260304"}, True),
        ({"StudyDate": "20260305"}, False),
        ({"StudyDate": "20260301-20260304"}, True),
        ({"StudyDate": "20260305-"}, False),
        ({"StudyDate": "-20260304"}, True),
        ({"StudyDate": "-20260303"}, False),
        ({"StudyTime": "10-1015"}, True),
        ({"StudyTime": "1016-"}, False),
        ({"StudyInstanceUID": "2.25.7"}, True),
        ({"StudyInstanceUID": "2.25.8,2.25.7"}, True),
        ({"StudyInstanceUID": "2.25.8\\2.25.7"}, True),
        ({"StudyInstanceUID": "2.25.*"}, False),
        ({"ModalitiesInStudy": "SR"}, True),
        ({"ModalitiesInStudy": "CT"}, False),
        ({"Rows": "96"}, True),
        ({"PatientName": "Quibble*", "StudyDate": "2027-"}, False),
        ({"PatientName": "*a" * 200 + "b"}, False),
    ],
)
def test_keys_match_as_the_standard_says(asked, expected):
    assert Query.parse(MultiDict(asked), KEYWORDS).accepts(STUDY) is expected


def test_what_an_object_lacks_matches_nothing():
    assert not Query.parse(MultiDict({"PatientID": "*"}), KEYWORDS).accepts({})


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"PatientSex": "M"}, "PatientSex"),
        ({"00100040": "M", "PatientAge": "040Y"}, "00100040, PatientAge"),
        ({"00081115.00080060": "MR"}, "00081115.00080060"),
        ({"ReferencedSeriesSequence.Modality": "MR"}, "ReferencedSeriesSequence.Modality"),
        ({"orderby": "-StudyDate"}, "1 other"),
        ({"_": "1699999999", "accept": "application/dicom+json", "PatientSex": ""}, "PatientSex, 2 others"),
        ({"Quibble^Zebedee": '"; x'}, "1 other"),
        ({"00112233.x": "1"}, "1 other"),
        ({"": "1"}, "1 other"),
    ],
)
def test_what_is_not_supported_is_ignored_and_told(asked, told):
    query = Query.parse(MultiDict(asked | {"StudyDate": "20260304"}), KEYWORDS)
    assert list(query.matches) == ["00080020"]
    assert query.warnings == (f"Ignored, because they are not supported here: {told}.",)


@pytest.mark.parametrize("name", ["fuzzymatching", "emptyvaluematching", "multiplevaluematching"])
def test_only_who_asks_for_a_kind_of_matching_is_told_that_there_is_none(name):
    (warning,) = Query.parse(MultiDict({name: "true"}), KEYWORDS).warnings
    assert warning.startswith(f"The {name} parameter is not supported.")
    assert not Query.parse(MultiDict({name: "false"}), KEYWORDS).warnings


@pytest.mark.parametrize(
    "asked", [{"limit": "-1"}, {"offset": "x"}, {"limit": ""}, {"limit": "1.5"}, {"limit": "9" * 99}, {"offset": "-0"}]
)
def test_a_supported_parameter_must_make_sense(asked):
    with pytest.raises(BadRequest):
        Query.parse(MultiDict(asked), KEYWORDS)


def test_paging_is_limited_and_the_fields_to_include_are_no_keys():
    query = Query.parse(MultiDict({"limit": "999999", "offset": "3", "includefield": "all"}), KEYWORDS)
    assert (query.limit, query.offset, query.matches) == (MOST_RESULTS, 3, {})


def test_a_single_uid_is_known_for_the_database():
    assert Query.parse(MultiDict({"0020000D": "2.25.7"}), KEYWORDS).uids == {"StudyInstanceUID": "2.25.7"}
    assert Query.parse(MultiDict({"StudyInstanceUID": "2.25.7,2.25.8"}), KEYWORDS).uids == {}
