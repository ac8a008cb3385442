"""The series of a prediction's study: those that the answer names, and those whose files are here."""

import math
from collections import defaultdict
from typing import NamedTuple

from sqlalchemy import func, select

from app.contract.json_text import Json
from app.contract.series import SeriesOfStudy, StudySeries
from app.store.database import Database, Instance
from app.store.index.keys import tag
from app.store.record import Record
from app.store.superseding import series_of


class _Held(NamedTuple):
    """Instances of a series that were received: how many, and the attributes of one of them."""

    instances: int
    attributes: Json


def series_of_study(database: Database, record: Record) -> SeriesOfStudy:
    """The series, the one that was predicted on first, then by number. Results of the service aren't among them."""
    answer, held = record.answer, _held(database, record.study_uid)
    predicted_on, reasons = series_of(answer), defaultdict(list)
    for other in answer.get("study", {}).get("passed_over", ()):
        reasons[other["series_uid"]].append(other["reason"])
    unnamed = reasons.pop("", [])
    uids = {*held, *reasons, *([predicted_on] if predicted_on else [])}
    every = [_one(uid, uid == predicted_on, reasons.get(uid, []), held.get(uid)) for uid in uids]
    in_order = sorted(every, key=_order)
    return SeriesOfStudy(study_uid=record.study_uid, held=bool(held), series=in_order, files=unnamed)


def _one(uid: str, predicted_on: bool, reasons: list[str], held: _Held | None) -> StudySeries:
    attributes = held.attributes if held else {}
    return StudySeries(
        series_uid=uid,
        predicted_on=predicted_on,
        reasons=reasons,
        held=held is not None,
        instances=held.instances if held else None,
        modality=_text(attributes, "Modality"),
        number=_text(attributes, "SeriesNumber"),
        description=_text(attributes, "SeriesDescription"),
    )


def _held(database: Database, study_uid: str) -> dict[str, _Held]:
    received = Instance.study_uid == study_uid, Instance.ours.is_(False)
    counted = select(Instance.series_uid, func.count(), func.min(Instance.sop_uid)).where(*received)
    with database.read() as session:
        found = session.execute(counted.group_by(Instance.series_uid)).all()
        examples = select(Instance.sop_uid, Instance.attributes).where(Instance.sop_uid.in_([row[2] for row in found]))
        attributes = {row.sop_uid: row.attributes for row in session.execute(examples)}
    return {uid: _Held(count, attributes.get(example, {})) for uid, count, example in found}


def _text(attributes: Json, keyword: str) -> str | None:
    values = attributes.get(tag(keyword), {}).get("Value", ())
    return str(values[0]) if values else None


def _order(one: StudySeries) -> tuple[bool, float, str]:
    number = one.number if one.number and one.number.isdecimal() else None
    return not one.predicted_on, float(number) if number else math.inf, one.series_uid
