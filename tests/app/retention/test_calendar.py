"""A clock that is wrong makes nothing old."""

import pytest

from app.retention.calendar import PAUSE_S, SPEED, Calendar
from app.store.database import Database, Instance, sqlite_url

DAY_S, YEAR_S = 86_400.0, 3.2e7
BEGIN = 1_800_000_000.0


class Times:
    """A clock, and seconds that are counted."""

    def __init__(self, clock: float = BEGIN) -> None:
        self.clock, self.elapsed = clock, 0.0

    def passed(self, seconds: float) -> None:
        self.clock += seconds
        self.elapsed += seconds


@pytest.fixture
def database(tmp_path) -> Database:
    return Database(sqlite_url(tmp_path / "service.db"))


@pytest.fixture
def times() -> Times:
    return Times()


def calendar(database: Database, times: Times) -> Calendar:
    """That of a process that begins now."""
    return Calendar(database, lambda: times.clock, lambda: times.elapsed)


def store_something(database: Database, at: float) -> None:
    row = Instance(sop_uid="1", study_uid="1", series_uid="1", digest="", size=1, attributes={}, ours=False, stored=at)
    with database.write() as session:
        session.add(row)


def test_it_is_the_clock_as_long_as_the_clock_goes(database, times):
    one = calendar(database, times)
    for _ in range(5):
        assert one.advance() == times.clock
        times.passed(60)
    times.passed(100 * DAY_S)  # a machine that is busy for long
    assert one.advance() == times.clock
    assert one.behind_s() == 0


def test_a_clock_set_forward_makes_nothing_old(database, times):
    one = calendar(database, times)
    one.advance()
    times.clock += 10 * YEAR_S
    for _ in range(10):
        times.passed(60)
        assert one.advance() <= BEGIN + SPEED * times.elapsed
    assert one.behind_s() > 9 * YEAR_S
    assert calendar(database, times).advance() <= BEGIN + SPEED * times.elapsed  # after a restart, too
    times.clock -= 10 * YEAR_S
    assert one.advance() == times.clock


def test_a_clock_that_is_wrong_at_the_first_look_makes_nothing_old(database, times):
    store_something(database, BEGIN - 60)
    times.clock += 10 * YEAR_S
    assert calendar(database, times).advance() == BEGIN - 60


def test_without_anything_stored_the_clock_is_believed(database, times):
    assert calendar(database, times).advance() == BEGIN


def test_after_a_long_weekend_the_clock_is_believed(database, times):
    calendar(database, times).advance()
    times.clock += PAUSE_S
    assert calendar(database, times).advance() == times.clock


def test_after_a_longer_pause_it_comes_up_slowly_or_when_asked(database, times):
    calendar(database, times).advance()
    times.clock += PAUSE_S + 60
    one = calendar(database, times)
    assert one.advance() == BEGIN
    times.passed(3600)
    assert one.advance() == BEGIN + 3600 * SPEED
    one.trust_clock()
    assert one.advance() == times.clock
    assert calendar(database, times).advance() == times.clock


def test_a_clock_set_back_is_followed_and_may_come_back(database, times):
    one = calendar(database, times)
    one.advance()
    times.clock -= 7200
    times.passed(10)
    assert one.advance() == times.clock
    times.clock += 7200
    times.passed(3600)
    assert one.advance() == times.clock - 3600  # twice as fast as time, until it has come up
    times.passed(3600)
    assert one.advance() == times.clock


def test_processes_together_are_not_faster_than_one(database, times):
    several = [calendar(database, times) for _ in range(3)]
    for one in several:
        one.advance()
    times.clock += YEAR_S
    for _ in range(20):
        for one in several:
            times.passed(1)
            assert one.advance() <= BEGIN + SPEED * times.elapsed
