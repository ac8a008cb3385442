"""Makes the entries that searches read from the rows of instances.

Whoever adds rows calls `enter`, and whoever deletes or changes some calls `renew`, both in the same transaction. The
caller holds the lock of the folder of instances, so no two change a study's entries at one time.

Migration 0009 uses this, too. So a later migration that adds a column to what is read here must come with its own way.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import JSON, Boolean, Double, String, column, delete, func, insert, select, table, update
from sqlalchemy.orm import Session

from app.store.index.entries import Member, columns_of, further_keys, leading, moment, study_attributes
from app.store.index.keys import Level
from app.store.index.tables import ENTRIES, FURTHER, INSTANCE, SERIES, STUDY

# Rows that are written or asked for at once.
BATCH = 500
# The rows of instances, as far as entries are made of them.
ROWS = table(
    "instance",
    *(column(name, String) for name in ("sop_uid", "study_uid", "series_uid")),
    column("ours", Boolean),
    column("stored", Double),
    column("attributes", JSON),
)


def enter(session: Session, study_uid: str, sop_uids: Iterable[str]) -> None:
    """Make entries of instances whose rows have just been added to a study."""
    session.flush()
    wanted = list(sop_uids)
    series = _renew_study(session, study_uid)
    for batch in _batches(wanted):
        _delete(session, Level.INSTANCE, select(INSTANCE.c.id).where(INSTANCE.c.uid.in_(batch)))
        _add(session, series, ROWS.c.sop_uid.in_(batch))


def renew(session: Session, study_uid: str) -> None:
    """Make the entries of a study those of its rows, whatever has happened to the rows."""
    session.flush()
    of_study = select(SERIES.c.id).join(STUDY, STUDY.c.id == SERIES.c.study_id).where(STUDY.c.uid == study_uid)
    present = select(ROWS.c.sop_uid).where(ROWS.c.study_uid == study_uid)
    mine = INSTANCE.c.series_id.in_(of_study)
    _delete(session, Level.INSTANCE, select(INSTANCE.c.id).where(mine, INSTANCE.c.uid.not_in(present)))
    series = _renew_study(session, study_uid)
    entered = set(session.scalars(select(INSTANCE.c.uid).where(mine)))
    missing = [uid for uid in session.scalars(present) if uid not in entered]
    for batch in _batches(missing):
        _add(session, series, ROWS.c.sop_uid.in_(batch))


def renew_wholly(session: Session, study_uid: str) -> None:
    """Like `renew`, and every entry is made anew, because attributes of rows have changed."""
    session.flush()
    studies = select(STUDY.c.id).where(STUDY.c.uid == study_uid)
    _forget(session, list(session.scalars(studies)))
    renew(session, study_uid)


def drop_orphans(session: Session) -> None:
    """Delete further values whose entry isn't there. Their owner's number could be given to another entry."""
    for level, entry in ENTRIES.items():
        present = select(entry.c.id)
        gone = FURTHER.c.key.in_(further_keys(level)), FURTHER.c.owner.not_in(present)
        session.execute(delete(FURTHER).where(*gone))


def wrong(session: Session) -> list[str]:
    """UIDs of the studies whose entries aren't as many as their rows."""
    rows: dict[str, int] = dict(
        session.execute(select(ROWS.c.study_uid, func.count()).group_by(ROWS.c.study_uid)).all()
    )
    counted = (
        select(STUDY.c.uid, STUDY.c.instances, func.count(INSTANCE.c.id))
        .outerjoin(SERIES, SERIES.c.study_id == STUDY.c.id)
        .outerjoin(INSTANCE, INSTANCE.c.series_id == SERIES.c.id)
        .group_by(STUDY.c.uid, STUDY.c.instances)
    )
    entries = {uid: {said, counted} for uid, said, counted in session.execute(counted)}
    return sorted(uid for uid in rows.keys() | entries.keys() if entries.get(uid) != {rows.get(uid, 0)})


