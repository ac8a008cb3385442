"""API keys: `Authorization: Bearer KEY` or `X-API-Key: KEY`, for everything under `PROTECTED`."""

import hmac

from flask import Flask, request
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Forbidden, Unauthorized

# Paths that begin so are asked for a key.
PROTECTED = ("/v1/", "/dicom-web/")
# Where a key may stand.
HEADERS = ("Authorization", "X-API-Key")


def register(app: Flask, keys: tuple[str, ...]) -> None:
    """Ask for one of `keys`; with no keys nothing is asked (the gunicorn configuration then stays on loopback)."""

    def check() -> None:
        if not keys or not request.path.startswith(PROTECTED):
            return
        if request.method == "OPTIONS":  # a browser asks without a key whether a page may send one
            return
        bearer = request.authorization.token if request.authorization else None
        sent = request.headers.get("X-API-Key") or bearer
        if not sent:
            raise Unauthorized(f"Send an API key in {' or '.join(HEADERS)}.", www_authenticate=_challenge())
        # Every key is compared, in constant time each, so that timing tells nothing.
        matches = [hmac.compare_digest(sent.encode(), key.encode()) for key in keys]
        if not any(matches):
            raise Forbidden("This API key isn't one of ours.")

    app.before_request(check)


def _challenge() -> WWWAuthenticate:
    return WWWAuthenticate("bearer", {"realm": "cruciate"})
