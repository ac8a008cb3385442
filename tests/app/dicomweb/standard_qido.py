"""QIDO-RS request by request: what the standard's paragraph says, and the answer that follows for `STUDIES`.

Each row: the request below /dicom-web, the paragraph, what it says in short, the status, and what is found: the UIDs of
the level that is searched, in order. `WARNED` marks requests whose answer has a Warning header.
"""

from typing import NamedTuple

from pydicom import Dataset

from tests.app.studies import instances, voxels

UID = {"studies": "0020000D", "series": "0020000E", "instances": "00080018"}
WARNED = True


class Row(NamedTuple):
    """One request.

    Attributes:
        warned: Whether the answer warns.
    """

    request: str
    paragraph: str
    says: str
    status: int
    found: list[str]
    warned: bool = False


def _requests(*codes: tuple[str, str]) -> list[Dataset]:
    items = []
    for step, procedure in codes:
        item = Dataset()
        item.ScheduledProcedureStepID, item.RequestedProcedureID = step, procedure
        items.append(item)
    return items


def studies() -> list[bytes]:
    """Three studies: of 2024 with MR and SR, of 2025, of 2026 with a name in two scripts. Two instances a series."""
    pair = voxels()[:2]
    old = {"StudyDate": "20240115", "StudyTime": "080000", "AccessionNumber": "A1", "PatientName": "Grundy^Solomon"}
    mid = {"StudyDate": "20250115", "StudyTime": "120000", "AccessionNumber": "a1", "PatientName": "GRUNDY^Cyrus"}
    new = {"StudyDate": "20260115", "StudyTime": "235900", "PatientName": "Yamada^Tarou=山田^太郎", "StudyID": "S*"}
    two = _requests(("SPS1", "RP1"), ("SPS2", "RP2"))
    return [
        *instances(pair, "2.25.1", "2.25.11", SeriesNumber=1, StudyDescription="Knee MR", **old),
        *instances(pair, "2.25.1", "2.25.12", SeriesNumber=2, Modality="SR", PatientSex="F", **old),
        *instances(pair, "2.25.2", "2.25.21", SeriesNumber=1, RequestAttributesSequence=two, PatientSex="M", **mid),
        *instances(
            pair,
            "2.25.3",
            "2.25.31",
            ContentDate="20260116",
            SpecificCharacterSet="ISO_IR 192",
            PatientID="10%_[x]",
            **new,
        ),
    ]


ALL = ["2.25.3", "2.25.2", "2.25.1"]
OF_STUDY = ["2.25.11", "2.25.12"]
PLAIN = "PS3.18 10.6.1 (resources)"
SINGLE, UIDS, UNIVERSAL = "PS3.4 C.2.2.2.1", "PS3.4 C.2.2.2.2", "PS3.4 C.2.2.2.3"
WILD, RANGES, SEQUENCES = "PS3.4 C.2.2.2.4", "PS3.4 C.2.2.2.5", "PS3.4 C.2.2.2.6"
MATCH, PAGES = "PS3.18 8.3.4.1", "PS3.18 8.3.4.4"

