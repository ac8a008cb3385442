"""Nothing is accepted while the database or the disk can't hold it. Reading and deleting go on."""

from collections.abc import Callable

from flask import Flask, request

from app.http.keys import PROTECTED


def register(app: Flask, require: Callable[[], None]) -> None:
    """Before each POST, call `require`, which raises ServiceUnavailable if nothing can be accepted."""

    def check() -> None:
        if request.method == "POST" and request.path.startswith(PROTECTED):
            require()

    app.before_request(check)
