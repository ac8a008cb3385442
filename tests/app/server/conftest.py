from collections.abc import Iterator

import pytest

from app.client import RunningService, serving


@pytest.fixture(scope="session")
def service(bundles, tmp_path_factory) -> Iterator[RunningService]:
    """A real service with the limit of a body at 1 MB. It is asked to log as much as it can."""
    variables = {"CRUCIATE_MAX_BODY_MB": "1", "GUNICORN_CMD_ARGS": "--log-level debug"}
    with serving(bundles[0], tmp_path_factory.mktemp("service"), **variables) as service:
        service.wait_until_ready()
        yield service
    assert service.process.returncode == 0
