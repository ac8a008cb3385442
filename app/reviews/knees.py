"""The reviews of each knee: those of all bundles that predicted on the same volume, and which reading stands."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select

from app.contract.json_text import dumps
from app.contract.reviews import Review
from app.reviews import classes
from app.reviews.reviews import ReviewStore
from app.store import database
from app.store.database import Database, Prediction
from app.store.disk.shared_folder import FileLost
from app.store.record import Expired, Record
from data_prep.importers.readings import severity
from data_prep.volume import Laterality

NOT_JUDGED, UNHEALTHY = "can't be judged", "unhealthy"


@dataclass(frozen=True, eq=False)
class Knee:
    """One volume and what readers said of it.

    Attributes:
        id: The same for the same volume in every export.
        records: The predictions that were reviewed.
        readings: The latest review of each reader, with its mask, the oldest first.
        history: All reviews, the oldest first, without masks.
    """

    id: str
    records: tuple[Record, ...]
    readings: tuple[Review, ...]
    history: tuple[Review, ...]

    @property
    def record(self) -> Record:
        """A prediction whose pixels are still here, or else any."""
        return next(filter(has_pixels, self.records), self.records[0])

    @property
    def shape(self) -> tuple[int, int, int]:
        """Slices, rows and columns."""
        size = self.record.answer["study"]["volume"]
        return size["slices"], size["rows"], size["columns"]

    @property
    def standing(self) -> Review | None:
        """The reading with the worst diagnosis, the latest of equals; None if nobody could judge the images."""
        judged = [one for one in self.readings if one.classes]
        return max(judged, key=lambda one: severity(classes.binary(one.classes), frozenset(one.classes)), default=None)

    def first_with(self, has: Callable[[Review], bool]) -> Review | None:
        """The standing reading if it has something, or else the latest one that has it."""
        standing = (self.standing,) if self.standing else ()
        return next(filter(has, (*standing, *reversed(self.readings))), None)

    @property
    def laterality(self) -> Laterality:
        """The side that readers name, if all who name one agree; the headers' if none does; otherwise unknown."""
        named: set[Laterality] = {one.laterality for one in self.readings if one.laterality}
        if len(named) > 1:
            return "unknown"
        headers: Laterality = self.record.answer["study"]["laterality"]
        return named.pop() if named else headers

    @property
    def told(self) -> str:
        """Every reader's diagnosis, such as `key ann:healthy|key ben:complete rupture`."""
        return "|".join(f"{one.reader or 'reader'}:{label(one)}" for one in self.readings)


def has_pixels(record: Record) -> bool:
    """Whether the pixels of a prediction are here: not expired, and not lost."""
    try:
        return record.job is not None
    except (Expired, FileLost):
        return False


def label(review: Review) -> str:
    """A diagnosis in one word or few."""
    return {0: NOT_JUDGED, 1: "".join(review.classes)}.get(len(review.classes), UNHEALTHY)


def knees(database_: Database, predictions: Path) -> Iterator[Knee]:
    """Every knee with a review. A prediction that another one has superseded is left out: it lacked slices.

    Args:
        database_: The database.
        predictions: The folder of predictions.
    """
    reviewed = select(database.Review.prediction).distinct()
    valid = Prediction.superseded_by.is_(None)
    rows = select(Prediction).where(Prediction.id.in_(reviewed), valid).order_by(Prediction.created, Prediction.id)
    with database_.read() as session:
        records = [Record(row, predictions / row.id) for row in session.scalars(rows)]
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(_same(record), []).append(record)
    store = ReviewStore(database_)
    for id_, group in groups.items():
        yield _knee(id_, group, store)


def _same(record: Record) -> str:
    """What all predictions on one volume share, from the answer, which stays when the pixels have expired."""
    answer = record.answer
    slices = [one["sop_uid"] for one in answer["explanation"]["slices"]]
    study = answer["study"]
    volume = [study["study_uid"], study["series_uid"], study["laterality"], study["volume"], slices]
    return f"reviewed-{hashlib.sha256(dumps(volume).encode()).hexdigest()[:16]}"


def _knee(id_: str, records: list[Record], store: ReviewStore) -> Knee:
    ids = [record.id for record in records]
    return Knee(id_, tuple(records), tuple(store.current(*ids)), tuple(store.of(*ids)))
