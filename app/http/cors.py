"""Web viewers: pages of other origins that a browser may let read from this service (CORS)."""

from flask import Flask
from flask_cors import CORS

from app.http.keys import HEADERS, PROTECTED


def register(app: Flask, origins: tuple[str, ...]) -> None:
    """Let pages of these origins read, with a key where one is asked for; they change nothing, and send no cookies."""
    if origins:
        CORS(
            app,
            resources=[f"{prefix}.*" for prefix in PROTECTED],
            origins=[*origins],
            methods=["GET", "HEAD"],
            allow_headers=["Accept", *HEADERS],
            always_send=False,
        )
