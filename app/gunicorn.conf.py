"""gunicorn's configuration: `gunicorn --config app/gunicorn.conf.py`.

One process, because one thread owns the model; another device is served by another service. And no preloading: threads
of TensorFlow don't survive a fork, so that after one every prediction would hang.
"""

import ipaddress
import logging
import os
import resource

from app.http.uploads import MAX_PARTS
from app.service.settings import Settings, SettingsError
from data_prep.dicom.quiet import ignore_pydicom_warnings

wsgi_app = "app.factory:create_app()"
worker_class = "gthread"
workers = 1
threads = 8
preload_app = False
bind = [f"{os.environ.get('CRUCIATE_HOST', '127.0.0.1')}:{os.environ.get('PORT', '8000')}"]
# A worker that doesn't report for this long is replaced. Predictions run beside the reporting thread.
timeout = 60
# A stopping worker finishes what it was asked, for this long; what's left is taken up by the next start.
graceful_timeout = 30
keepalive = 5
limit_request_line = 2048
limit_request_fields = 50
# The heartbeat's file lies in memory, so that a busy disk doesn't look like a dead worker.
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: PTH112
control_socket_disable = True
# app.http.request_log writes the access log; gunicorn's would have whole URLs.
accesslog = None
# Libraries quote header values in what they log: only we and gunicorn are heard.
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
# gunicorn takes a worker that ends with this status for one that can't start, and stops instead of trying for ever.
CANNOT_START = 3


def on_starting(server):
    """Check the settings, those of the command line too, before anything listens: other machines need a key."""
    try:
        settings = Settings.from_environment(os.environ)
    except SettingsError as error:
        raise SystemExit(str(error)) from None
    if server.cfg.preload_app:
        raise SystemExit("Don't preload: threads of TensorFlow don't survive the fork, and every prediction hangs.")
    if not settings.api_keys and not all(map(_is_loopback, server.cfg.address)):
        raise SystemExit("Without CRUCIATE_API_KEYS only loopback is served; bind 127.0.0.1 or set a key.")


def post_fork(server, worker):
    """What concerns the process that serves: warnings go where libraries' logs go, and there are files enough."""
    logging.captureWarnings(True)
    ignore_pydicom_warnings()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Every thread may hold all parts of a multipart body as open files.
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 1024 + threads * MAX_PARTS), most))


def post_worker_init(worker):
    """A bundle that can't be loaded ends the service, with the reason in the log."""

    def check(loaded):
        if loaded.exception() is not None:
            os._exit(CANNOT_START)

    _service(worker).engine.loaded.add_done_callback(check)


def worker_exit(server, worker):
    """Let what is at hand end before the interpreter goes."""
    if worker.wsgi is not None:
        _service(worker).stop()


def _service(worker):
    return worker.wsgi.extensions["cruciate"]


def _is_loopback(address):
    """address: a (host, port) pair, or the path of a Unix socket, which is as local."""
    if isinstance(address, str):
        return True
    try:
        return ipaddress.ip_address(address[0]).is_loopback
    except (ValueError, TypeError):
        return address[0] == "localhost"
