"""Answers that requests wait for, whichever process computes them."""

from concurrent.futures import Future
from threading import Lock

from app.contract.json_text import Json
from app.store.predictions import Store
from app.store.record import missing


class Awaited:
    """Future answers by job. Each is set once: by the engine of this process, or from the database."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = Lock()
        self._answers: dict[str, Future[Json]] = {}

    def of(self, id_: str) -> "Future[Json]":
        """The future answer of a job that is in the database."""
        with self._lock:
            return self._answers.setdefault(id_, Future())

    def settle(self, id_: str, outcome: Json | BaseException) -> None:
        """Give everyone who waits the answer, or the error."""
        with self._lock:
            future = self._answers.pop(id_, None)
        if future is None:
            return
        if isinstance(outcome, BaseException):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)

    def look(self) -> None:
        """Settle what other processes have answered, and what was deleted."""
        with self._lock:
            waiting = dict(self._answers)
        if not waiting:
            return
        outcomes = self._store.outcomes(waiting.keys())
        for id_, future in waiting.items():
            if id_ not in outcomes:
                self._settle_if_same(id_, future, missing())
            elif (answer := outcomes[id_]) is not None:
                self.settle(id_, answer)

    def forget(self, id_: str) -> None:
        """A job wasn't stored. If it is entered again, it gets another future, which an old look can't settle."""
        with self._lock:
            self._answers.pop(id_, None)

    def _settle_if_same(self, id_: str, future: "Future[Json]", outcome: BaseException) -> None:
        with self._lock:
            if self._answers.get(id_) is not future:
                return
            del self._answers[id_]
        future.set_exception(outcome)
