"""`python -m app.retention`: it counts, it deletes when it is told to, and it doubts a clock."""

import pytest
from sqlalchemy import update

from app.retention.__main__ import main
from app.store.database import Calendar, Instance, Prediction
from tests.app.retention.test_sweep import NEW, OLD, Room

pytestmark = pytest.mark.slow

DAY_S = 86_400.0


@pytest.fixture
def room(tmp_path, monkeypatch) -> Room:
    room = Room(tmp_path / "var")
    monkeypatch.setenv("CRUCIATE_DATA", str(room.folder))
    monkeypatch.setenv("CRUCIATE_KEEP_PIXELS_DAYS", "30")
    monkeypatch.setenv("CRUCIATE_KEEP_INSTANCES_MB", "0.001")
    return room


def rows(out: str) -> dict[str, list[str]]:
    """The lines of the table, by kind."""
    return {
        line.split()[0]: line.split()[1:] for line in out.splitlines() if line.startswith(("pixels ", "instances "))
    }


def test_without_apply_it_only_counts(room, capsys):
    before = room.files()
    assert main([]) == 0
    found = rows(capsys.readouterr().out)
    assert found["pixels"] == ["2", "0.0", "0", "1", "0", "0", "0.0"]
    assert found["instances"] == ["2", "0.1", "0", "0", "2", "0", "0.1"]
    assert room.files() == before
    assert room.audited() == []


def test_apply_deletes_and_names_who_asked(room, capsys, monkeypatch):
    monkeypatch.setattr("getpass.getuser", lambda: "operator")
    assert main(["--apply"]) == 0
    out = capsys.readouterr().out
    assert "pixels: 1 deleted" in out
    assert "instances: 2 deleted" in out
    assert [(line["what"], line["user"]) for line in room.audited()] == [
        ("pixels expired", "operator"),
        *[("instances expired", "operator")] * 2,
    ]
    assert room.fits()
    assert OLD not in out
    assert NEW not in out


def test_a_clock_that_is_years_ahead_of_all_that_is_stored_deletes_nothing_by_age(room, capsys, monkeypatch):
    monkeypatch.delenv("CRUCIATE_KEEP_INSTANCES_MB")
    for table, column in ((Prediction, "finished"), (Instance, "stored")):
        room.write(update(table).values({column: room.now - 3650 * DAY_S}))
    assert main(["--apply"]) == 0
    assert "The clock is 3650.0 days ahead" in capsys.readouterr().out
    assert len(room.files()) == 12
    assert main(["--apply", "--trust-clock"]) == 0
    assert len(room.files()) == 10


def test_after_a_long_pause_the_clock_must_be_confirmed(room, capsys):
    room.write(update(Calendar).values(time=0))
    with room.database.write() as session:
        session.merge(Calendar(number=1, time=room.now - 39 * DAY_S))
    assert main([]) == 0
    out = capsys.readouterr().out
    assert "The clock is 39.0 days ahead" in out
    assert rows(out)["pixels"][3] == "0"
    assert main(["--trust-clock"]) == 0
    assert rows(capsys.readouterr().out)["pixels"][3] == "1"


def test_without_limits_it_says_so(room, capsys, monkeypatch):
    for name in ("PIXELS_DAYS", "INSTANCES_MB"):
        monkeypatch.delenv(f"CRUCIATE_KEEP_{name}")
    assert main([]) == 0
    assert "There are no limits" in capsys.readouterr().out


def test_a_wrong_setting_is_a_sentence(room, capsys, monkeypatch):
    monkeypatch.setenv("CRUCIATE_KEEP_MAPS_DAYS", "0")
    assert main([]) == 2
    assert capsys.readouterr().err == "CRUCIATE_KEEP_MAPS_DAYS must be a number from 0.0001 to 36500, not '0'.\n"
