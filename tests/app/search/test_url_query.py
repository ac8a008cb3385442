"""A URL's query becomes conditions, paging, attributes to return, and warnings."""

import pytest
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import BadRequest

from app.search.url_query import MOST_FIELDS, MOST_RESULTS, Query, parameters
from app.store.index.keys import Level


def parse(asked, level: Level = Level.STUDY, path=None) -> Query:
    return Query.parse(MultiDict(asked), level, path)


def names(query: Query) -> list[str]:
    return [condition.parts[0].key.name for condition in query.conditions]


@pytest.mark.parametrize("name", ["StudyDate", "00080020"])
def test_a_key_is_named_by_keyword_or_tag(name):
    assert names(parse({name: "20260304"})) == ["StudyDate"]


@pytest.mark.parametrize("name", ["RequestAttributesSequence.RequestedProcedureID", "00400275.00401001"])
def test_a_key_in_a_sequence_is_named_by_its_way(name):
    assert names(parse({name: "R"}, Level.SERIES)) == ["RequestAttributesSequence.RequestedProcedureID"]


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"PatientAge": "040Y"}, "PatientAge"),
        ({"Modality": "MR"}, "Modality"),
        ({"00100040x": "M", "PatientAge": "040Y"}, "PatientAge, 1 other"),
        ({"00081115.00080060": "MR"}, "00081115.00080060"),
        ({"ReferencedSeriesSequence.Modality": "MR"}, "ReferencedSeriesSequence.Modality"),
        ({"orderby": "-StudyDate"}, "1 other"),
        ({"_": "1699999999", "accept": "application/dicom+json", "PatientAge": ""}, "PatientAge, 2 others"),
        ({"Quibble^Zebedee": '"; x'}, "1 other"),
        ({"00112233.x": "1"}, "1 other"),
        ({"": "1"}, "1 other"),
        ({"includefield": "Grumpus"}, "includefield"),
    ],
)
def test_what_is_not_supported_is_ignored_and_told(asked, told):
    query = parse(asked | {"StudyDate": "20260304"})
    assert names(query) == ["StudyDate"]
    assert query.warnings == (f"Ignored, because they are not supported here: {told}.",)


@pytest.mark.parametrize("name", ["fuzzymatching", "emptyvaluematching", "multiplevaluematching"])
def test_only_who_asks_for_a_kind_of_matching_is_told_that_there_is_none(name):
    (warning,) = parse({name: "true"}).warnings
    assert warning.startswith(f"The {name} parameter is not supported.")
    assert not parse({name: "false"}).warnings


@pytest.mark.parametrize(
    "asked",
    [
        *({"limit": "-1"}, {"offset": "x"}, {"limit": ""}, {"limit": "1.5"}, {"limit": "9" * 99}, {"offset": "-0"}),
        *({"fuzzymatching": "maybe"}, {"emptyvaluematching": ""}, {"multiplevaluematching": "1"}),
        {"StudyDate": "abc"},
        [("PatientID", "A"), ("PatientID", "B")],
        {"includefield": ",".join(["StudyDate"] * (MOST_FIELDS + 1))},
    ],
)
def test_a_supported_parameter_must_make_sense(asked):
    with pytest.raises(BadRequest):
        parse(asked)


def test_a_list_may_be_repeated():
    (one,) = parse([("ModalitiesInStudy", "CT"), ("ModalitiesInStudy", "MR")]).conditions
    assert one.parts[0].key.name == "ModalitiesInStudy"
    assert names(parse([("StudyInstanceUID", "1.2"), ("0020000D", "1.3")])) == ["StudyInstanceUID"]


def test_a_uid_of_the_path_and_one_of_the_query_must_both_match():
    query = parse({"StudyInstanceUID": "1.2"}, Level.SERIES, {"StudyInstanceUID": "1.3"})
    assert names(query) == ["StudyInstanceUID"] * 2
    assert names(parse({}, Level.SERIES, {"StudyInstanceUID": None})) == []


def test_paging_is_limited():
    query = parse({"limit": "999999", "offset": "3"})
    assert (query.limit, query.offset, query.conditions) == (MOST_RESULTS, 3, ())


def test_attributes_to_return_are_named_by_keyword_or_tag_in_one_parameter_or_several():
    query = parse([("includefield", "InstitutionName, 00080060"), ("includefield", "00080080,00091001")])
    assert (query.included, query.everything) == (("00080080", "00080060", "00091001"), False)
    assert parse({"includefield": "all"}).everything


def test_the_document_names_every_key():
    (keys, *_) = parameters(Level.SERIES)
    description = keys["schema"]["description"]
    assert "RequestAttributesSequence.ScheduledProcedureStepID" in description
    assert "PatientName" in description
    assert "SOPClassUID" not in description
