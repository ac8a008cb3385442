"""A study's entry, made of its series. Its attributes are those of the study, not of whichever series comes first."""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from app.contract.json_text import Json
from app.store.index.keys import KEYS, MODALITIES, PATIENT_AND_STUDY, Level, tag
from app.store.index.values import values_of

DATE, TIME = re.compile(r"\d{8}", re.ASCII), re.compile(r"\d{2}(\d{2}(\d{2}(\.\d{1,6})?)?)?", re.ASCII)


class Member(NamedTuple):
    """A series of a study.

    Attributes:
        example: One of its instances; its attributes stand for the series.
        instances: How many it has.
        ours: Whether the example is a result that this service made.
        stored: When the example was stored, in seconds since 1970.
        attributes: What the service keeps of the example, as DICOM JSON.
    """

    uid: str
    example: str
    instances: int
    ours: bool
    stored: float
    attributes: Json


def study_attributes(members: Iterable[Member]) -> Json:
    """The attributes of patient and study, and the modalities.

    A series that lacks a value doesn't hide it. Received series count before results of ours; if they differ, the last
    one in the order of UIDs counts.
    """
    found: Json = {}
    modalities: set[str] = set()
    for one in sorted(members, key=_rank):
        known = only(PATIENT_AND_STUDY, one.attributes)
        found |= {key: value for key, value in known.items() if "Value" in value or key not in found}
        modalities.update(map(str, filter(None, one.attributes.get(tag("Modality"), {}).get("Value", ()))))
    return found | {tag(MODALITIES): {"vr": "CS", **({"Value": sorted(modalities)} if modalities else {})}}


def leading(members: Iterable[Member]) -> Member:
    """The series whose values count first."""
    return max(members, key=_rank)


def _rank(one: Member) -> tuple[bool, str]:
    return not one.ours, one.uid


def only(keywords: Iterable[str], attributes: Json) -> Json:
    """Some attributes of a DICOM JSON object."""
    return {key: attributes[key] for keyword in keywords if (key := tag(keyword)) in attributes}


def moment(attributes: Json, stored: float) -> str:
    """A study's date and time, by which the newest is found: `20260131`, `20260131093000.5`.

    A study without a date counts from when it came, in UTC.
    """
    date, time = (
        str(next(iter(attributes.get(tag(one), {}).get("Value", ())), "")) for one in ("StudyDate", "StudyTime")
    )
    if DATE.fullmatch(date):
        return date + (time if TIME.fullmatch(time) else "")
    return datetime.fromtimestamp(stored, UTC).strftime("%Y%m%d%H%M%S.%f")


def columns_of(level: Level, attributes: Json) -> tuple[dict[str, str | None], list[dict[str, object]]]:
    """The columns of an entry, and its further values without their owner."""
    columns: dict[str, str | None] = {}
    further: list[dict[str, object]] = []
    for key in KEYS[level]:
        if key.column == "uid":
            continue
        found = values_of(key, attributes)
        columns[key.column] = found.pop(0, None)
        further += [{"key": key.name, "place": place, "value": value} for place, value in found.items()]
    return columns, further


def further_keys(level: Level) -> Sequence[str]:
    """The names under which further values of a level's entries are kept."""
    return [key.name for key in KEYS[level]]
