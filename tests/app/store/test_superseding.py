"""Which of the results of a study is valid, and that this is decided once."""

import threading

import pytest
from sqlalchemy import select

from app.store.database import Database, Prediction, ResultObject, sqlite_url
from app.store.superseding import Reference, asked_series, objects_of, returned, supersede
from tests.app.postgres import postgresql

SR, MAP, KEY_OBJECTS = "1.2.840.10008.5.1.4.1.1.88.34", "1.2.840.10008.5.1.4.1.1.30", "1.2.840.10008.5.1.4.1.1.88.59"


@pytest.fixture
def database(tmp_path) -> Database:
    return Database(sqlite_url(tmp_path / "service.db"))


def answer(id_, slices=12, series="2.25.8", side="R", passed_over=(), asked=False):
    return {
        "id": id_,
        "status": "done",
        "study": {
            "series_uid": series,
            "laterality": side,
            "passed_over": [{"series_uid": uid, "reason": "fewer slices"} for uid in passed_over],
            **({"series_chosen_by": "request"} if asked else {}),
        },
        "explanation": {"slices": [{"sop_uid": f"{series}.{number}"} for number in range(slices)]},
        "warnings": [],
    }


def finish(database, id_, second=0, study="2.25.7", bundle="b", status="done", said=None, **about):
    """Store an answer and decide. Gives what `supersede` gives."""
    row = Prediction(id=id_, study_uid=study, bundle=bundle, status=status, created=f"2026-11-21T09:30:{second:02}Z")
    row.attempts, row.study, row.origins, row.answer = 0, {}, [], answer(id_, **about) if said is None else said
    with database.alone() as session:
        session.merge(row)
        session.flush()
        return supersede(session, id_)


def valid(database) -> list[str]:
    with database.read() as session:
        return sorted(session.scalars(select(Prediction.id).where(Prediction.superseded_by.is_(None))))


def row(database, id_) -> Prediction:
    with database.read() as session:
        return session.get_one(Prediction, id_)


def test_the_result_of_the_whole_series_replaces_that_of_a_part(database):
    finish(database, "a", slices=12)
    found = finish(database, "b", 20, slices=19)
    assert valid(database) == ["b"]
    assert found["supersedes"] == ["a"]
    assert row(database, "b").answer == found
    assert (row(database, "a").superseded_by, row(database, "b").supersedes["number"]) == ("b", 2)
    assert row(database, "a").answer == answer("a", slices=12)  # what was said stays


def test_a_third_result_replaces_the_second_and_names_only_it(database):
    finish(database, "a", slices=8)
    finish(database, "b", 20, slices=12)
    assert finish(database, "c", 40, slices=19)["supersedes"] == ["b"]
    assert row(database, "a").superseded_by == "b"
    assert row(database, "c").supersedes["number"] == 3


@pytest.mark.parametrize("seconds", [(0, 20), (20, 0), (0, 0)])
def test_a_part_never_replaces_the_whole_whichever_ends_first(database, seconds):
    finish(database, "a", seconds[0], slices=19)
    found = finish(database, "b", seconds[1], slices=12)
    assert valid(database) == ["a"]
    assert found["superseded_by"] == "a"
    assert found["warnings"][-1]["code"] == "superseded"
    assert "supersedes" not in found
    assert row(database, "a").supersedes is None


@pytest.mark.parametrize("second", [20, 0])
def test_of_equal_slices_the_later_result_counts(database, second):
    """A corrected image, or another notice. Of those that were accepted in the same second, the one that ends last."""
    finish(database, "a")
    finish(database, "b", second)
    assert valid(database) == ["b"]


def test_a_better_series_replaces_one_that_it_was_compared_with(database):
    finish(database, "a", series="2.25.8")
    finish(database, "b", 20, series="2.25.9", passed_over=["2.25.8"])
    assert valid(database) == ["b"]


@pytest.mark.parametrize(
    "other",
    [
        {"series": "2.25.9"},  # it was sent alone: nobody compared the two
        {"series": "2.25.9", "side": "L", "passed_over": ["2.25.8"]},
        {"side": "L", "slices": 19},
        {"study": "2.25.70", "slices": 19},
        {"bundle": "c", "slices": 19},
        {"status": "failed", "said": {"id": "b", "status": "failed"}},
        {"said": {"id": "b", "status": "done"}},
    ],
)
def test_others_stay_valid_beside_it(database, other):
    finish(database, "a")
    found = finish(database, "b", 20, **other)
    assert valid(database) == ["a", "b"]
    assert "supersedes" not in found


def test_a_knee_whose_side_is_not_known_is_the_same_knee(database):
    finish(database, "a", side="unknown")
    finish(database, "b", 20, side="R", slices=19)
    assert valid(database) == ["b"]


def test_a_result_that_is_computed_again_replaces_what_it_replaced(database):
    finish(database, "a")
    first = finish(database, "b", 20, slices=19)
    finish(database, "c", 40, slices=24)
    again = finish(database, "b", 20, slices=19)
    assert again["supersedes"] == first["supersedes"] == ["a"]
    assert again["superseded_by"] == "c"
    assert valid(database) == ["c"]


