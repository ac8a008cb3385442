"""Web viewers: pages of other origins that may read from this service in a browser (CORS)."""

from flask import Flask
from flask_cors import CORS

from app.http.keys import HEADERS, PROTECTED


def register(app: Flask, origins: tuple[str, ...]) -> None:
    """Let pages of these origins read, with a key if one is required. They can't change anything or send cookies."""
    if origins:
        CORS(
            app,
            resources=[f"{prefix}.*" for prefix in PROTECTED],
            origins=[*origins],
            methods=["GET", "HEAD"],
            allow_headers=["Accept", *HEADERS],
            always_send=False,
        )
