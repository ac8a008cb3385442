"""Reviews expire by their own limit, all of one prediction together, and each is told in the audit trail."""

import json
import time

import pytest
from sqlalchemy import select, update

from app.contract.reviews import NewReview
from app.retention.policy import Limit
from app.retention.reviews import Reviews
from app.retention.sweep import Sweep
from app.reviews.reviews import ReviewStore
from app.service.environment import SettingsError
from app.service.settings import Settings
from app.store.database import Prediction, Review
from app.store.opening import open_database

DAY_S = 86_400.0


@pytest.fixture
def room(tmp_path):
    """Two predictions with two reviews each: `old` was reviewed 40 and 20 days ago, `new` 40 days and an hour ago."""
    database, now = open_database("", tmp_path / "var"), time.time()
    for id_, days in (("old", (40, 20)), ("new", (40, 1 / 24))):
        with database.write() as session:
            session.add(
                Prediction(
                    id=id_, study_uid="2.25.7", bundle="b", status="done", created="", attempts=0, study={}, origins=[]
                )
            )
        for ago in days:
            store = ReviewStore(database, lambda ago=ago: now - ago * DAY_S)
            assert store.add(id_, "user ann", NewReview(verdict="agree"), ["healthy"]) is not None
    yield database, tmp_path / "var", now
    database.close()


def left(database) -> list[str]:
    with database.read() as session:
        return sorted(session.scalars(select(Review.prediction)))


@pytest.mark.parametrize(
    ("limit", "rest"),
    [
        (Limit(age_s=30 * DAY_S), ["new", "new", "old", "old"]),
        (Limit(age_s=10 * DAY_S), ["new", "new"]),
        (Limit(size=1), []),
    ],
)
def test_a_history_goes_whole_and_its_age_counts_from_the_last_review(room, limit, rest):
    database, folder, now = room
    sweep = Sweep([Reviews(database)], {"reviews": limit}, folder)
    (found,) = sweep.look(now)
    assert len(sweep.delete(found.kind, found.due)) == 2 - len(rest) // 2
    assert left(database) == rest
    lines = [json.loads(line) for path in (folder / "audit").glob("*.jsonl") for line in path.read_text().splitlines()]
    told = [line["prediction"] for line in lines if line["what"] == "reviews expired"]
    assert sorted(told) == sorted({"old", "new"} - set(rest))


def test_a_review_that_comes_meanwhile_is_kept_with_the_others(room):
    database, folder, now = room
    sweep = Sweep([Reviews(database)], {"reviews": Limit(age_s=10 * DAY_S)}, folder)
    (found,) = sweep.look(now)
    ReviewStore(database).add("old", "user ben", NewReview(verdict="agree"), ["healthy"])
    assert sweep.delete(found.kind, found.due) == []
    assert left(database) == ["new"] * 2 + ["old"] * 3
    with database.write() as session:
        session.execute(update(Review).values(created=0.0))
    (found,) = sweep.look(now)
    assert len(sweep.delete(found.kind, found.due)) == 2


def test_reviews_last_longest():
    days = {"CRUCIATE_KEEP_PIXELS_DAYS": "100", "CRUCIATE_KEEP_REVIEWS_DAYS": "99"}
    with pytest.raises(SettingsError, match="CRUCIATE_KEEP_REVIEWS_DAYS must not be shorter"):
        Settings.from_environment(days)
    assert Settings.from_environment(days | {"CRUCIATE_KEEP_REVIEWS_DAYS": "100"}).keep_reviews_days == 100
