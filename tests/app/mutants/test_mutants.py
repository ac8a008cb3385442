"""Mutants through HTTP. If CRUCIATE_LONG is set, 5,000 of them."""

import os

import pytest

from tests.app.mutants.campaign import campaign

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("own_readers")]

LONG = bool(os.environ.get("CRUCIATE_LONG"))
COUNT = 5000 if LONG else 150
# All processes together, shared pages counted for each. Most of it is TensorFlow; a reader may take 4 GB more.
MEMORY_MB = 3000


def test_no_mutant_makes_the_service_fail_or_wait(tmp_path):
    outcome = campaign(COUNT, seed=1, scratch=tmp_path)
    print(outcome.text())
    assert outcome.faults == []
    assert sum(outcome.statuses.values()) > COUNT
    # Some are harmless, so that what comes after reading is reached, too.
    for reached in ("POST /v1/predictions 201", "POST /dicom-web/studies 200"):
        assert outcome.statuses[reached] > COUNT // 50
    assert outcome.watch.most >> 10 < MEMORY_MB
