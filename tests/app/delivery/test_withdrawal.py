"""Results that are no longer valid: nothing of them is sent any more, and a note follows what was, once, in order."""

from collections.abc import Iterator

import pytest
from sqlalchemy import select, update

from app.delivery.deliveries import ARRIVED, HERE, MANY_TRIES, RETRY_S, Deliveries, Outcome
from app.delivery.withdrawal import SUPERSEDED
from app.store.database import Delivery, Prediction, ResultObject, sqlite_url
from app.store.predictions import Store
from app.store.superseding import Reference
from tests import warm
from tests.app.delivery.targets import says, silent, stored
from tests.app.delivery.test_delivering import end_dead, wait_until
from tests.app.delivery.world import World, made, note_uid_of, uid_of
from tests.app.postgres import postgresql
from tests.app.trail_lines import trail_lines

pytestmark = pytest.mark.slow

STUDY = "2.25.10"  # that of prediction `a` in World
PACS = "http://pacs/dicom-web"
LATER = Outcome("later", MANY_TRIES)


def good(connection) -> None:
    """Everything that can be sent here is stored."""
    says(200, stored(*(uid(id_) for id_ in "abc" for uid in (uid_of, note_uid_of))))(connection)


def supersede(world: World, old: str = "a", new: str = "b") -> None:
    """As the store does it when the new answer is stored."""
    with world.database.write() as session:
        session.execute(update(Prediction).where(Prediction.id == new).values(study_uid=STUDY))
        replaced = {Prediction.superseded_by: new, Prediction.superseded: "2026-11-21T10:00:00Z"}
        session.execute(update(Prediction).where(Prediction.id == old).values(replaced))


def sent(target) -> list[str]:
    """UIDs of the objects of each request, in order."""
    known = [uid(id_) for id_ in "abc" for uid in (uid_of, note_uid_of)]
    return [",".join(uid for uid in known if uid.encode() in request.body) for request in target.got]


def go_round(world: World, *targets: str) -> None:
    """Everything that is due now, as often as it takes."""
    for _ in range(3):
        world.deliveries.schedule()
        for target in (HERE, *targets):
            world.rounds(target)


def uids_here(world: World) -> list[str]:
    return [row.sop_uid for row in world.instances.find()]


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path) -> Iterator[str]:
    """The URL of an empty database."""
    if request.param == "sqlite":
        yield sqlite_url(tmp_path / "service.db")
    else:
        with postgresql() as of_postgresql:
            yield of_postgresql


def test_new_results_come_first_and_then_the_note(listen, tmp_path, url):
    target = listen(good)
    world = World(tmp_path, target.url, database=url)
    world.predict("a")
    go_round(world, target.url)
    (old,) = world.instances.find()
    assert old.sop_uid == uid_of("a")
    world.predict("b")
    supersede(world)
    go_round(world, target.url)
    assert sent(target) == [uid_of("a"), uid_of("b"), note_uid_of("a")]
    assert set(world.rows().values()) == {"delivered"}
    assert sorted(uids_here(world)) == sorted([uid_of("b"), note_uid_of("a")])
    assert [world.row(id_, target.url).note for id_ in "ab"] == [True, False]
    assert not (tmp_path / "instances" / STUDY / old.digest).exists()
    go_round(world, target.url)
    assert len(target.got) == 3


def test_a_note_waits_until_the_new_results_have_come(listen, tmp_path):
    target = listen(good)
    world = World(tmp_path, target.url)
    world.predict("a")
    go_round(world, target.url)
    target.say = says(503)
    world.predict("b")
    supersede(world)
    go_round(world, target.url)
    assert sent(target)[1:] == [uid_of("b")]
    assert world.row("a", target.url).state == "waiting"
    target.say = good
    world.now += RETRY_S
    go_round(world, target.url)
    assert sent(target)[2:] == [uid_of("b"), note_uid_of("a")]


def test_a_note_also_follows_if_the_new_results_are_refused(listen, tmp_path):
    """A result that isn't valid is worse than none."""
    target = listen(good)
    world = World(tmp_path, target.url)
    world.predict("a")
    go_round(world, target.url)
    target.say = says(400)
    world.predict("b")
    supersede(world)
    world.deliveries.schedule()
    world.rounds(target.url, 1)
    target.say = good
    go_round(world, target.url)
    assert world.rows()["b", target.url] == "dead"
    assert sent(target)[-1] == note_uid_of("a")