ROWS = [
    Row("studies", PLAIN, "all studies", 200, ALL),
    Row("series", PLAIN, "all series", 200, ["2.25.31", "2.25.21", *OF_STUDY]),
    Row("studies/2.25.1/series", PLAIN, "the series of a study", 200, OF_STUDY),
    Row("studies/2.25.9/series", "PS3.18 10.6.3.1", "no match: 204 and no content", 204, []),
    Row(
        "instances",
        PLAIN,
        "all instances",
        200,
        [f"{s}.{i}" for s in ("2.25.31", "2.25.21", *OF_STUDY) for i in (1, 2)],
    ),
    Row("studies/2.25.1/instances", PLAIN, "of a study", 200, ["2.25.11.1", "2.25.11.2", "2.25.12.1", "2.25.12.2"]),
    Row("studies/2.25.1/series/2.25.12/instances", PLAIN, "of a series", 200, ["2.25.12.1", "2.25.12.2"]),
    Row("studies/no-uid/series", "PS3.18 8.3", "a path that is none: 400", 400, []),
    # Matching keys
    Row("studies?PatientID=MRN-55512", SINGLE, "exactly this value", 200, ["2.25.2", "2.25.1"]),
    Row("studies?00100020=MRN-55512", MATCH, "an attribute by its tag", 200, ["2.25.2", "2.25.1"]),
    Row("studies?PatientID=mrn-55512", SINGLE, "case has a meaning, except in names", 204, []),
    Row("studies?AccessionNumber=a1", SINGLE, "case has a meaning", 200, ["2.25.2"]),
    Row("studies?PatientName=grundy^solomon", SINGLE, "names may match whatever the case is", 200, ["2.25.1"]),
    Row("studies?PatientName=Grundy", SINGLE, "the whole value has to match", 204, []),
    Row(
        "studies?StudyDescription=KNEE*",
        SINGLE,
        "descriptions match whatever the case is (our choice)",
        200,
        ["2.25.1"],
    ),
    Row("studies?StudyInstanceUID=2.25.1,2.25.3", UIDS, "a list of UIDs: one of them", 200, ["2.25.3", "2.25.1"]),
    Row("studies?StudyInstanceUID=2.25.1%5C2.25.3", UIDS, "with backslashes, as in DIMSE", 200, ["2.25.3", "2.25.1"]),
    Row("studies?StudyInstanceUID=2.25.*", WILD, "no wild cards in UIDs", 204, []),
    Row("studies?PatientID=", UNIVERSAL, "zero length: everything", 200, ALL),
    Row("studies?ReferringPhysicianName=*", WILD, "`*` alone is universal matching", 200, ALL),
    Row("studies?PatientName=*solomon", WILD, "`*`: any characters, or none", 200, ["2.25.1"]),
    Row("studies?PatientName=Gr?ndy*", WILD, "`?`: one character", 200, ["2.25.2", "2.25.1"]),
    Row("studies?PatientID=10%25_[x]", WILD, "nothing else is a wild card", 200, ["2.25.3"]),
    Row("studies?PatientID=10%25*", WILD, "nothing else is a wild card", 200, ["2.25.3"]),
    Row("studies?PatientID=MRN_*", WILD, "nothing else is a wild card", 204, []),
    Row("studies?PatientName=山田*", "PS3.4 C.2.2.2.1, PS3.5 6.2.1", "a representation of a name", 200, ["2.25.3"]),
    Row("studies?PatientName=Yamada*=山田*", "PS3.5 6.2.1", "each in its own group", 200, ["2.25.3"]),
    Row("studies?PatientName=山田*=Yamada*", "PS3.5 6.2.1", "and in no other", 204, []),
    Row("studies?ModalitiesInStudy=SR", "PS3.18 table 10.6.1-5", "one of the study's modalities", 200, ["2.25.1"]),
    Row("studies?ModalitiesInStudy=CT,MR", "PS3.18 table 10.6.1-5", "a list (our extension)", 200, ALL),
    Row("studies?StudyDate=20250115", SINGLE, "a day", 200, ["2.25.2"]),
    Row("studies?StudyDate=20250101-", RANGES, "this day and later", 200, ["2.25.3", "2.25.2"]),
    Row("studies?StudyDate=-20250115", RANGES, "this day and earlier", 200, ["2.25.2", "2.25.1"]),
    Row("studies?StudyDate=20240101-20241231", RANGES, "from one to the other", 200, ["2.25.1"]),
    Row("studies?StudyTime=08-12", RANGES, "times, ends included", 200, ["2.25.2", "2.25.1"]),
    Row("studies?StudyDate=abc", MATCH, "a value that is none: 400", 400, []),
    Row("studies?StudyDate=20250115&PatientID=MRN-55512", MATCH, "every key has to match", 200, ["2.25.2"]),
    Row("studies?StudyDate=20250115&AccessionNumber=A1", MATCH, "every key has to match", 204, []),
    Row("series?Modality=SR", "PS3.18 table 10.6.1-6", "a key of series", 200, ["2.25.12"]),
    Row("series?SeriesNumber=02", SINGLE, "a number (PS3.4 leaves open how it is written)", 200, ["2.25.12"]),
    Row("series?PatientName=Grundy^Solomon", "PS3.18 10.6.1.2", "keys of the study, too", 200, OF_STUDY),
    Row("series?RequestAttributesSequence.RequestedProcedureID=RP2", MATCH, "a key in a sequence", 200, ["2.25.21"]),
    Row("series?00400275.00400009=SPS1&00400275.00401001=RP1", SEQUENCES, "in the same item", 200, ["2.25.21"]),
    Row("series?00400275.00400009=SPS1&00400275.00401001=RP2", SEQUENCES, "not in two", 204, []),
    Row(
        "studies/2.25.1/instances?InstanceNumber=2",
        "PS3.18 table 10.6.1-7",
        "a number",
        200,
        ["2.25.11.2", "2.25.12.2"],
    ),
    Row("instances?SOPInstanceUID=2.25.21.2", "PS3.18 table 10.6.1-7", "one instance", 200, ["2.25.21.2"]),
    Row("instances?ContentDate=20260101-", "PS3.18 10.6.1.2", "a key of instances", 200, ["2.25.31.1", "2.25.31.2"]),
    # Paging and other parameters
    Row("studies?limit=2", PAGES, "at most so many; more is told", 200, ["2.25.3", "2.25.2"], WARNED),
    Row("studies?limit=2&offset=2", PAGES, "skip so many", 200, ["2.25.1"]),
    Row("studies?offset=3", PAGES, "beyond the last one: none", 204, []),
    Row("studies?limit=-1", PAGES, "an unsigned number", 400, []),
    Row("studies?fuzzymatching=true&PatientName=Grundi*", "PS3.18 8.3.4.2", "not supported: told", 204, [], WARNED),
    Row("studies?fuzzymatching=false", "PS3.18 8.3.4.2", "nothing to tell", 200, ALL),
    Row("studies?emptyvaluematching=true", "PS3.18 8.3.4.5", "not supported: told", 200, ALL, WARNED),
    Row("studies?multiplevaluematching=true", "PS3.18 8.3.4.6", "not supported: told", 200, ALL, WARNED),
    Row("studies?orderby=StudyDate&_=17", "PS3.18 8.3", "unknown parameters shall be ignored", 200, ALL, WARNED),
    Row("studies?PatientWeight=80", MATCH, "an unsupported key is ignored, and told", 200, ALL, WARNED),
    Row("studies?SOPInstanceUID=2.25.21.2", MATCH, "a key of a lower level is none here", 200, ALL, WARNED),
]
