"""API keys: `Authorization: Bearer KEY` or `X-API-Key: KEY`, for everything under `PROTECTED`."""

import hmac

from flask import Flask, request
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Forbidden, Unauthorized

# Paths that begin like this need a key.
PROTECTED = ("/v1/", "/dicom-web/")
# Headers that may contain a key.
HEADERS = ("Authorization", "X-API-Key")


def register(app: Flask, keys: tuple[str, ...]) -> None:
    """Require one of `keys`. Without keys, none is required (the gunicorn configuration then allows loopback only)."""

    def check() -> None:
        if not keys or not request.path.startswith(PROTECTED):
            return
        if request.method == "OPTIONS":  # a browser asks without a key whether a page may send one
            return
        bearer = request.authorization.token if request.authorization else None
        sent = request.headers.get("X-API-Key") or bearer
        if not sent:
            raise Unauthorized(f"Send an API key in {' or '.join(HEADERS)}.", www_authenticate=_challenge())
        # Every key is compared, each in constant time, so that timing doesn't reveal a key.
        matches = [hmac.compare_digest(sent.encode(), key.encode()) for key in keys]
        if not any(matches):
            raise Forbidden("This API key isn't one of ours.")

    app.before_request(check)


def _challenge() -> WWWAuthenticate:
    return WWWAuthenticate("bearer", {"realm": "cruciate"})
