from collections.abc import Callable, Iterator

import pytest

from tests.app.delivery.targets import Target


@pytest.fixture
def listen() -> Iterator[Callable[..., Target]]:
    """Starts targets, and ends them after the test."""
    targets = []

    def start(*arguments, **options) -> Target:
        targets.append(Target(*arguments, **options))
        return targets[-1]

    yield start
    for target in targets:
        target.close()
