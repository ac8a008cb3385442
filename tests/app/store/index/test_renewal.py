"""Entries are those of the rows, whatever happens to the rows."""

import random

import pytest
from sqlalchemy import delete, func, insert, select, update

from app.store.database import Database, Instance, sqlite_url
from app.store.index.renewal import enter, renew, renew_wholly, wrong
from app.store.index.tables import FURTHER, INSTANCE, SERIES, STUDY

STUDY_UID = "2.25.1"


def row(series: int, number: int, study: str = STUDY_UID, ours: bool = False, **attributes) -> Instance:
    elements = {key[1:]: {"vr": "LO", "Value": value} for key, value in attributes.items()}
    uid = f"{study}.{series}"
    return Instance(
        sop_uid=f"{uid}.{number}",
        study_uid=study,
        series_uid=uid,
        digest="d",
        size=1,
        attributes=elements,
        ours=ours,
        stored=9.0,
    )


@pytest.fixture
def database(tmp_path) -> Database:
    return Database(sqlite_url(tmp_path / "service.db"))


def add(database: Database, *rows: Instance) -> None:
    with database.write() as session:
        session.add_all(rows)
        for study in {one.study_uid for one in rows}:
            enter(session, study, [one.sop_uid for one in rows if one.study_uid == study])


def contents(database: Database) -> dict[str, list[tuple]]:
    """Every table without its ids, which differ with the order in which rows came."""
    with database.read() as session:
        owners = {
            "study": dict(session.execute(select(STUDY.c.id, STUDY.c.uid)).all()),
            "series": dict(session.execute(select(SERIES.c.id, SERIES.c.uid)).all()),
            "instance": dict(session.execute(select(INSTANCE.c.id, INSTANCE.c.uid)).all()),
        }
        found = {
            "study": [tuple(one._mapping.values())[1:] for one in session.execute(select(STUDY))],
            "series": [tuple(one._mapping.values())[2:] for one in session.execute(select(SERIES))],
            "instance": [tuple(one._mapping.values())[2:] for one in session.execute(select(INSTANCE))],
        }
        further = [(one.key, one.place, one.value) for one in session.execute(select(FURTHER))]
    return {name: sorted(map(repr, rows)) for name, rows in (found | {"further": further}).items()} | {
        "owners": [sorted(one.values()) for one in owners.values()]
    }


def afresh(database: Database, tmp_path) -> dict[str, list[tuple]]:
    """The same of a database that got the same rows at once."""
    other = Database(sqlite_url(tmp_path / f"other-{random.random()}.db"))
    with database.read() as session:
        rows = [
            {column.name: getattr(one, column.name) for column in Instance.__table__.columns}
            for one in session.scalars(select(Instance))
        ]
    with other.write() as session:
        if rows:
            session.execute(insert(Instance), rows)
        for study in {one["study_uid"] for one in rows}:
            renew(session, study)
    return contents(other)


def test_whatever_happens_entries_are_those_of_the_rows(database, tmp_path):
    rng = random.Random(5)
    present: set[str] = set()
    for _ in range(60):
        series, number, study = rng.randint(1, 3), rng.randint(1, 4), f"2.25.{rng.randint(1, 2)}"
        new = row(
            series,
            number,
            study,
            rng.random() < 0.3,
            _00081030=[rng.choice("AB")],
            _00080060=rng.sample(["MR", "SR", "OT"], 2),
        )
        if new.sop_uid not in present and rng.random() < 0.7:
            present.add(new.sop_uid)
            add(database, new)
        else:
            gone = {uid for uid in present if uid.startswith(f"{study}.{series}.")}
            present -= gone
            with database.write() as session:
                session.execute(delete(Instance).where(Instance.sop_uid.in_(gone)))
                renew(session, study)
        with database.read() as session:
            assert wrong(session) == []
    assert present
    assert contents(database) == afresh(database, tmp_path)


def test_the_last_instance_takes_its_study_with_it(database):
    add(database, row(1, 1, _00080060=["MR", "SR"]))
    with database.write() as session:
        session.execute(delete(Instance))
        renew(session, STUDY_UID)
    with database.read() as session:
        counts = [
            session.scalar(select(func.count()).select_from(table)) for table in (STUDY, SERIES, INSTANCE, FURTHER)
        ]
    assert counts == [0, 0, 0, 0]


def test_a_missing_renewal_is_noticed_and_made_up_for(database):
    add(database, row(1, 1), row(1, 2), row(2, 1, "2.25.2"))
    with database.write() as session:
        session.execute(delete(Instance).where(Instance.sop_uid == f"{STUDY_UID}.1.2"))
        session.add(row(5, 1, "2.25.3"))
        session.flush()
        assert wrong(session) == [STUDY_UID, "2.25.3"]
        for uid in wrong(session):
            renew(session, uid)
        assert wrong(session) == []


def test_attributes_that_have_changed_are_taken_over(database, tmp_path):
    add(database, row(1, 1, _00080060=["MR"]), row(1, 2, _00080060=["MR"], _00280010=["1"]))
    with database.write() as session:
        session.execute(update(Instance).values(attributes={"00280010": {"vr": "US", "Value": [7]}}))
        renew_wholly(session, STUDY_UID)
        assert set(session.scalars(select(INSTANCE.c.rows))) == {"7"}
    assert contents(database) == afresh(database, tmp_path)


def test_an_undated_study_keeps_its_moment_when_more_comes(database):
    add(database, row(1, 2))
    later = row(1, 1)
    later.stored = 1e9
    add(database, later)
    with database.read() as session:
        assert session.scalars(select(STUDY.c.moment)).all() == ["19700101000009.000000"]
