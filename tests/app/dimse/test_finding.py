"""C-FIND with dcmtk's findscu, and with pynetdicom where the status of each answer matters."""

from types import SimpleNamespace

import pytest
from pydicom.dataset import Dataset
from pynetdicom.ae import ApplicationEntity

from app.dimse.contexts import STUDY_FIND
from app.dimse.finding import Finding
from app.dimse.held import Held
from tests.app.dimse.archive import READER, SENDER
from tests.app.dimse.conftest import YAMADA
from tests.app.partners import run
from tests.app.trail_lines import trail_lines

pytestmark = pytest.mark.slow


def values(found: list[Dataset], keyword: str) -> list[str]:
    return sorted(str(one[keyword].value) for one in found)


@pytest.mark.parametrize(
    ("keys", "uids"),
    [
        ((), ["2.25.1", "2.25.2", "2.25.3", "2.25.4"]),
        (("PatientID=A1",), ["2.25.1", "2.25.2"]),
        (("PatientName=quibble*",), ["2.25.1", "2.25.2", "2.25.4"]),
        (("PatientName=quibble*", "PatientID=A?"), ["2.25.1", "2.25.2"]),
        (("StudyDate=20260101-20260131",), ["2.25.1"]),
        (("StudyDate=-20251231",), ["2.25.3"]),
        (("StudyInstanceUID=2.25.1\\2.25.3",), ["2.25.1", "2.25.3"]),
        (("ModalitiesInStudy=CT",), []),
        (("AccessionNumber=77", "StudyDate=20260105"), ["2.25.1"]),
    ],
)
def test_studies_that_match(archive, keys, uids):
    assert values(archive.find("STUDY", "StudyInstanceUID", *keys), "StudyInstanceUID") == uids


def test_an_answer_has_what_was_asked_for(archive):
    asked = (
        "PatientName",
        "StudyDescription",
        "NumberOfStudyRelatedSeries",
        "NumberOfStudyRelatedInstances",
        "StudyID",
    )
    (found,) = archive.find("STUDY", "StudyInstanceUID=2.25.1", *asked)
    assert found.PatientName == "Quibble^Zebedee"
    assert (found.NumberOfStudyRelatedSeries, found.NumberOfStudyRelatedInstances) == (2, 5)
    assert (found.StudyID, found.StudyDescription) == ("", "")  # asked for, and unknown
    assert (found.QueryRetrieveLevel, found.RetrieveAETitle) == ("STUDY", "CRUCIATE")
    assert "PatientID" not in found
    assert "SpecificCharacterSet" not in found


def test_a_name_outside_ascii_comes_with_its_character_set(archive):
    (found,) = archive.find("STUDY", "StudyInstanceUID=2.25.3", "PatientName")
    assert found.SpecificCharacterSet == "ISO_IR 192"
    assert str(found.PatientName) == YAMADA


def test_series_and_instances(archive):
    found = archive.find("SERIES", "StudyInstanceUID=2.25.1", "SeriesInstanceUID", "NumberOfSeriesRelatedInstances")
    assert [(one.SeriesInstanceUID, one.NumberOfSeriesRelatedInstances) for one in found] == [
        ("2.25.11", 3),
        ("2.25.12", 2),
    ]
    found = archive.find("IMAGE", "SeriesInstanceUID=2.25.12", "SOPInstanceUID", "InstanceNumber", "Rows")
    assert values(found, "SOPInstanceUID") == ["2.25.12.1", "2.25.12.2"]
    assert {(one.Rows, one.QueryRetrieveLevel) for one in found} == {(96, "IMAGE")}


def test_patients_once_each(archive):
    found = archive.find("PATIENT", "PatientID", "PatientName=*", model="-P")
    assert values(found, "PatientID") == ["A1", "B2", "C3"]
    assert values(archive.find("STUDY", "PatientID=A1", "StudyInstanceUID", model="-P"), "StudyInstanceUID") == [
        "2.25.1",
        "2.25.2",
    ]


def test_who_may_only_send_finds_nothing(archive):
    refused = run("findscu", archive.port, SENDER, "-S", "-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID")
    assert refused.returncode != 0
    assert "No Acceptable Presentation Contexts" in refused.stderr + refused.stdout
    assert run("echoscu", archive.port, SENDER).returncode == 0


def statuses(archive, **keys: str) -> list[tuple[int, str]]:
    """Status and comment of each answer."""
    asked = Dataset()
    asked.update(keys)
    entity = ApplicationEntity(READER)
    entity.add_requested_context(STUDY_FIND)
    opened = entity.associate("127.0.0.1", archive.port, ae_title="CRUCIATE")
    assert opened.is_established
    answers = list(opened.send_c_find(asked, STUDY_FIND))
    opened.release()
    return [(status.Status, status.get("ErrorComment", "")) for status, _ in answers]


def test_keys_that_nobody_here_knows_are_told_of(archive):
    one = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": "2.25.1"}
    assert statuses(archive, **one) == [(0xFF00, ""), (0x0000, "")]
    assert statuses(archive, **one, InstitutionName="X") == [(0xFF01, ""), (0x0000, "")]
    assert statuses(archive, **one, SOPInstanceUID="1.2.3") == [(0xFF01, ""), (0x0000, "")]  # of a lower level


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({}, "QueryRetrieveLevel"),
        ({"QueryRetrieveLevel": "ROOM"}, "QueryRetrieveLevel"),
        ({"QueryRetrieveLevel": "STUDY", "StudyDate": "20261"}, "StudyDate must be"),
        ({"QueryRetrieveLevel": "STUDY", "PatientID": "x" * 70_000}, "64 KB"),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")  # pydicom doesn't like these values either
def test_an_identifier_that_asks_for_nothing_that_can_be_answered(archive, keys, said):
    ((status, comment),) = statuses(archive, **{"StudyInstanceUID": ""} | keys)
    assert status == 0xA900
    assert said in comment
    assert "x" * 10 not in comment


def test_a_cancelled_search_ends(archive, tmp_path):
    """Without a network, so that the cancellation comes between two answers."""
    asked = Dataset()
    asked.QueryRetrieveLevel, asked.SOPInstanceUID = "IMAGE", ""
    requestor = SimpleNamespace(primitive=None, address="127.0.0.1")
    event = SimpleNamespace(
        request=SimpleNamespace(Identifier=SimpleNamespace(getbuffer=lambda: memoryview(b""))),
        identifier=asked,
        is_cancelled=False,
        assoc=SimpleNamespace(requestor=requestor),
    )
    answers = Finding(Held(archive.database, archive.instances), "CRUCIATE", tmp_path).find(event)
    assert next(answers)[0] == 0xFF00
    event.is_cancelled = True
    assert list(answers) == [(0xFE00, None)]


def test_searches_are_in_the_audit_trail_without_what_was_searched(archive):
    before = len(trail_lines(archive.data))
    archive.find("STUDY", "PatientID=A1")
    assert trail_lines(archive.data)[before:] == [
        {"what": "C-FIND", "outcome": "0000H", "peer": READER, "address": "127.0.0.1"}
    ]
