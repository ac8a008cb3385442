"""A web viewer's files on a port of this machine, as a hospital's web server would serve them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from flask import Flask, Response, send_from_directory
from werkzeug.exceptions import NotFound

from tests.loopback import served

JAVASCRIPT = "text/javascript"


@contextmanager
def serving_page(folder: Path, made: Mapping[str, str]) -> Iterator[str]:
    """Serve a folder until the block ends.

    Args:
        folder: The viewer's files, with `index.html`. It is also the answer to a path that names no file: the page
            reads the path itself.
        made: Scripts by their names, used instead of the folder's files. It is read at each request, so that it can
            name the port of a service that starts later.

    Yields:
        The origin of the page, such as `http://127.0.0.1:40123`.
    """
    with served(_application(folder.resolve(), made)) as origin:
        yield origin


def _application(folder: Path, made: Mapping[str, str]) -> Flask:
    app = Flask("page", static_folder=None)

    @app.get("/")
    @app.get("/<path:name>")
    def file(name: str = "index.html") -> Response:
        if name in made:
            return Response(made[name], mimetype=JAVASCRIPT)
        try:
            return send_from_directory(folder, name)
        except NotFound:
            return send_from_directory(folder, "index.html")

    return app
