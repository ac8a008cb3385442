"""Text in URLs. No id, UID or name has a NUL character, and PostgreSQL takes no text that has one."""

from urllib.parse import unquote_to_bytes

from flask import Flask, request
from werkzeug.exceptions import BadRequest


def register(app: Flask) -> None:
    """Refuse URLs with a NUL character. Must be registered after the keys, and before what asks the database."""

    def check() -> None:
        if "\0" in request.path or b"\0" in unquote_to_bytes(request.query_string):
            raise BadRequest("The URL must not contain %00, a NUL character.")

    app.before_request(check)
