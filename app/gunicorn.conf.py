"""gunicorn's configuration: `gunicorn --config app/gunicorn.conf.py`.

There is one process, because one thread owns the model; a second device needs a second service. There is no preloading:
TensorFlow's threads don't survive a fork, so every prediction after a fork would hang.
"""

import ipaddress
import logging
import os
import resource
import threading
from concurrent.futures import Future

from gunicorn.arbiter import Arbiter

from app.contract.log_text import log_thread
from app.http.uploads import MAX_PARTS
from app.server.worker import Worker
from app.service.dimse_settings import ours_to
from app.service.environment import SettingsError
from app.service.parts import EXTENSION, Service
from app.service.settings import Settings
from app.service.starting import StartError, asks_who, check_free, check_store
from app.store.opening import UMASK
from data_prep.dicom.quiet import ignore_pydicom_warnings

wsgi_app = "app.factory:create_app()"
worker_class = "app.server.worker.Worker"
workers = 1
# Threads for requests with a body, as many for retrievals, and as many for other requests (app/server/worker.py).
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
# Of all headers, only X-Forwarded-Proto changes the WSGI environment, and only from the addresses in the variable
# FORWARDED_ALLOW_IPS. gunicorn's default believes others, too, such as SCRIPT_NAME, which moves the path.
forwarder_headers = ""
secure_scheme_headers = {"X-FORWARDED-PROTO": "https"}
# The heartbeat's file is in memory. On a busy disk, a live worker could look dead.
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: PTH112
control_socket_disable = True
# app.http.request_log writes the access log; gunicorn's would contain whole URLs.
accesslog = None
# Libraries quote header values in their logs, so only Cruciate and gunicorn may log.
logconfig_dict = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"class": "app.contract.log_text.Formatter"}},
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "formatter": "plain"},
        "none": {"class": "logging.NullHandler"},
    },
    "root": {"handlers": ["none"], "level": "CRITICAL"},
    "loggers": {
        name: {"handlers": ["stderr"], "level": "INFO", "propagate": False} for name in ("app", "gunicorn.error")
    },
}
# Answers are sent piece by piece, so that a client that doesn't read is noticed.
sendfile = False
# The arbiter's attribute with the ids of the workers that a reload replaces.
LEAVING = "leaving_workers"
# With one of these variables, gunicorn takes over sockets that listen already.
INHERITED = {"GUNICORN_FD", "LISTEN_FDS"}


def on_starting(server: Arbiter) -> None:
    """Check all that the service needs before anything listens. Other machines need a key."""
    os.umask(UMASK)  # also of the workers
    try:
        settings = Settings.from_environment(os.environ)
        ours_to(settings.targets)
        _check_command_line(server)
        if not all(map(_is_loopback, server.cfg.address)) and not asks_who(settings):
            raise StartError(
                "Without a key only loopback is served. Bind 127.0.0.1, make a key (python -m app.keys create), "
                "or set CRUCIATE_API_KEYS."
            )
        if not INHERITED & os.environ.keys():
            check_free(server.cfg.address)
        check_store(settings)  # last, because it makes a store, and a start that is refused leaves nothing new
    except (SettingsError, StartError) as error:
        raise SystemExit(str(error)) from None


def _check_command_line(server: Arbiter) -> None:
    if server.cfg.is_ssl:
        raise StartError("TLS is nginx's work, see docs/deployment.md; start the service without a certificate.")
    if server.cfg.preload_app:
        raise StartError("Don't preload: threads of TensorFlow don't survive the fork, and every prediction hangs.")


def on_reload(server: Arbiter) -> None:
    """Let the worker that serves now go on until the new one has loaded its models (SIGHUP)."""
    leaving = tuple(server.WORKERS)
    setattr(server, LEAVING, leaving)
    server.num_workers = len(leaving) + workers


def pre_fork(server: Arbiter, worker: Worker) -> None:
    """Tell a new worker whom it replaces."""
    worker.predecessors = tuple(process for process in getattr(server, LEAVING, ()) if process in server.WORKERS)


def child_exit(server: Arbiter, worker: Worker) -> None:
    """Don't replace a worker that a reload has replaced already."""
    server.num_workers = max(workers, len(server.WORKERS))


def post_fork(server: Arbiter, worker: Worker) -> None:
    """Prepare the serving process: warnings are treated like libraries' logs, and enough files can be opened."""
    logging.captureWarnings(True)
    threading.excepthook = log_thread
    ignore_pydicom_warnings()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Every thread may hold all parts of a multipart body as open files; and there are connections.
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 2048 + threads * MAX_PARTS), most))


def post_worker_init(worker: Worker) -> None:
    """Take over from the predecessors when every bundle is loaded. End if one can't be; the reason is in the log."""

    def check(loaded: "Future[None]") -> None:
        if loaded.exception() is not None:
            os._exit(worker.cannot_start)
        worker.take_over()

    _service(worker).engine.loaded.add_done_callback(check)


def worker_exit(server: Arbiter, worker: Worker) -> None:
    """Finish the current work before the interpreter ends."""
    if getattr(worker, "wsgi", None) is not None:  # it may have failed before
        _service(worker).stop()


def _service(worker: Worker) -> Service:
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
