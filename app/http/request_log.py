"""One line of JSON for each request: route, id, status, milliseconds. No query, no header and no patient data."""

import logging
import time
from http import HTTPMethod

from flask import Flask, Response, g, request

from app.contract.json_text import dumps

LOG = logging.getLogger(__name__)
METHODS = frozenset(HTTPMethod)


def register(app: Flask) -> None:
    """Log every request of `app`."""

    def start() -> None:
        g.started = time.perf_counter()

    def finish(response: Response) -> Response:
        line = {
            # A method is also text that a client chose.
            "method": request.method if request.method in METHODS else None,
            # The rule, not the path: text that a client put into a URL must not be logged.
            "route": request.url_rule.rule if request.url_rule else None,
            "id": g.get("prediction_id"),
            "status": response.status_code,
            "ms": round(1000 * (time.perf_counter() - g.started), 1),
        }
        LOG.info(dumps(line))
        return response

    app.before_request(start)
    app.after_request(finish)
