"""A service that holds instances and predicts on nothing meanwhile."""

from collections.abc import Callable, Iterator

import pytest
from flask.testing import FlaskClient

from app.factory import create_app
from app.service.parts import EXTENSION
from app.service.settings import Settings

# Longer than any test takes: no result appears among what a test has stored.
QUIET_S = 3600.0


@pytest.fixture(scope="module")
def holding(bundles, tmp_path_factory) -> Iterator[Callable[[list[bytes]], FlaskClient]]:
    """Gives a client of one service, after these instances have been stored."""
    app = create_app(Settings(bundles=bundles, data=tmp_path_factory.mktemp("var"), quiet_s=QUIET_S))
    service = app.extensions[EXTENSION]

    def store(files: list[bytes]) -> FlaskClient:
        receipts = service.instances.receive((f"part {number}", file) for number, file in enumerate(files))
        assert [receipt.text for receipt in receipts if receipt.reason is not None] == []
        return app.test_client()

    yield store
    service.stop()
