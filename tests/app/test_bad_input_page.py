"""docs/bad-input.md says exactly what the service answers.

`python -m tests.app.test_bad_input_page` writes its table again. Read every changed row before you commit it.
"""

import re
import tempfile
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.factory import create_app
from app.service.parts import EXTENSION
from app.service.settings import Settings
from tests.app.bad_bodies import BODIES
from tests.models.conftest import write_tiny_bundle

pytestmark = pytest.mark.slow

PAGE = Path(__file__).parents[2] / "docs" / "bad-input.md"
MARK, END = "<!-- made by `python -m tests.app.test_bad_input_page` -->\n", "## Requests that aren't HTTP"
HEAD = "| what is sent | status | sentence, or codes of warnings |\n|---|---|---|\n"
# Warnings of every answer of this service's bundle.
USUAL = {"synthetic-training", "slices-outside-extent", "explanation-own-scale"}


def table() -> dict[str, tuple[str, str]]:
    """Status and sentence of each row of the page."""
    text = PAGE.read_text(encoding="utf-8").partition(MARK)[2].partition(END)[0]
    rows = [re.split(r" \| ", line.strip("| ")) for line in text.splitlines() if line.startswith("| ")][1:]
    return {name: (status, sentence) for name, status, sentence in rows}


def send(client: FlaskClient, name: str) -> tuple[str, str]:
    """Status and sentence of the answer."""
    body, content_type = BODIES[name]()
    return told(client.post("/v1/predictions", data=body, content_type=content_type))


def told(response: TestResponse) -> tuple[str, str]:
    document = response.json
    if response.status_code in (200, 201):  # 200: as good as a study that was sent before
        codes = [warning["code"] for warning in document["warnings"] if warning["code"] not in USUAL]
        return "201", ", ".join(f"`{code}`" for code in codes) or "no warning"
    assert response.mimetype == "application/problem+json"
    return str(response.status_code), document["detail"]


@pytest.mark.parametrize("name", BODIES)
def test_the_page_says_what_is_answered(answered, name):
    assert send(answered[0], name) == table()[name]


def test_the_page_has_no_other_rows():
    assert list(table()) == list(BODIES)


def _write() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        app = create_app(Settings(bundles=(write_tiny_bundle(folder / "tiny"),), data=folder / "var"))
        service = app.extensions[EXTENSION]
        service.engine.loaded.result()
        answers = {name: send(app.test_client(), name) for name in BODIES}
        service.stop()
    rows = "".join(f"| {name} | {status} | {sentence} |\n" for name, (status, sentence) in answers.items())
    before, _, after = PAGE.read_text(encoding="utf-8").partition(MARK)
    PAGE.write_text(f"{before}{MARK}{HEAD}{rows}\n{END}{after.partition(END)[2]}", encoding="utf-8")


if __name__ == "__main__":
    _write()
