"""gunicorn's configuration: `gunicorn --config app/gunicorn.conf.py`.

There is one process, because one thread owns the model; a second device needs a second service. There is no preloading:
TensorFlow's threads don't survive a fork, so every prediction after a fork would hang.
"""

import ipaddress
import logging
import os
import resource
from concurrent.futures import Future

from gunicorn.arbiter import Arbiter
from gunicorn.workers.gthread import ThreadWorker

from app.http.uploads import MAX_PARTS
from app.service.parts import EXTENSION, Service
from app.service.settings import Settings, SettingsError
from app.store.keys import KeyRing
from app.store.opening import UMASK, StoreError, open_database
from data_prep.dicom.quiet import ignore_pydicom_warnings

wsgi_app = "app.factory:create_app()"
worker_class = "gthread"
workers = 1
threads = 8
preload_app = False
bind = [f"{os.environ.get('CRUCIATE_HOST', '127.0.0.1')}:{os.environ.get('PORT', '8000')}"]
# Seconds. A worker that doesn't report for this long is replaced. Predictions run in another thread than the reporting.
timeout = 60
# Seconds. A stopping worker finishes its requests, for at most this long; the rest continues at the next start.
graceful_timeout = 30
keepalive = 5
limit_request_line = 2048
limit_request_fields = 50
# The heartbeat's file is in memory. On a busy disk, a live worker could look dead.
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: PTH112
control_socket_disable = True
# app.http.request_log writes the access log; gunicorn's would contain whole URLs.
accesslog = None
# Libraries quote header values in their logs, so only Cruciate and gunicorn may log.
logconfig_dict = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"handlers": [], "level": "CRITICAL"},
    "loggers": {
        name: {"handlers": ["stderr"], "level": "INFO", "propagate": False} for name in ("app", "gunicorn.error")
    },
}
# If a worker ends with this status, gunicorn stops instead of starting it again and again.
CANNOT_START = 3


def on_starting(server: Arbiter) -> None:
    """Check the settings, also those of the command line, and the store, before anything listens."""
    try:
        settings = Settings.from_environment(os.environ)
    except SettingsError as error:
        raise SystemExit(str(error)) from None
    if server.cfg.preload_app:
        raise SystemExit("Don't preload: threads of TensorFlow don't survive the fork, and every prediction hangs.")
    os.umask(UMASK)  # also of the workers
    try:
        database = open_database(settings.database, settings.data)
    except StoreError as error:
        raise SystemExit(str(error)) from None
    asks_who = settings.api_keys or settings.user_header or KeyRing(database).required()
    database.close()  # connections don't survive the fork
    if not asks_who and not all(map(_is_loopback, server.cfg.address)):
        raise SystemExit(
            "Without a key only loopback is served. Bind 127.0.0.1, make a key (python -m app.keys create), "
            "or set CRUCIATE_API_KEYS."
        )


def post_fork(server: Arbiter, worker: ThreadWorker) -> None:
    """Prepare the serving process: warnings are treated like libraries' logs, and enough files can be opened."""
    logging.captureWarnings(True)
    ignore_pydicom_warnings()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Every thread may hold all parts of a multipart body as open files.
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 1024 + threads * MAX_PARTS), most))


def post_worker_init(worker: ThreadWorker) -> None:
    """End the service if a bundle can't be loaded. The reason is in the log."""

    def check(loaded: "Future[None]") -> None:
        if loaded.exception() is not None:
            os._exit(CANNOT_START)

    _service(worker).engine.loaded.add_done_callback(check)


def worker_exit(server: Arbiter, worker: ThreadWorker) -> None:
    """Finish the current work before the interpreter ends."""
    if worker.wsgi is not None:
        _service(worker).stop()


def _service(worker: ThreadWorker) -> Service:
    service: Service = worker.wsgi.extensions[EXTENSION]  # type: ignore[attr-defined]  # a Flask app
    return service


def _is_loopback(address: str | int | tuple[str, int]) -> bool:
    """Whether an address is local: a (host, port) pair, or the path of a Unix socket, which is always local."""
    if not isinstance(address, tuple):
        return isinstance(address, str)  # an inherited socket (a number) may be anything
    try:
        return ipaddress.ip_address(address[0]).is_loopback
    except (ValueError, TypeError):
        return address[0] == "localhost"
