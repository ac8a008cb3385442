"""A file that a client sent is read by a process, and what that says is believed only if it can be right."""

import io
import json
import struct

import pytest
from pydantic import TypeAdapter

from app.apart.pool import Pool
from app.store.files import sent_file
from app.store.files.instance_file import Failure, Refusal, checked
from app.store.files.sent_file import MOST_BROKEN, Facts, Reader, Said, own
from data_prep.dicom.budget import Taken
from tests.app.attacks import with_elements
from tests.app.studies import instances, voxels

FILE = instances(voxels())[0]
DESCRIPTION = "00081030"


@pytest.fixture
def reader(tmp_path) -> Reader:
    return Reader(None, None, tmp_path)


def test_a_file_is_read_in_another_process(reader, monkeypatch):
    monkeypatch.setattr(sent_file, "checked", None)  # here
    arrived = reader.read(FILE)
    with arrived.stream:
        assert arrived.sent is arrived.kept
        assert arrived.kept == Facts.of(checked(io.BytesIO(FILE), None, {}))
        arrived.stream.seek(0)
        assert arrived.stream.read() == FILE


def test_a_file_of_another_study_is_refused_with_its_uids(tmp_path):
    with pytest.raises(Refusal, match="another study") as refused:
        Reader("2.25.404", None, tmp_path).read(FILE)
    assert refused.value.reason is Failure.OTHER_STUDY
    assert refused.value.sop_instance_uid


def test_limits_are_those_of_all_files_of_a_request(reader):
    reader.read(FILE).stream.close()
    (sent, _, elements), again = reader._taken
    assert (sent, again) == (len(FILE), (0, 0, 0))
    assert elements > 20
    reader._taken = Taken(1 << 30, 0, 2_000_000 - elements + 1), Taken()
    with pytest.raises(Refusal, match="more than 2,000,000 data elements") as refused:
        reader.read(FILE)
    assert refused.value.reason is Failure.RESOURCES


def test_when_some_files_of_a_request_have_taken_too_much_the_others_are_not_read(reader, monkeypatch):
    hasty = Pool(seconds=1e-6, preload="app.store.files.sent_file", what="Reading its header", advice="", copied=False)
    monkeypatch.setattr(sent_file, "READERS", hasty)
    for _ in range(MOST_BROKEN):
        with pytest.raises(Refusal, match=r"Reading its header takes more than 1e-06 s\.") as refused:
            reader.read(FILE)
        assert refused.value.reason is Failure.RESOURCES
    monkeypatch.setattr(sent_file, "READERS", None)
    with pytest.raises(Refusal, match="Send this one again without") as refused:
        reader.read(FILE)
    assert refused.value.reason is Failure.RESOURCES


def test_a_sequence_in_place_of_a_text_is_no_attribute_of_a_search():
    item = struct.pack("<HHI", 0xFFFE, 0xE000, 8) + struct.pack("<HH2sH", 0x0008, 0x1030, b"LO", 0)
    odd = struct.pack("<HH2sHI", 0x0008, 0x1030, b"SQ", 0, len(item)) + item
    attributes = own(with_elements(FILE, odd, 0x0009)).kept.attributes
    assert DESCRIPTION not in attributes
    assert "00100020" in attributes


GOOD = json.loads(Said(taken=((0, 0, 0), (0, 0, 0)), sent=own(FILE).kept).model_dump_json(exclude_none=True))
LIES: dict[str, dict[str, object]] = {
    "less than nothing": {"taken": [[0, 0, -1], [0, 0, 0]]},
    "a path as a UID": {"study_uid": "../../etc"},
    "no UID": {"sop_instance_uid": ""},
    "a long UID": {"series_uid": "1" * 65},
    "a data set before its file": {"start": 0},
    "a data set far behind": {"start": 1 << 40},
    "an object as a value": {"attributes": {DESCRIPTION: {"vr": "LO", "Value": [{"a": {}}]}}},
    "a list as a value": {"attributes": {DESCRIPTION: {"vr": "LO", "Value": [["a"]]}}},
    "a number as a name's part": {"attributes": {"00100010": {"vr": "PN", "Value": [{"Alphabetic": 1}]}}},
    "no tag": {"attributes": {"StudyDescription": {"vr": "LO"}}},
    "no VR": {"attributes": {DESCRIPTION: {"Value": ["a"]}}},
    "more": {"attributes": {DESCRIPTION: {"vr": "LO", "more": 1}}},
    "a very long text": {"attributes": {DESCRIPTION: {"vr": "LT", "Value": ["a" * 2000]}}},
}


def test_what_can_be_right_is_believed():
    said = TypeAdapter(Said).validate_json(json.dumps(GOOD))
    assert said.sent == own(FILE).kept
    assert said.sent.attributes["00100020"] == GOOD["sent"]["attributes"]["00100020"]


@pytest.mark.parametrize("lie", LIES)
def test_what_cannot_be_right_is_not_believed(lie):
    changed = GOOD | {key: value for key, value in LIES[lie].items() if key == "taken"}
    changed["sent"] = GOOD["sent"] | {key: value for key, value in LIES[lie].items() if key != "taken"}
    with pytest.raises(ValueError, match="validation error"):
        TypeAdapter(Said).validate_json(json.dumps(changed))


def test_a_process_that_says_nothing_of_a_file_breaks_one_file_only(reader, monkeypatch):
    said = Said(taken=((0, 0, 0), (0, 0, 0)))
    monkeypatch.setattr(sent_file.READERS, "call", lambda *_, **__: said)
    with pytest.raises(Refusal, match="breaks the process"):
        reader.read(FILE)
