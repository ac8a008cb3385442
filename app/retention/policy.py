"""What is due: things that are older than the operator wants, and the oldest ones of those that take too much room.

Nothing here reads a clock, a disk or a database.
"""

from collections.abc import Iterable
from typing import Literal, NamedTuple

Reason = Literal["age", "size", "unfinished"]


class Limit(NamedTuple):
    """How long and in how much room one kind of things is kept. None is no limit.

    Attributes:
        age_s: Seconds.
        size: Bytes of all things of this kind together, also of those that are in work.
    """

    age_s: float | None = None
    size: int | None = None


class Item(NamedTuple):
    """One thing that can expire.

    Attributes:
        key: Id of a prediction, or UID of a study.
        study_uid: The study that it belongs to.
        stored: When it was stored, in seconds since 1970.
        size: Bytes.
        in_work: Whether something still needs it.
        marked: Whether it has expired already, but its file is there: the process was killed in between.
    """

    key: str
    study_uid: str
    stored: float
    size: int
    in_work: bool
    marked: bool = False


class Due(NamedTuple):
    """An item that is to be deleted, and why."""

    item: Item
    reason: Reason


def due(items: Iterable[Item], limit: Limit, now: float) -> list[Due]:
    """What must go so that the rest is within the limit, the oldest first. What is in work never goes.

    Args:
        items: Everything of one kind.
        limit: The limit of this kind.
        now: The present, in seconds since 1970.
    """
    found: list[Due] = []
    oldest_first = sorted(items, key=lambda item: (item.stored, item.key))
    size = sum(item.size for item in oldest_first)
    for item in oldest_first:
        if not item.in_work and (reason := _reason(item, limit, now, size)) is not None:
            found.append(Due(item, reason))
            size -= item.size
    return found


def _reason(item: Item, limit: Limit, now: float, size: int) -> Reason | None:
    if item.marked:
        return "unfinished"
    if limit.age_s is not None and now - item.stored > limit.age_s:
        return "age"
    return "size" if limit.size is not None and size > limit.size else None
