"""A database with predictions whose results are to be delivered, at a time that a test sets."""

from collections.abc import Callable, Sequence
from pathlib import Path

from sqlalchemy import select

from app.associations.opening import Ours
from app.delivery.deliveries import HERE, Deliveries
from app.delivery.delivering import Delivering
from app.delivery.stow_client import Limits, without_secrets
from app.store.database import Database, Delivery, Prediction, Study, sqlite_url
from app.store.instances import Instances
from tests.app.studies import instances, voxels

PLANE = voxels()[:1]
NOW = 1_800_000_000.0
OURS = Ours("CRUCIATE")
LIMITS = Limits(silence_s=2, total_s=5, answer_bytes=10_000)


def uid_of(prediction: str) -> str:
    """SOP Instance UID of the one result of a prediction."""
    return f"2.25.{int(prediction, 36)}.1.1"


def made(prediction: str) -> list[bytes]:
    """The one result of a prediction, as a file. Its study is 2.25 and the prediction as a number."""
    number = int(prediction, 36)
    return instances(PLANE, study=f"2.25.{number}", series=f"2.25.{number}.1")


def note_uid_of(prediction: str) -> str:
    """SOP Instance UID of the rejection note for a prediction."""
    return f"2.25.{int(prediction, 36)}.9.1"


def note(prediction: str) -> bytes:
    """What stands for the rejection note, as a file."""
    number = int(prediction, 36)
    return instances(PLANE, study=f"2.25.{number}", series=f"2.25.{number}.9")[0]


class World:
    """What a process knows. Several may have one folder.

    Attributes:
        now: Seconds since 1970, which go on evenly.
        set_s: By how many seconds the clock was set forward.
    """

    def __init__(
        self,
        folder: Path,
        *urls: str,
        make: Callable[[str], Sequence[bytes]] = made,
        limits: Limits = LIMITS,
        ours: Ours = OURS,
        make_note: Callable[[str], bytes] = note,
        database: str | None = None,
    ) -> None:
        self.now, self.set_s, self._folder = NOW, 0.0, folder
        self.database = Database(database or sqlite_url(folder / "service.db"))
        self.instances = Instances(folder / "instances", self.database)
        by_name = {without_secrets(url): url for url in urls}
        self.deliveries = Deliveries(self.database, by_name, folder, self.clock, lambda: self.now)
        self.delivering = Delivering(
            self.deliveries, self.instances, make, by_name, self.clock, limits, ours, make_note
        )

    def clock(self) -> float:
        return self.now + self.set_s

    def predict(self, *ids: str, held: bool = True) -> None:
        """Predictions that are done, each on its own study."""
        with self.database.write() as session:
            for id_ in ids:
                study = f"2.25.{int(id_, 36)}"
                row = Prediction(id=id_, study_uid=study, bundle="b", status="done", created="2026-11-21T09:30:00Z")
                row.attempts, row.study, row.origins, row.answer, row.published = 0, {}, [], None, False
                session.add(row)
                (self._folder / "predictions" / id_).mkdir(parents=True, exist_ok=True)
                if held:
                    session.add(Study(uid=study, state="predicted", received=1.0, prediction=id_))
        self.deliveries.schedule()

    def rounds(self, target: str, count: int = 100) -> int:
        """Deliver while there is something due. Returns the number of tries."""
        for done in range(count):
            if not self.delivering.deliver(target):
                return done
        return count

    def row(self, prediction: str, target: str = HERE) -> Delivery:
        with self.database.read() as session:
            return session.get_one(Delivery, (prediction, target))

    def rows(self) -> dict[tuple[str, str], str]:
        """The state of each delivery."""
        with self.database.read() as session:
            return {(row.prediction, row.target): row.state for row in session.scalars(select(Delivery))}
