"""Apps of this process on a port of this machine, for browsers and other clients."""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from wsgiref.types import StartResponse, WSGIEnvironment

from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wsgi import get_input_stream

# Seconds between two looks whether the server must end.
LOOK_S = 0.01


@contextmanager
def served(app: Flask) -> Iterator[str]:
    """Let an app listen until the block ends. Gives its origin, such as `http://127.0.0.1:40123`."""

    def bounded(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Bodies end where they end, as in gunicorn; werkzeug's server would wait for the client's next request."""
        return app(environ | {"wsgi.input": get_input_stream(environ)}, start_response)

    server = make_server("127.0.0.1", 0, bounded, threaded=True, request_handler=_Silent)
    thread = threading.Thread(target=server.serve_forever, args=(LOOK_S,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Silent(WSGIRequestHandler):
    """Writes no line for each request: a page makes hundreds."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass
