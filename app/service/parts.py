"""The parts of a running service, for the code that answers requests."""

import time
from dataclasses import dataclass

from flask import current_app

from app.delivery.deliveries import Deliveries
from app.jobs.engine import Engine
from app.jobs.intake import DECODERS
from app.jobs.periodic import STOP_S, Periodic
from app.jobs.studies import Studies
from app.service.condition import Condition
from app.service.settings import Settings
from app.store.database import Database
from app.store.instances import Instances
from app.store.predictions import Store

EXTENSION = "cruciate"


@dataclass(frozen=True)
class Service:
    """The parts that requests share."""

    settings: Settings
    database: Database
    store: Store
    engine: Engine
    instances: Instances
    studies: Studies
    deliveries: Deliveries
    condition: Condition
    rounds: tuple[Periodic, ...]

    def start(self) -> None:
        """Start to load the models, and start the periodic work; returns at once."""
        DECODERS.start()
        self.engine.start()
        for work in self.rounds:
            work.start()

    def stop(self) -> None:
        """Stop after the current work. The rest is in the database and continues at the next start."""
        for work in self.rounds:
            work.end()
        deadline = time.monotonic() + STOP_S
        for work in self.rounds:
            work.stop(max(deadline - time.monotonic(), 0.0))
        self.engine.stop()
        self.database.close()


def service() -> Service:
    """The service of the current request's app."""
    current: Service = current_app.extensions[EXTENSION]
    return current
