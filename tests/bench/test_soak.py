"""Memory and disk stay flat while studies come and expire. `python -m tests.bench.soak` does it for half an hour."""

import os
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest

from tests import readers, warm
from tests.bench.process_tree import folder_mb, memory_mb
from tests.bench.soak import SPREAD, Sample, Studies, Verdict, judged, soak

DEMO = Path("models/bundles/demo")
MINUTES = 10.0 if os.environ.get("CRUCIATE_LONG") else 0.5
# In half a minute the oldest studies go only a few times. On a slow machine the saw has two or three teeth.
SHORT = SPREAD if os.environ.get("CRUCIATE_LONG") else SPREAD | {"disk": 6.0}


@pytest.mark.slow
def test_memory_and_disk_stay_flat_and_no_answer_is_lost():
    # Copies share memory with others, so what they take isn't theirs alone.
    with mock.patch("app.client.started", warm.COLD), mock.patch("app.apart.pool.started", readers.OWN):
        assert soak(DEMO, MINUTES, room=0.4, warm_up_s=3, measured_s=5, spread=SHORT)


def test_what_grows_is_not_flat():
    grown = [100.0 + 3 * number for number in range(30)]
    assert not Verdict.of(grown, SPREAD["disk"]).flat
    assert Verdict.of(grown[::-1], SPREAD["disk"]).flat
    saw = [100.0 + 30 * (number % 5) for number in range(30)]
    assert Verdict.of(saw, SPREAD["disk"]).flat
    assert not Verdict.of([*saw, 900.0], SPREAD["disk"]).flat


def test_the_first_minutes_are_not_judged():
    def at(*seconds: float) -> list[Sample]:
        return [Sample(at_s, 1, 1, 1, 1, 1) for at_s in seconds]

    assert [sample.at_s for sample in judged(at(0, 10, 20, 30, 40, 50))] == [20, 30, 40, 50]
    assert [sample.at_s for sample in judged(at(0, 299, 300, 1800))] == [300, 1800]


@pytest.mark.slow
def test_studies_differ_in_uids_and_pixels():
    studies = Studies()
    first, second = studies.files(1), studies.files(2)
    assert len(first) == len(second)
    assert b"2.25.1000000001" in first[0]
    assert b"2.25.1000000002" in second[0]
    assert first[0][-4:] != second[0][-4:]


def test_memory_and_folder_are_measured(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_bytes(bytes(3_000_000))
    assert folder_mb(tmp_path) == 3.0
    assert 45 < memory_of_one_that_holds(50) - memory_of_one_that_holds(0) < 60


def memory_of_one_that_holds(mb: int) -> float:
    code = f"import os; taken = os.urandom({mb}_000_000); print(flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        measured = memory_mb(process.pid)
        process.communicate(b"\n")
    return measured
