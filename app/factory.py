"""The application factory: makes a Flask app from settings, and starts to load its models."""

import os
import time
from collections.abc import Callable
from functools import partial

from apiflask import APIFlask
from flask import Response

from app import dicomweb
from app.api import about, deliveries, docs, objects, openapi, pictures, predictions
from app.contract import problems
from app.contract.json_text import Provider
from app.delivery.delivering import Delivering
from app.delivery.stow_client import Limits, without_secrets
from app.http import acceptance, audited, cors, keys, request_log, share
from app.http.address import Proxies
from app.http.body import checked
from app.http.uploads import drain
from app.jobs.engine import Engine
from app.jobs.periodic import Periodic
from app.jobs.studies import Studies
from app.results.of_record import all_made
from app.service.condition import Condition
from app.service.parts import EXTENSION, Service
from app.service.settings import Settings
from app.store.database import Database
from app.store.deliveries import Deliveries
from app.store.instances import Instances
from app.store.keys import KeyRing
from app.store.opening import open_database
from app.store.predictions import Store
from app.store.queue import Queue

# Seconds between two searches for studies that have become quiet, for new results, and for due deliveries.
EVERY_S = 1.0


def create_app(
    settings: Settings | None = None,
    clock: Callable[[], float] = time.time,
    elapsed: Callable[[], float] = time.monotonic,
) -> APIFlask:
    """Make the app and start its engine. `/readyz` tells when the engine is ready.

    Args:
        settings: None reads the environment variables.
        clock: Gives the time in seconds since 1970.
        elapsed: Gives seconds; only differences count.

    Raises:
        SettingsError: A variable can't be used.
        StoreError: The data folder or the database can't be used, or they don't belong together.
    """
    settings = settings or Settings.from_environment(os.environ)
    app = openapi.api("app")
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_mb << 20
    app.wsgi_app = checked(app.wsgi_app)  # type: ignore[assignment,method-assign]  # Flask's way to add a middleware
    app.json = Provider(app)
    database = open_database(settings.database, settings.data)
    store = Store(settings.data / "predictions", database)
    instances = Instances(settings.data / "instances", database)
    engine = Engine(settings.bundles, store, Queue(database, settings.queue))
    studies = Studies(database, instances, store, engine, settings.quiet_s, clock, elapsed)

    def make(id_: str) -> list[bytes]:
        return all_made(store.read(id_), settings.codes, settings.map_values)

    urls = {without_secrets(url): url for url in settings.targets}
    outgoing = Deliveries(database, urls, clock)
    outgoing.give_up_others()
    delivering = Delivering(outgoing, instances, make, urls, clock, Limits())
    rounds = (
        Periodic("studies", studies.predict_quiet, EVERY_S),
        Periodic("schedule", outgoing.schedule, EVERY_S),
        *(Periodic("deliver", partial(delivering.deliver, target), EVERY_S) for target in outgoing.targets),
    )
    folders = (settings.data, settings.data / "predictions", instances.incoming)
    condition = Condition(database, folders, settings.reserve_mb)
    service = Service(settings, store, engine, instances, studies, outgoing, condition, rounds)
    app.extensions[EXTENSION] = service
    request_log.register(app)
    keys.register(app, _access(settings, database, clock))
    audited.register(app, settings.data, database)
    share.register(app, settings.key_share, settings.queue)
    acceptance.register(app, condition.require)
    cors.register(app, settings.viewers)
    problems.register(app)
    app.after_request(drain)
    app.after_request(_keep_out_of_caches)
    app.register_blueprint(predictions.blueprint)
    app.register_blueprint(pictures.blueprint)
    app.register_blueprint(objects.blueprint)
    app.register_blueprint(deliveries.blueprint)
    app.register_blueprint(about.blueprint)
    app.register_blueprint(dicomweb.blueprint)
    app.register_blueprint(docs.blueprint)
    service.start()
    return app


def _access(settings: Settings, database: Database, clock: Callable[[], float]) -> keys.Access:
    return keys.Access(
        KeyRing(database, settings.api_keys),
        Proxies(settings.trusted_proxies),
        settings.user_header,
        frozenset(settings.user_scopes),
        settings.key_rate,
        clock,
    )


def _keep_out_of_caches(response: Response) -> Response:
    """Answers and pictures are patient data; the rest may change every second."""
    response.headers["Cache-Control"] = "no-store"
    return response
