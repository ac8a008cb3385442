"""The report as a page to print. Pictures are in the page itself; nothing else is loaded but its style sheet."""

from base64 import b64encode
from collections.abc import Sequence

from flask import Response

from app.printed.content import Section
from app.viewer.pages import page


def printable(title: str, parts: Sequence[Section], id_: str) -> Response:
    """The page.

    Args:
        title: The finding in one line.
        parts: The sections.
        id_: Id of the prediction.
    """
    return page("report.html", headline=title, sections=parts, id=id_, png=_png)


def _png(content: bytes) -> str:
    return f"data:image/png;base64,{b64encode(content).decode()}"
