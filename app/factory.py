"""The application factory: makes a Flask app from settings, and starts to load its models."""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from http import HTTPStatus

from apiflask import APIFlask
from flask import Response
from werkzeug.exceptions import NotFound

from app.api import (
    about,
    deliveries,
    docs,
    fhir,
    objects,
    openapi,
    pictures,
    predictions,
    printed,
    priors,
    reviews,
    series,
    volume,
    worklist,
)
from app.associations.opening import Ours
from app.audit.anchors import Anchors
from app.contract import problems
from app.contract.json_text import Provider
from app.delivery.deliveries import Deliveries
from app.delivery.delivering import Delivering
from app.delivery.stow_client import Limits, without_secrets
from app.dicomweb import metadata, routes
from app.http import acceptance, audited, cors, keys, request_log, share, url_text
from app.http.address import Proxies
from app.http.body import checked
from app.http.uploads import drain
from app.jobs.engine import Engine
from app.jobs.periodic import Periodic
from app.jobs.studies import Studies
from app.jobs.unchanged import BEAT_S
from app.results.of_record import all_made, note_made
from app.retention.calendar import Calendar
from app.retention.of_settings import sweep_of
from app.retention.rounds import Rounds
from app.retention.sweep import kinds
from app.routing.routing import Routing
from app.service.condition import Condition
from app.service.dimse_settings import ours_to
from app.service.parts import EXTENSION, Service
from app.service.settings import Settings
from app.store.database import Database
from app.store.instances import Instances
from app.store.keys import KeyRing
from app.store.opening import open_database
from app.store.predictions import Store
from app.store.queue import Queue
from app.store.record import Record
from app.store.sessions import Sessions
from app.viewer import login, ohif, pages, refusals
from models.routes.chunks import limit_memory

# Seconds between two searches for studies that have become quiet, for new results, and for due deliveries.
EVERY_S = 1.0
# Seconds between two looks for what has expired.
RETENTION_S = 5.0
# Seconds after which the database remembers the last line of the audit trail.
ANCHORS_S = 10.0

# In the order of the OpenAPI document.
ROUTES = (
    *(predictions, pictures, volume, series, objects, fhir, reviews, printed, priors),
    *(deliveries, worklist, about, routes, docs, pages, login, ohif),
)


def create_app(
    settings: Settings | None = None,
    clock: Callable[[], float] = time.time,
    elapsed: Callable[[], float] = time.monotonic,
    ours: Ours | None = None,
) -> APIFlask:
    """Make the app and start its engine. `/readyz` tells when the engine is ready.

    Args:
        settings: None reads the environment variables.
        clock: Gives the time in seconds since 1970.
        elapsed: Gives seconds; only differences count.
        ours: How the service presents itself to DICOM systems; None reads the environment variables if there is one.

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
    instances = Instances(settings.data / "instances", database, settings.deidentifier)
    limit_memory(settings.network_mb)
    engine = Engine(settings.bundles, store, Queue(database, settings.queue))
    routing = Routing(database, settings.rules)
    studies = Studies(
        *(database, instances, store, engine, routing, settings.data),
        *(settings.quiet_s, clock, elapsed, settings.announced_wait_s),
    )
    outgoing, delivering = _deliveries(settings, database, store, instances, routing, clock, elapsed, ours)
    rounds: tuple[Periodic, ...] = (
        Periodic("studies", studies.predict_quiet, EVERY_S),
        Periodic("schedule", outgoing.schedule, EVERY_S),
        Periodic("tries", outgoing.tries.beat, BEAT_S),
        Periodic("metadata", partial(metadata.make_due, database, instances), EVERY_S),
        Periodic("anchors", Anchors(database, settings.data, clock).round, ANCHORS_S),
        *(Periodic("deliver", partial(delivering.deliver, target), EVERY_S) for target in outgoing.targets),
    )
    if settings.retention != "off":
        rounds += (_retention(settings, database, outgoing, clock, elapsed),)
    folders = (settings.data, settings.data / "predictions", instances.incoming)
    condition = Condition(database, folders, settings.reserve_mb)
    service = Service(settings, database, store, engine, instances, studies, outgoing, condition, rounds)
    app.extensions[EXTENSION] = service
    refusals.register(app)
    request_log.register(app)
    keys.register(app, _access(settings, database, clock))
    url_text.register(app)
    audited.register(app, settings.data, database)
    share.register(app, settings.key_share, settings.queue)
    acceptance.register(app, condition.require)
    cors.register(app, settings.viewers)
    problems.register(app)
    app.after_request(drain)
    app.after_request(_keep_out_of_caches)
    app.after_request(_without_type)
    for module in ROUTES:
        app.register_blueprint(module.blueprint)
    service.start()
    return app


def _deliveries(
    settings: Settings,
    database: Database,
    store: Store,
    instances: Instances,
    routing: Routing,
    clock: Callable[[], float],
    elapsed: Callable[[], float],
    ours: Ours | None,
) -> tuple[Deliveries, Delivering]:
    """What is to be brought to targets, and what brings it."""

    def make(id_: str) -> list[bytes]:
        return all_made(store.read(id_), settings.site, settings.map_values)

    def make_note(id_: str) -> bytes:
        record = store.read(id_)
        return note_made(record, store.objects(id_), _successor(store, record), settings.site)

    urls = {without_secrets(url): url for url in settings.targets}
    outgoing = Deliveries(database, urls, settings.data, clock, elapsed, routing.targets)
    outgoing.give_up_others()
    ours = ours or ours_to(settings.targets)
    return outgoing, Delivering(outgoing, instances, make, urls, clock, Limits(), ours, make_note)


def _successor(store: Store, record: Record) -> Record | None:
    """The prediction that replaces one; None if it was deleted."""
    with suppress(NotFound):
        return store.read(record.superseded_by or "")
    return None


def _access(settings: Settings, database: Database, clock: Callable[[], float]) -> keys.Access:
    ring = KeyRing(database, settings.api_keys)
    return keys.Access(
        ring,
        Sessions(database, ring, 3600 * settings.session_hours, clock),
        Proxies(settings.trusted_proxies),
        settings.user_header,
        frozenset(settings.user_scopes),
        settings.key_rate,
        clock,
    )


def _retention(
    settings: Settings,
    database: Database,
    deliveries: Deliveries,
    clock: Callable[[], float],
    elapsed: Callable[[], float],
) -> Periodic:
    sweep = sweep_of(settings, kinds(database, settings.data, deliveries))
    dry_run = settings.retention == "dry-run"
    return Periodic("retention", Rounds(sweep, Calendar(database, clock, elapsed), dry_run, elapsed).round, RETENTION_S)


def _keep_out_of_caches(response: Response) -> Response:
    """Answers and pictures are patient data; the rest may change every second, except files of the pages."""
    if not response.cache_control.immutable:
        response.headers["Cache-Control"] = "no-store"
    return response


def _without_type(response: Response) -> Response:
    """What has no content has no Content-Type (RFC 9110 8.3)."""
    if response.status_code == HTTPStatus.NO_CONTENT:
        response.headers.pop("Content-Type", None)
    return response
