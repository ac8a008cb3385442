"""The application factory: makes a Flask app from settings, and starts to load its models."""

import os
import time
from collections.abc import Callable

from apiflask import APIFlask
from flask import Response

from app import dicomweb
from app.api import about, docs, objects, openapi, pictures, predictions
from app.contract import problems
from app.contract.json_text import Provider
from app.http import acceptance, cors, keys, request_log
from app.http.body import checked
from app.http.uploads import drain
from app.jobs.engine import Engine
from app.jobs.periodic import Periodic
from app.jobs.publishing import Publishing
from app.jobs.studies import Studies
from app.results.of_record import all_made
from app.service.condition import Condition
from app.service.parts import EXTENSION, Service
from app.service.settings import Settings
from app.store.database import open_database
from app.store.instances import Instances
from app.store.predictions import Store

# Seconds between two searches for studies that have become quiet, and for new results.
EVERY_S = 1.0


def create_app(settings: Settings | None = None, clock: Callable[[], float] = time.time) -> APIFlask:
    """Make the app and start its engine. `/readyz` tells when the engine is ready.

    Args:
        settings: None reads the environment variables.
        clock: Gives the time in seconds since 1970.

    Raises:
        SettingsError: A variable can't be used.
    """
    settings = settings or Settings.from_environment(os.environ)
    app = openapi.api("app")
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_mb << 20
    app.wsgi_app = checked(app.wsgi_app)  # type: ignore[assignment,method-assign]  # Flask's way to add a middleware
    app.json = Provider(app)
    database = open_database(settings.database, settings.data)
    store = Store(settings.data / "predictions", database)
    instances = Instances(settings.data / "instances", database)
    engine = Engine(settings.bundles, store, settings.queue)
    studies = Studies(database, instances, store, engine, settings.quiet_s, clock)

    def make(id_: str) -> list[bytes]:
        return all_made(store.read(id_), settings.codes, settings.map_values)

    publishing = Publishing(database, instances, make, settings.targets, clock)
    rounds = (
        Periodic("studies", studies.predict_quiet, EVERY_S),
        Periodic("publish", publishing.publish, EVERY_S),
        Periodic("deliver", publishing.deliver, EVERY_S),
    )
    folders = (settings.data, settings.data / "predictions", instances.incoming)
    condition = Condition(database, folders, settings.reserve_mb)
    service = app.extensions[EXTENSION] = Service(settings, store, engine, instances, studies, condition, rounds)
    request_log.register(app)
    keys.register(app, settings.api_keys)
    acceptance.register(app, condition.require)
    cors.register(app, settings.viewers)
    problems.register(app)
    app.after_request(drain)
    app.after_request(_keep_out_of_caches)
    app.register_blueprint(predictions.blueprint)
    app.register_blueprint(pictures.blueprint)
    app.register_blueprint(objects.blueprint)
    app.register_blueprint(about.blueprint)
    app.register_blueprint(dicomweb.blueprint)
    app.register_blueprint(docs.blueprint)
    service.start()
    return app


def _keep_out_of_caches(response: Response) -> Response:
    """Answers and pictures are patient data; the rest may change every second."""
    response.headers["Cache-Control"] = "no-store"
    return response