def _renew_study(session: Session, study_uid: str) -> dict[str, int]:
    """Renew the entries of a study and its series. Returns the ids of the series by UID."""
    known = session.execute(select(STUDY.c.id, STUDY.c.stored).where(STUDY.c.uid == study_uid)).one_or_none()
    members = _members(session, study_uid)
    if not members:
        _forget(session, [known.id] if known else [])
        return {}
    attributes = study_attributes(members)
    stored = known.stored if known else min(one.stored for one in members)
    columns, further = columns_of(Level.STUDY, attributes)
    counts = {
        "example": leading(members).example,
        "series": len(members),
        "instances": sum(one.instances for one in members),
    }
    newest = {"moment": moment(attributes, stored), "stored": stored}
    values = {"uid": study_uid, **counts, **newest, **columns, "attributes": attributes}
    study_id = _put(session, Level.STUDY, known.id if known else None, values, further)
    series = dict(session.execute(select(SERIES.c.uid, SERIES.c.id).where(SERIES.c.study_id == study_id)).all())
    gone = [series[uid] for uid in series.keys() - {one.uid for one in members}]
    _delete(session, Level.SERIES, select(SERIES.c.id).where(SERIES.c.id.in_(gone)))
    return {one.uid: _put_series(session, study_id, series.get(one.uid), one) for one in members}


def _put_series(session: Session, study_id: int, id_: int | None, one: Member) -> int:
    columns, further = columns_of(Level.SERIES, one.attributes)
    place = {"study_id": study_id, "uid": one.uid, "example": one.example, "instances": one.instances}
    return _put(session, Level.SERIES, id_, place | columns, further)


def _members(session: Session, study_uid: str) -> list[Member]:
    counted = (
        select(ROWS.c.series_uid, func.min(ROWS.c.sop_uid), func.count())
        .where(ROWS.c.study_uid == study_uid)
        .group_by(ROWS.c.series_uid)
    )
    groups = {example: (uid, count) for uid, example, count in session.execute(counted)}
    members: list[Member] = []
    for batch in _batches(list(groups)):
        examples = select(ROWS.c.sop_uid, ROWS.c.ours, ROWS.c.stored, ROWS.c.attributes)
        for example, *rest in session.execute(examples.where(ROWS.c.sop_uid.in_(batch))):
            uid, count = groups[example]
            members.append(Member(uid, example, count, *rest))
    return sorted(members)


def _add(session: Session, series: Mapping[str, int], which: Any) -> None:
    """Make entries of these rows, which have none."""
    values: list[dict[str, Any]] = []
    further: dict[str, list[dict[str, object]]] = {}
    rows = select(ROWS.c.sop_uid, ROWS.c.series_uid, ROWS.c.attributes).where(which).order_by(ROWS.c.sop_uid)
    for uid, series_uid, attributes in session.execute(rows):
        columns, further[uid] = columns_of(Level.INSTANCE, attributes)
        values.append({"uid": uid, "series_id": series[series_uid], **columns})
    if values:
        ids = session.execute(insert(INSTANCE).returning(INSTANCE.c.uid, INSTANCE.c.id), values)
        _add_further(session, [one | {"owner": id_} for uid, id_ in ids for one in further[uid]])


def _put(
    session: Session, level: Level, id_: int | None, values: Mapping[str, Any], further: list[dict[str, object]]
) -> int:
    """Write an entry and its further values. Returns its id."""
    entry = ENTRIES[level]
    if id_ is None:
        id_ = session.scalars(insert(entry).returning(entry.c.id), [values]).one()
    else:
        session.execute(update(entry).where(entry.c.id == id_).values(**values))
        session.execute(delete(FURTHER).where(FURTHER.c.key.in_(further_keys(level)), FURTHER.c.owner == id_))
    _add_further(session, [one | {"owner": id_} for one in further])
    return id_


def _add_further(session: Session, rows: Sequence[dict[str, object]]) -> None:
    if rows:
        session.execute(insert(FURTHER), list(rows))


def _forget(session: Session, studies: Sequence[int]) -> None:
    """Delete the entries of studies and of what is in them."""
    series = select(SERIES.c.id).where(SERIES.c.study_id.in_(studies))
    _delete(session, Level.INSTANCE, select(INSTANCE.c.id).where(INSTANCE.c.series_id.in_(series)))
    _delete(session, Level.SERIES, series)
    _delete(session, Level.STUDY, select(STUDY.c.id).where(STUDY.c.id.in_(studies)))


def _delete(session: Session, level: Level, which: Any) -> None:
    """Delete entries by a select of their ids, and their further values."""
    entry = ENTRIES[level]
    session.execute(delete(FURTHER).where(FURTHER.c.key.in_(further_keys(level)), FURTHER.c.owner.in_(which)))
    session.execute(delete(entry).where(entry.c.id.in_(which)))


def _batches(items: Sequence[str]) -> Iterator[Sequence[str]]:
    return (items[start : start + BATCH] for start in range(0, len(items), BATCH))
