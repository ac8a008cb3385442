"""What a running service consists of, for whoever answers a request."""

from dataclasses import dataclass

from flask import current_app

from app.jobs.engine import Engine
from app.jobs.periodic import Periodic
from app.jobs.studies import Studies
from app.service.settings import Settings
from app.store.instances import Instances
from app.store.predictions import Store

EXTENSION = "cruciate"


@dataclass(frozen=True)
class Service:
    """The parts that requests share."""

    settings: Settings
    store: Store
    engine: Engine
    instances: Instances
    studies: Studies
    rounds: tuple[Periodic, ...]

    def start(self) -> None:
        """Begin to load the models and to go the rounds; returns at once."""
        self.engine.start()
        for work in self.rounds:
            work.start()

    def stop(self) -> None:
        """End after what is at hand; the rest stands in the database, for the next start."""
        for work in self.rounds:
            work.stop()
        self.engine.stop()


def service() -> Service:
    """The service of the current request's app."""
    current: Service = current_app.extensions[EXTENSION]
    return current
