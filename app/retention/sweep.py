"""Finds what is due and deletes it. Several processes may do this with one database and folder at one time."""

import logging
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from sqlalchemy.orm import InstrumentedAttribute
from werkzeug.exceptions import ServiceUnavailable

from app.audit import record
from app.delivery.deliveries import Deliveries
from app.retention.arrays import Arrays
from app.retention.files import Files
from app.retention.policy import Due, Item, Limit, due
from app.retention.reviews import Reviews
from app.store.database import Database, Prediction
from app.store.disk.instance_folder import InstanceFolder
from app.store.opening import INSTANCES, PREDICTIONS
from app.store.record import MAPS, VOXELS

LOG = logging.getLogger(__name__)


class Kind(Protocol):
    """One kind of things that expire."""

    name: str

    def items(self) -> list[Item]:
        """Everything of this kind."""

    def remove(self, item: Item, tell: Callable[[], None]) -> bool:
        """Delete one, unless that has happened meanwhile or something needs it. `tell` is called before."""


def kinds(database: Database, data: Path, deliveries: Deliveries) -> tuple[Kind, ...]:
    """All kinds. What readers have written is at the end: it is kept longest.

    Args:
        database: The database.
        data: The data folder.
        deliveries: Says what is in work.
    """
    (data / PREDICTIONS).mkdir(parents=True, exist_ok=True, mode=0o700)
    predictions, instances = data / PREDICTIONS, InstanceFolder(data / INSTANCES)
    # Names and numbers of patients are kept for results, which can't be made without the pixels.
    unneeded: dict[InstrumentedAttribute[Any], Any] = {Prediction.origins: [], Prediction.study: {}}
    return (
        Arrays("pixels", database, predictions, VOXELS, Prediction.pixels_expired, unneeded, deliveries),
        Arrays("maps", database, predictions, MAPS, Prediction.maps_expired, {}, deliveries),
        Files("results", database, instances, True, deliveries),
        Files("instances", database, instances, False, deliveries),
        Reviews(database),
    )


class Found(NamedTuple):
    """What there is of one kind, and what is due of it."""

    kind: Kind
    items: list[Item]
    due: list[Due]


class Sweep:
    """Deletes what is due.

    Args:
        kinds: All kinds.
        limits: The limits of those that have any, by their names.
        data: The data folder, for the audit trail.
        user: Who asks for it; None for the service itself.
    """

    def __init__(self, kinds: Iterable[Kind], limits: Mapping[str, Limit], data: Path, user: str | None = None) -> None:
        self._kinds = tuple(kind for kind in kinds if kind.name in limits)
        self._limits, self._data, self._user = limits, data, user
        # What the disk didn't let us delete. This process doesn't try it again; it goes on with the others.
        self._failed: set[tuple[str, str]] = set()

    def look(self, now: float) -> list[Found]:
        """What is due at a time, in seconds since 1970. Changes nothing."""
        found = ((kind, self._items(kind)) for kind in self._kinds)
        return [Found(kind, items, due(items, self._limits[kind.name], now)) for kind, items in found]

    def _items(self, kind: Kind) -> list[Item]:
        failed = self._failed
        return [item._replace(in_work=True) if (kind.name, item.key) in failed else item for item in kind.items()]

    def delete(self, kind: Kind, all_due: Iterable[Due]) -> list[Due]:
        """Delete things. Each becomes a line of the audit trail first. Returns those that were deleted."""
        return [one for one in all_due if self._deleted(kind, one)]

    def _deleted(self, kind: Kind, one: Due) -> bool:
        try:
            return kind.remove(one.item, lambda: self._tell(kind, one))
        except ServiceUnavailable:
            LOG.error("%s can't be deleted: the disk doesn't allow it", kind.name)
            self._failed.add((kind.name, one.item.key))
            return False

    def _tell(self, kind: Kind, one: Due) -> None:
        item = one.item
        record(
            self._data,
            f"{kind.name} expired",
            "deleted",
            user=self._user,
            prediction=item.key if item.key != item.study_uid else None,
            study=item.study_uid,
            reason=one.reason,
            size=item.size,
        )


def in_words(found: Iterable[tuple[Kind, Iterable[Due]]]) -> str:
    """Numbers and megabytes of each kind: `3 pixels (12.3 MB), 1 maps (0.5 MB)`."""
    counted = ((kind.name, [one.item.size for one in each]) for kind, each in found)
    return ", ".join(f"{len(sizes)} {name} ({sum(sizes) / 1e6:.1f} MB)" for name, sizes in counted if sizes)
