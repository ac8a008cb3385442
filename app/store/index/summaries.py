"""What the worklist searches and sorts by: a narrow row for each prediction, because JSON makes its own row large.

Whoever adds a prediction, or changes its status or answer, calls `summarise` in the same transaction. What the worklist
shows besides is read from the predictions of one page. Migration 0014 uses this, too.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import JSON, Boolean, Column, Double, Index, String, Table, column, delete, false, insert, select, table
from sqlalchemy.orm import Session

from app.contract.json_text import Json
from app.store.index.tables import METADATA, TEXT, UID
from app.store.index.values import LONGEST

HEALTHY = "healthy"
# Of a prediction without probabilities: after all others.
NO_PROBABILITY = -1.0
# What the synthetic knees say in DeidentificationMethod (data_prep/phantom/dicom_out.py).
SYNTHETIC = "Synthetic"

# unhealthy: the probability of all classes but healthy. sought: name and number of the patient, for searches without
# regard to case. study_date: as DICOM writes it. Name, number and date are empty when the pixels have expired.
SUMMARY = Table(
    "summary",
    METADATA,
    Column("prediction", String(32), primary_key=True),
    Column("study_uid", UID, nullable=False),
    Column("created", String(32), nullable=False),
    Column("status", String(8), nullable=False),
    Column("predicted", String(64), nullable=False),
    Column("unhealthy", Double, nullable=False),
    Column("synthetic", Boolean, nullable=False),
    Column("superseded", Boolean, nullable=False, server_default=false()),
    Column("study_date", String(8), nullable=False),
    Column("patient_name", TEXT, nullable=False),
    Column("patient_id", TEXT, nullable=False),
    Column("sought", TEXT, nullable=False),
)
Index("ix_summary_newest", SUMMARY.c.created, SUMMARY.c.prediction)
Index("ix_summary_unhealthy", SUMMARY.c.unhealthy, SUMMARY.c.prediction)
# The status of a job without pixels (app/store/queue.py).
ARRIVING = "arriving"
# Rows that are read at once.
BATCH = 500
DATE_LENGTH = len("20261130")
# What is empty without the pixels.
OF_PATIENT = {"study_date": "", "patient_name": "", "patient_id": "", "sought": ""}
# The rows of predictions, as far as summaries are made of them.
ROWS = table(
    "prediction",
    *(column(name, String) for name in ("id", "study_uid", "created", "status", "superseded_by")),
    column("origins", JSON),
    column("answer", JSON),
)


def whole_date(text: str) -> str | None:
    """A date of a summary; None for one that is empty or cut off."""
    return text if len(text) == DATE_LENGTH else None


def summarise(session: Session, id_: str) -> None:
    """Make the summary of a prediction that of its row, whatever has happened to the row."""
    session.flush()
    row = session.execute(select(ROWS).where(ROWS.c.id == id_)).one_or_none()
    before = session.scalar(select(SUMMARY.c.synthetic).where(SUMMARY.c.prediction == id_))
    session.execute(delete(SUMMARY).where(SUMMARY.c.prediction == id_))
    if row is not None:
        session.execute(insert(SUMMARY).values(_of(row._asdict(), bool(before))))


def wrong(session: Session) -> Iterator[str]:
    """Ids of the predictions whose summary is missing or another one, and of the summaries without a prediction."""
    same = ROWS.c.id == SUMMARY.c.prediction
    yield from session.scalars(select(SUMMARY.c.prediction).outerjoin(ROWS, same).where(ROWS.c.id.is_(None)))
    ids = session.scalars(select(ROWS.c.id).order_by(ROWS.c.id)).all()
    # What is arriving has no summary yet, or that of its last answer.
    made = select(ROWS, SUMMARY).outerjoin(SUMMARY, same).where(ROWS.c.status != ARRIVING)
    for start in range(0, len(ids), BATCH):
        for row in session.execute(made.where(ROWS.c.id.in_(ids[start : start + BATCH]))).mappings():
            its = {column.name: row[column] for column in SUMMARY.c}
            if its != _of({column.name: row[column] for column in ROWS.c}, bool(its["synthetic"])):
                yield row[ROWS.c.id]


def _of(row: Mapping[str, Any], was_synthetic: bool) -> dict[str, Any]:
    result = _object(_object(row["answer"]).get("result"))
    first = _object(next(iter(row["origins"]), None))
    name, number = _value(first, "00100010"), _value(first, "00100020")
    healthy = _object(result.get("probabilities")).get(HEALTHY)
    return {
        "prediction": row["id"],
        "study_uid": row["study_uid"],
        "created": row["created"],
        "status": row["status"],
        "predicted": result.get("predicted", ""),
        "unhealthy": NO_PROBABILITY if healthy is None else 1 - healthy,
        "synthetic": _value(first, "00120063").startswith(SYNTHETIC) or (not first and was_synthetic),
        "superseded": row["superseded_by"] is not None,
        "study_date": _value(first, "00080020")[:DATE_LENGTH],
        "patient_name": name,
        "patient_id": number,
        "sought": f"{name} {number}".strip().casefold()[:LONGEST],
    }


def _value(origin: Json, tag: str) -> str:
    """The first value of an attribute in DICOM JSON (PS3.18 F.2), of a name the first representation."""
    value = next(iter(_object(origin.get(tag)).get("Value", ())), None)
    text = next(iter(value.values()), None) if isinstance(value, dict) else value
    return str(text or "")[:LONGEST]


def _object(value: Any) -> Json:
    """An early version wrote other answers."""
    return value if isinstance(value, dict) else {}
