"""The service as it is, but it writes down what it computes, and looks for dead processes and expired things sooner.

CRUCIATE_COUNTED=counted.txt gunicorn --config app/gunicorn.conf.py "tests.app.counted:create()"
"""

import os
import time

from flask import Flask

from app import factory
from app.jobs import engine

# Seconds. Long enough for a test to meet it.
COMPUTING_S = 0.05


def create() -> Flask:
    """The application."""
    answered = vars(engine)["answered"]

    def counted(predictor, job):
        _write("began", job.id)
        time.sleep(COMPUTING_S)
        try:
            return answered(predictor, job)
        finally:
            _write("ended", job.id)

    vars(engine).update(answered=counted, BEAT_S=1.0)
    vars(factory).update(RETENTION_S=0.5)
    return factory.create_app()


def _write(event: str, id_: str) -> None:
    """One line, whole: several processes write to the file."""
    descriptor = os.open(os.environ["CRUCIATE_COUNTED"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, f"{event} {id_} {os.getpid()}\n".encode())
    os.close(descriptor)