def test_a_note_waits_for_the_valid_results_of_three(listen, tmp_path):
    target = listen(good)
    world = World(tmp_path, target.url)
    world.predict("a")
    go_round(world, target.url)
    world.predict("b", "c")
    supersede(world)
    supersede(world, "b", "c")
    go_round(world, target.url)
    # The second result was never sent, so there is nothing of it to reject.
    assert sent(target)[1:] == [uid_of("c"), note_uid_of("a")]
    assert not [key for key in world.rows() if key[0] == "b"]


def test_a_delivery_that_never_began_is_dropped(tmp_path, url):
    world = World(tmp_path, PACS, database=url)
    world.predict("a", "b")
    supersede(world)
    world.deliveries.schedule()
    assert set(world.rows()) == {("b", HERE), ("b", PACS)}
    assert {(line["what"], line["outcome"], line["subject"]) for line in trail_lines(tmp_path)} == {
        ("delivery", "superseded", HERE),
        ("delivery", "superseded", PACS),
    }


@pytest.mark.parametrize("outcome", [ARRIVED, LATER, Outcome("no", 1)])
def test_a_try_that_may_have_brought_something_is_followed_by_a_note(tmp_path, outcome):
    world = World(tmp_path, PACS)
    world.predict("a", "b")
    tried = world.deliveries.claim(PACS)
    assert tried is not None
    assert world.deliveries.announce(tried, [Reference("1.2", "2.25.10.1", uid_of("a"))])
    supersede(world)
    world.deliveries.schedule()
    assert world.row("a", PACS).note is False  # a note must not overtake what it rejects
    world.deliveries.settle(tried, outcome)
    world.deliveries.schedule()
    row = world.row("a", PACS)
    assert (row.note, row.state, row.attempts) == (True, "waiting", 0)


def test_a_try_that_finds_its_results_superseded_brings_nothing(listen, tmp_path):
    def make(id_: str) -> list[bytes]:
        if id_ == "a":
            supersede(world)
        return made(id_)

    target = listen(good)
    world = World(tmp_path, target.url, make=make)
    world.predict("a", "b")
    assert world.rounds(target.url, 1) == 1
    assert target.got == []
    assert world.row("a", target.url).outcome == SUPERSEDED
    go_round(world, target.url)
    assert sent(target) == [uid_of("b")]
    assert uids_here(world) == [uid_of("b")]
    assert set(world.rows()) == {("b", HERE), ("b", target.url)}


def test_a_target_that_is_not_configured_gets_its_note_when_it_is_back(tmp_path):
    first = World(tmp_path, PACS)
    first.predict("a", "b")
    tried = first.deliveries.claim(PACS)
    assert tried is not None
    assert first.deliveries.announce(tried, [Reference("1.2", "2.25.10.1", uid_of("a"))])
    first.deliveries.settle(tried, ARRIVED)
    supersede(first)
    without = World(tmp_path)
    without.deliveries.give_up_others()
    without.deliveries.schedule()
    assert (without.row("a", PACS).note, without.row("a", PACS).state) == (False, "delivered")
    again = World(tmp_path, PACS)
    again.deliveries.schedule()
    assert (again.row("a", PACS).note, again.row("a", PACS).state) == (True, "waiting")


def test_results_that_are_being_read_here_are_withdrawn_later(tmp_path):
    world = World(tmp_path)
    world.predict("a")
    go_round(world)
    world.predict("b")
    supersede(world)
    with world.instances.reading(STUDY):
        go_round(world)
        assert uid_of("a") in uids_here(world)
        assert world.row("a").outcome == "the results that it rejects are being read here"
    world.now += RETRY_S
    go_round(world)
    assert sorted(uids_here(world)) == sorted([uid_of("b"), note_uid_of("a")])


def test_a_result_that_a_target_sends_back_is_not_kept_again(tmp_path):
    """IOCM, RAD TF-3 4.66.4.2.3.1. It would also look like something new in the study, and be predicted on."""
    world = World(tmp_path)
    world.predict("a")
    go_round(world)
    world.predict("b")
    supersede(world)
    go_round(world)
    before = uids_here(world)
    (receipt,) = world.instances.receive([("", made("a")[0])])
    assert receipt.reason is None
    assert uids_here(world) == before