def add_objects(database, prediction, *objects, note=False):
    with database.write() as session:
        session.add_all(ResultObject(prediction=prediction, note=note, **one._asdict()) for one in objects)


def test_the_reports_that_were_sent_are_named(database):
    finish(database, "a")
    report, other = Reference(SR, "2.25.1", "2.25.1.1"), Reference(MAP, "2.25.2", "2.25.2.1")
    add_objects(database, "a", other, report)
    finish(database, "b", 20, slices=19)
    assert row(database, "b").supersedes["documents"] == [report._asdict()]
    # The second one was never sent, so the third one still replaces the first one's report.
    finish(database, "c", 40, slices=24)
    assert row(database, "c").supersedes["documents"] == [report._asdict()]


def test_a_note_is_a_result_that_may_come_back_but_none_to_reject(database):
    report, note = Reference(SR, "2.25.1", "2.25.1.1"), Reference(KEY_OBJECTS, "2.25.2", "2.25.2.1")
    add_objects(database, "a", report)
    add_objects(database, "a", note, note=True)
    with database.read() as session:
        assert objects_of(session, "a") == [report]
        assert returned(session, ["2.25.1.1", "2.25.2.1", "2.25.3.1"]) == {"2.25.1.1", "2.25.2.1"}


@pytest.mark.slow
def test_several_services_decide_one_after_the_other():
    """Each sees what the one before has decided: of results that end at once, one is valid."""
    ids = [f"p{number}" for number in range(8)]
    with postgresql() as url:
        databases = [Database(url) for _ in ids]
        threads = [
            threading.Thread(target=finish, args=(database, id_), kwargs={"slices": 8 + number})
            for number, (database, id_) in enumerate(zip(databases, ids, strict=True))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert valid(databases[0]) == ["p7"]
        by = {id_: row(databases[0], id_).superseded_by for id_ in ids}
        replaced = [
            one for id_ in ids for one in (row(databases[0], id_).supersedes or {"predictions": []})["predictions"]
        ]
        for database in databases:
            database.close()
    assert all(by[id_] > id_ for id_ in ids[:-1])
    assert len(replaced) == len(set(replaced))


FIRST, SECOND = {"series": "2.25.8", "passed_over": ["2.25.9"]}, {"series": "2.25.9", "passed_over": ["2.25.8"]}


def test_a_series_that_is_asked_for_replaces_the_services_choice(database):
    finish(database, "a", **FIRST)
    assert finish(database, "b", 20, **SECOND, asked=True)["supersedes"] == ["a"]
    assert valid(database) == ["b"]


@pytest.mark.parametrize("second", [40, 20, 0])
def test_the_service_never_undoes_a_persons_choice(database, second):
    """Whichever was accepted first: with more slices, too. The answer says that another result counts."""
    finish(database, "b", 20, **SECOND, asked=True)
    found = finish(database, "c", second, slices=24, **FIRST)
    assert valid(database) == ["b"]
    assert (found["superseded_by"], found["warnings"][-1]["code"]) == ("b", "superseded")
    assert "supersedes" not in found


def test_a_person_undoes_a_persons_choice(database):
    finish(database, "b", 20, **SECOND, asked=True)
    finish(database, "c", 40, **FIRST, asked=True)
    assert valid(database) == ["c"]


def test_a_choice_outlives_the_result_that_was_asked_for(database):
    """More slices of the same series replace it. No choice of the service replaces those."""
    finish(database, "b", 20, **SECOND, asked=True)
    finish(database, "c", 40, slices=19, **SECOND)
    finish(database, "d", 50, slices=24, **SECOND)
    finish(database, "e", 60, slices=30, **FIRST)
    assert valid(database) == ["d"]


def test_a_choice_outlives_a_result_that_is_replaced_at_once(database):
    """It was asked for with fewer slices than there are already."""
    finish(database, "a", slices=19, **SECOND)
    finish(database, "b", 20, slices=12, **SECOND, asked=True)
    finish(database, "c", 40, **FIRST)
    assert valid(database) == ["a"]


def test_a_choice_that_was_undone_counts_no_longer(database):
    finish(database, "b", 20, **SECOND, asked=True)
    finish(database, "c", 30, **FIRST, asked=True)
    finish(database, "d", 40, slices=19, **FIRST)
    with database.read() as session:
        assert asked_series(session, "2.25.7", "b") == ["2.25.8"]
    finish(database, "e", 50, slices=24, **SECOND)
    assert valid(database) == ["d"]


def test_series_that_were_sent_apart_stay_valid_beside_each_other(database):
    finish(database, "b", 20, series="2.25.9", asked=True)
    finish(database, "c", 40, series="2.25.8")
    assert valid(database) == ["b", "c"]


def test_which_series_were_asked_for(database):
    finish(database, "a", **FIRST)
    finish(database, "l", 10, study="2.25.7", series="2.25.10", side="L", asked=True)
    finish(database, "b", 20, **SECOND, asked=True)
    finish(database, "o", 30, bundle="other", **FIRST, asked=True)
    with database.read() as session:
        assert asked_series(session, "2.25.7", "b") == ["2.25.9", "2.25.10"]
        assert asked_series(session, "2.25.70", "b") == []
