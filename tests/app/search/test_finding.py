"""What SQL finds is what the oracle finds, in order and page by page, on both databases."""

import random

import pytest
import sqlalchemy
from sqlalchemy import event

from app.search import finding
from app.search.asked import conditions
from app.search.finding import find
from app.store.database import Database, Instance, sqlite_url
from app.store.index.entries import moment
from app.store.index.keys import Level, keys_for
from app.store.index.renewal import enter, renew
from tests.app.postgres import postgresql
from tests.app.search import oracle
from tests.app.search.held import Held, asked, fill, texts_of
from tests.app.search.oracle import tag

pytestmark = pytest.mark.slow

QUERIES = 200


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def held(request, tmp_path_factory):
    if request.param == "sqlite":
        yield fill(Database(sqlite_url(tmp_path_factory.mktemp("held") / "service.db")), seed=1)
    else:
        with postgresql() as url:
            database = Database(url)
            yield fill(database, seed=1)
            database.close()


def uids(found) -> list[tuple[str, ...]]:
    return [(one.study_uid, one.series_uid, one.sop_uid)[: one.level + 1] for one in found]


def asking(level: Level, wanted: dict[str, str]):
    by_name = {key.name: key for key in keys_for(level)}
    return conditions((by_name[name], text) for name, text in wanted.items())


def expected(held: Held, level: Level, wanted: dict[str, str]) -> list[tuple[str, ...]]:
    """The oracle's answer: the newest study first, and in it in the order of arrival."""
    studies = {uids: moment(attributes, 1e9) for uids, attributes in held.objects[Level.STUDY]}
    order = list(studies)
    matching = [one for one, attributes in held.objects[level] if oracle.accepts(wanted, attributes)]
    return sorted(matching, key=lambda one: (studies[one[:1]], order.index(one[:1])), reverse=True)