def test_results_that_are_stored_again_come_with_their_notes(tmp_path):
    """All results of a study are deleted if one of its predictions is."""
    world = World(tmp_path)
    world.predict("a")
    go_round(world)
    world.predict("b")
    supersede(world)
    go_round(world)
    world.instances.delete_results(STUDY)
    world.instances.delete_results("2.25.11")  # where the result of `b` says that it belongs
    world.deliveries.schedule_again(STUDY)
    go_round(world)
    assert sorted(uids_here(world)) == sorted([uid_of("b"), note_uid_of("a")])


KILLED = "from pathlib import Path; import sys; from tests.app.delivery.world import World; " + (
    "World(Path(sys.argv[1]), sys.argv[2]).delivering.deliver(sys.argv[2])"
)


def test_a_kill_while_the_note_is_sent_is_a_try_that_counts(listen, tmp_path):
    target = listen(good)
    world = World(tmp_path, target.url)
    world.predict("a")
    go_round(world, target.url)
    world.predict("b")
    supersede(world)
    world.deliveries.schedule()
    world.rounds(target.url, 1)
    target.say = silent
    process = warm.Forked(["-c", KILLED, str(tmp_path), target.url])
    wait_until(lambda: len(target.got) == 3)
    process.kill()
    process.wait()
    assert sent(target)[-1] == note_uid_of("a")
    row = world.row("a", target.url)
    assert (row.note, row.state, row.attempts) == (True, "waiting", 1)
    target.say = good
    world.now = row.due
    end_dead(world)
    go_round(world, target.url)
    assert sent(target)[2:] == [note_uid_of("a")] * 2
    assert set(world.rows().values()) == {"delivered"}


def test_a_kill_between_the_note_and_the_deletion_here_leaves_nothing_stale(tmp_path, monkeypatch):
    world = World(tmp_path)
    world.predict("a")
    go_round(world)
    world.predict("b")
    supersede(world)

    def dies(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(world.instances, "withdraw", dies)
        world.deliveries.schedule()
        world.rounds(HERE, 1)
        with pytest.raises(KeyboardInterrupt):
            world.rounds(HERE, 1)
    assert {uid_of("a"), note_uid_of("a")} <= set(uids_here(world))
    other = World(tmp_path)
    end_dead(other)
    other.now += RETRY_S
    go_round(other)
    assert sorted(uids_here(other)) == sorted([uid_of("b"), note_uid_of("a")])


def test_several_services_withdraw_once(listen, tmp_path):
    target = listen(good)
    worlds = [World(tmp_path, target.url) for _ in range(3)]
    worlds[0].predict("a")
    go_round(worlds[0], target.url)
    worlds[1].predict("b")
    supersede(worlds[1])
    for world in worlds * 2:
        go_round(world, target.url)
    assert sent(target) == [uid_of("a"), uid_of("b"), note_uid_of("a")]


def test_a_prediction_takes_what_is_known_of_its_objects_with_it(tmp_path):
    world = World(tmp_path)
    world.predict("a")
    go_round(world)
    Store(tmp_path / "predictions", world.database).delete("a")
    with world.database.read() as session:
        assert session.scalars(select(ResultObject.sop_uid)).all() == []
        assert session.scalars(select(Delivery.prediction)).all() == []


def test_deliveries_of_what_is_superseded_are_in_work_until_the_note_has_come(tmp_path):
    """Retention keeps what the note is made of."""
    world = World(tmp_path, PACS)
    world.predict("a")
    tried = world.deliveries.claim(PACS)
    assert tried is not None
    world.deliveries.announce(tried, [Reference("1.2", "2.25.10.1", uid_of("a"))])
    world.deliveries.settle(tried, ARRIVED)
    world.rounds(HERE)
    deliveries: Deliveries = world.deliveries

    def in_work() -> list[str]:
        with world.database.read() as session:
            return sorted(session.scalars(select(Prediction.id).where(deliveries.in_work())))

    assert in_work() == []
    world.predict("b")
    supersede(world)
    world.deliveries.schedule()
    assert in_work() == ["a", "b"]
