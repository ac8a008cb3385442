"""Finds studies, series and instances, the newest study first, in SQL.

The order is that of `entries.moment`: a study's date and time; of two at the same time, the one that came later is the
first. In a study, series and instances follow in the order in which they came. Pages stay as they are while no newer
study comes.

How a search stays fast, however many studies there are: UIDs, or else a condition that few entries meet, are looked up
by an index, and what is found is sorted. If many meet each of them, entries are read in order until the page is full.
So a database has nothing to plan: SQLite doesn't know how often a value occurs.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, select, true
from sqlalchemy.orm import Session

from app.contract.json_text import Json
from app.search.asked import Condition
from app.search.sql import Checked
from app.store.database import Database, batched
from app.store.database import Instance as InstanceRow
from app.store.index.entries import only
from app.store.index.keys import INSTANCE as OF_INSTANCE
from app.store.index.keys import PATIENT_AND_STUDY, Level
from app.store.index.keys import SERIES as OF_SERIES
from app.store.index.tables import ENTRIES, INSTANCE, SERIES, STUDY

# Entries that are looked up and sorted. If there are more, a page is soon full when entries are read in order.
FEW = 2000
# What is read of the entries of a page.
COLUMNS = {
    Level.STUDY: (STUDY.c.id, STUDY.c.uid, STUDY.c.example, STUDY.c.series, STUDY.c.instances),
    Level.SERIES: (SERIES.c.uid, SERIES.c.example, SERIES.c.instances),
    Level.INSTANCE: (INSTANCE.c.uid,),
}


@dataclass(frozen=True)
class Found:
    """A study, series or instance.

    Attributes:
        level: What it is.
        study_uid: Its study.
        series_uid: Its series; empty for a study.
        sop_uid: Its own SOPInstanceUID; for a study or a series that of an instance whose attributes stand for it.
        attributes: What the service keeps of its level and the levels above, as DICOM JSON.
        series: How many series its study has.
        instances: How many instances the study or the series has; 1 for an instance.
    """

    level: Level
    study_uid: str
    series_uid: str
    sop_uid: str
    attributes: Json
    series: int
    instances: int


def find(database: Database, level: Level, conditions: Sequence[Condition], limit: int, offset: int = 0) -> list[Found]:
    """The studies, series or instances that meet every condition, the newest study first.

    Args:
        database: Lists them.
        level: What is wanted.
        conditions: From `asked.conditions`: of this level and the levels above.
        limit: The most that are returned. All are in memory at once.
        offset: How many are skipped.
    """
    with database.read() as session:
        if limit < 1:
            return []
        statement = _statement(session, level, conditions).limit(limit).offset(offset)
        rows = session.execute(statement).all()
        return list(_found(session, level, [tuple(row) for row in rows]))


def _statement(session: Session, level: Level, conditions: Sequence[Condition]) -> Select[Any]:
    """A select of the columns of what is found."""
    driver, looked_up = _driver(session, conditions)
    columns = [column for each in Level if each <= level for column in COLUMNS[each]]
    statement = select(*columns).where(
        looked_up,
        *_joins(level, driver.level if driver else Level.STUDY),
        *(one.check() for one in conditions if one is not driver),
    )
    newest: ColumnElement[str] = Checked(STUDY.c.moment) if driver else STUDY.c.moment
    within = (ENTRIES[each].c.id for each in (Level.SERIES, Level.INSTANCE) if each <= level)
    return statement.order_by(newest.desc(), STUDY.c.id.desc(), *within)


def _driver(session: Session, conditions: Sequence[Condition]) -> tuple[Condition | None, ColumnElement[bool]]:
    """The condition that few entries meet, and how to look these up; None if many meet each."""
    for condition in sorted(conditions, key=lambda one: (one.effort, -one.level)):
        if condition.names_entries:
            return condition, condition.first()
        few = _few(session, condition)
        if few is not None:
            return condition, ENTRIES[condition.level].c.id.in_(sorted(few))
    return None, true()


def _few(session: Session, condition: Condition) -> set[int] | None:
    """The ids of the entries that meet a condition; None if they are more than `FEW`."""
    ids = session.scalars(condition.candidates().limit(FEW + 1)).all()
    return set(ids) if len(ids) <= FEW else None


def _joins(level: Level, outermost: Level) -> Iterator[ColumnElement[bool]]:
    """From the level that is read first to the other ones. `Checked` lets SQLite go in no other direction."""
    for lower, upper, reference in (
        (Level.SERIES, STUDY.c.id, SERIES.c.study_id),
        (Level.INSTANCE, SERIES.c.id, INSTANCE.c.series_id),
    ):
        if lower <= level:
            yield reference == Checked(upper) if outermost < lower else upper == Checked(reference)


def _found(session: Session, level: Level, rows: Sequence[tuple[Any, ...]]) -> Iterator[Found]:
    """What was found, with its attributes; without what was deleted meanwhile."""
    studies = _studies(session, {row[0] for row in rows})
    uids = {uid for row in rows for uid in (row[6], _example(level, row))} if level > Level.STUDY else set[str]()
    examples = _examples(session, sorted(uids))
    for row in rows:
        (study_id, study_uid, _, series, instances), below = row[:5], row[5:]
        example = _example(level, row)
        if study_id not in studies or (level > Level.STUDY and not {example, below[1]} <= examples.keys()):
            continue
        attributes = studies[study_id]
        if level > Level.STUDY:
            of_series = only(OF_SERIES, examples[below[1]])
            own = only(OF_INSTANCE, examples[example]) if level > Level.SERIES else {}
            attributes = own | of_series | only(PATIENT_AND_STUDY, attributes)
            instances = below[2] if level == Level.SERIES else 1
        yield Found(level, study_uid, below[0] if below else "", example, attributes, series, instances)


def _example(level: Level, row: tuple[Any, ...]) -> str:
    return str((row[2], row[6] if level > Level.STUDY else "", row[-1])[level])


def _studies(session: Session, ids: Iterable[int]) -> dict[int, Json]:
    """The attributes of studies."""
    found: dict[int, Json] = {}
    for batch in batched(sorted(ids)):
        found |= session.execute(select(STUDY.c.id, STUDY.c.attributes).where(STUDY.c.id.in_(batch))).all()
    return found


def _examples(session: Session, uids: Sequence[str]) -> dict[str, Json]:
    """The attributes of instances."""
    found: dict[str, Json] = {}
    for batch in batched(uids):
        columns = select(InstanceRow.sop_uid, InstanceRow.attributes)
        found |= session.execute(columns.where(InstanceRow.sop_uid.in_(batch))).all()
    return found