@pytest.mark.parametrize(
    "few", [pytest.param(0, marks=pytest.mark.slow), 3, pytest.param(2000, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("level", list(Level))
def test_sql_finds_what_the_oracle_finds(held, monkeypatch, level, few):
    """Whether few or many entries match: with `few` 0, entries are always read in order."""
    monkeypatch.setattr(finding, "FEW", few)
    rng, met = random.Random(few), 0
    for _ in range(QUERIES):
        wanted = asked(rng, held, level)
        right = expected(held, level, wanted)
        found = uids(find(held.database, level, asking(level, wanted), 10_000))
        assert sorted(found) == sorted(right), wanted
        assert [one[0] for one in found] == [one[0] for one in right], wanted
        met += 0 < len(right) < len(held.objects[level])
    assert met > QUERIES / 4


@pytest.mark.parametrize("level", list(Level))
def test_pages_make_the_whole(held, level):
    rng = random.Random(7)
    for wanted in ({}, {"StudyDate": "20260101-"}, {"ModalitiesInStudy": "MR"}):
        whole = uids(find(held.database, level, asking(level, wanted), 10_000))
        assert len(set(whole)) == len(whole) == len(expected(held, level, wanted))
        size, pages = rng.randint(1, 7), []
        while page := uids(find(held.database, level, asking(level, wanted), size, len(pages))):
            assert len(page) <= size
            pages += page
        assert pages == whole
    assert find(held.database, level, [], 0) == []


@pytest.mark.parametrize("level", list(Level))
def test_attributes_are_those_of_the_study_and_of_what_is_found(held, level):
    right = dict(held.objects[level])
    for one in find(held.database, level, [], 10_000):
        attributes = right[(one.study_uid, one.series_uid, one.sop_uid)[: level + 1]]
        assert {key: value for key, value in one.attributes.items() if value.get("Value")} == {
            key: attributes[key] for key in one.attributes if attributes[key].get("Value")
        }
        assert (tag("Modality") in one.attributes) <= (level > Level.STUDY)
        assert (tag("Rows") in one.attributes) <= (level > Level.SERIES)


def test_counts_are_those_of_the_rows(held):
    instances = [one for one, _ in held.objects[Level.INSTANCE]]
    for one in find(held.database, Level.STUDY, [], 10_000):
        mine = [each for each in instances if each[0] == one.study_uid]
        assert (one.series, one.instances) == (len({each[1] for each in mine}), len(mine))
    for one in find(held.database, Level.SERIES, [], 10_000):
        assert one.instances == len([each for each in instances if each[1] == one.series_uid])
    assert {one.instances for one in find(held.database, Level.INSTANCE, [], 10_000)} == {1}


REQUIRED = {
    Level.STUDY: (
        *("StudyDate", "StudyTime", "AccessionNumber", "ModalitiesInStudy", "ReferringPhysicianName", "PatientName"),
        *("PatientID", "StudyInstanceUID", "StudyID"),
    ),
    Level.SERIES: (
        *("Modality", "SeriesInstanceUID", "SeriesNumber", "PerformedProcedureStepStartDate"),
        *("PerformedProcedureStepStartTime", "RequestAttributesSequence.ScheduledProcedureStepID"),
        *("RequestAttributesSequence.RequestedProcedureID", "PatientID", "StudyDate"),
    ),
    Level.INSTANCE: ("SOPClassUID", "SOPInstanceUID", "InstanceNumber", "ContentDate", "PatientID", "Modality"),
}


@pytest.mark.parametrize("few", [0, 2000])
@pytest.mark.parametrize(
    ("level", "name"), [(level, name) for level, names in REQUIRED.items() for name in ("", *names)]
)
def test_no_search_by_a_required_key_reads_a_whole_table(held, monkeypatch, level, name, few):
    """By the plans of SQLite: each statement uses an index, or reads studies in order."""
    if held.database._engine.dialect.name != "sqlite":
        pytest.skip("PostgreSQL plans by how many rows there are")
    monkeypatch.setattr(finding, "FEW", few)
    texts = (text for _, attributes in held.objects[level] for text in texts_of(name, attributes))
    known = (
        text for text in texts if text.replace(".", "").isalnum() and (len(text) == 8 or not name.endswith("Date"))
    )
    text = next(known) if name else ""
    statements: list[tuple[str, tuple]] = []

    def note(connection, cursor, statement, parameters, context, many):
        statements.append((statement, parameters))

    event.listen(held.database._engine, "before_cursor_execute", note)
    find(held.database, level, asking(level, {name: text} if name else {}), 20)
    event.remove(held.database._engine, "before_cursor_execute", note)
    with held.database._engine.connect() as connection:
        plans = [
            row[3]
            for statement, parameters in statements
            if statement.startswith("SELECT")
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        ]
    scans = [plan for plan in plans if plan.startswith("SCAN")]
    assert any("instance_entry" in plan or "series_entry" in plan or "study_entry" in plan for plan in plans)
    assert [plan for plan in scans if "ix_study_entry_newest" not in plan] == []


def test_a_pattern_that_would_cost_much_costs_nothing(held):
    for text in ("*a" * 200 + "b", "*?" * 500, "?" * 300, "*" * 2000 + "x", "a" * 3000 + "*"):
        assert find(held.database, Level.STUDY, asking(Level.STUDY, {"PatientID": text}), 10) == []


def test_what_is_deleted_is_no_longer_found(tmp_path):
    held = fill(Database(sqlite_url(tmp_path / "service.db")), seed=2, studies=3)
    with held.database.write() as session:
        session.execute(sqlalchemy.delete(Instance).where(Instance.study_uid == "2.25.2"))
        renew(session, "2.25.2")
    assert {one.study_uid for one in find(held.database, Level.INSTANCE, [], 100)} == {"2.25.1", "2.25.3"}


def test_a_study_without_a_date_counts_from_when_it_came(tmp_path):
    database = Database(sqlite_url(tmp_path / "service.db"))
    for uid, date, stored in (("1", "20260101", 0.0), ("2", None, 1.0), ("3", None, 4e9), ("4", "20260102", 0.0)):
        attributes = {tag("StudyDate"): {"vr": "DA", "Value": [date]}} if date else {}
        with database.write() as session:
            session.add(
                Instance(
                    sop_uid=f"{uid}.1.1",
                    study_uid=uid,
                    series_uid=f"{uid}.1",
                    digest="d",
                    size=1,
                    attributes=attributes,
                    stored=stored,
                )
            )
            enter(session, uid, [f"{uid}.1.1"])
    assert [one.study_uid for one in find(database, Level.STUDY, [], 10)] == ["3", "4", "1", "2"]


@pytest.mark.parametrize(("level", "read"), [(level, "_studies") for level in Level] + [(Level.INSTANCE, "_examples")])
def test_what_another_process_deletes_between_two_selects_is_left_out(held, monkeypatch, level, read):
    """PostgreSQL shows each select what is there at its own time."""
    whole, select = uids(find(held.database, level, [], 10_000)), getattr(finding, read)

    def deleted(*arguments):
        found = select(*arguments)
        del found[min(found)]
        return found

    monkeypatch.setattr(finding, read, deleted)
    left = uids(find(held.database, level, [], 10_000))
    assert left == [one for one in whole if one in set(left)]
    missing = set(whole) - set(left)
    assert len({one[0] for one in missing}) == 1
    assert level == Level.STUDY or len(missing) >= 1
