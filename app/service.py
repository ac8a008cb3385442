"""What a running service consists of, for whoever answers a request."""

from dataclasses import dataclass

from flask import current_app

from app.engine import Engine
from app.instances import Instances
from app.settings import Settings
from app.store import Store

EXTENSION = "cruciate"


@dataclass(frozen=True)
class Service:
    """The parts that requests share."""

    settings: Settings
    store: Store
    engine: Engine
    instances: Instances


def service() -> Service:
    """The service of the current request's app."""
    current: Service = current_app.extensions[EXTENSION]
    return current
