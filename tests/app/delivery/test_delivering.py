"""Bad targets, bad studies and killed processes: each delivery has its own fate, and no other one waits for it."""

import shutil
import threading
import time

import pytest
from sqlalchemy import delete
from werkzeug.exceptions import NotFound

from app.delivery.deliveries import ARRIVED, FEW_TRIES, HERE, MANY_TRIES, ONE_TRY, RETRY_S, Outcome
from app.delivery.stow_client import Limits
from app.jobs.periodic import Periodic
from app.jobs.unchanged import DEAD_AFTER
from app.store.database import Delivery, Prediction
from tests import warm
from tests.app.delivery.targets import raw, says, silent, stored
from tests.app.delivery.world import World, made, uid_of

pytestmark = pytest.mark.slow

SECRET = "Quibble^Zebedee"
HURRIED = Limits(connect_s=1, silence_s=1, total_s=0.2, answer_bytes=10_000)
SOON_S = 10
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/dicom+json\r\n"
# What may pass is tried again for long, what is unclear a few times.
BAD = {
    "an empty list": (says(200, "[]"), FEW_TRIES),
    "no JSON": (says(200, f"{{{{ {SECRET}"), FEW_TRIES),
    "HTML": (says(200, f"<html>{SECRET}</html>", "text/html"), FEW_TRIES),
    "nothing": (says(200), FEW_TRIES),
    "no content": (says(204), FEW_TRIES),
    "a list of other objects": (says(200, stored("1.2.3")), FEW_TRIES),
    "too much": (says(200, bytes(10_001)), FEW_TRIES),
    "500": (says(500, SECRET), MANY_TRIES),
    "a closed connection": (raw(), MANY_TRIES),
    "half an answer": (raw(HEAD + b"Content-Length: 100\r\n\r\n{"), MANY_TRIES),
    "a byte now and then": (raw(HEAD + b"Content-Length: 9000\r\n\r\n", b" ", every_s=0.01), MANY_TRIES),
    "a header now and then": (raw(HEAD, b"X: y\r\n", every_s=0.01), MANY_TRIES),
}


def wait_until(true) -> None:
    deadline = time.monotonic() + SOON_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def good(connection) -> None:
    """Everything that can be sent here is stored."""
    says(200, stored(*(uid_of(id_) for id_ in ("a", "b", "c"))))(connection)


@pytest.mark.parametrize("answer", BAD)
def test_whatever_a_target_answers_the_next_try_comes_later(listen, tmp_path, caplog, answer):
    say, tries = BAD[answer]
    target = listen(say)
    world = World(tmp_path, target.url, limits=HURRIED)
    world.predict("a")
    assert world.rounds(target.url) == 1
    row = world.row("a", target.url)
    assert (row.state, row.attempts, row.due, row.trying) == ("waiting", 1, world.now + RETRY_S, None)
    assert len(target.got) == 1
    waits = []
    target.say = BAD["500" if tries == MANY_TRIES else "nothing"][0]  # the same kind, but quicker
    while (due := world.row("a", target.url).due) is not None:
        waits.append(due - world.now)
        world.now = due
        assert world.rounds(target.url) == 1
    assert waits == [RETRY_S * 2**number for number in range(tries - 1)]
    assert len(target.got) == tries
    assert world.row("a", target.url).state == "dead"
    assert SECRET not in caplog.text + row.outcome


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_nothing_goes_where_a_target_points_to(listen, tmp_path, status):
    other = listen(good)
    target = listen(says(status, Location=f"{other.url}/studies"))
    world = World(tmp_path, target.url.replace("//", "//user:secret@"))
    world.predict("a")
    world.rounds(target.url)
    assert (len(target.got), other.connected) == (1, 0)
    row = world.row("a", target.url)
    assert row.state == "dead"
    assert row.outcome.startswith("redirects")


def test_a_target_may_ask_for_more_time(listen, tmp_path):
    target = listen(says(429, Retry_After="600"))
    world = World(tmp_path, target.url)
    world.predict("a")
    world.rounds(target.url)
    assert world.row("a", target.url).due == world.now + 600
    target.say = good
    world.now += 599
    assert world.rounds(target.url) == 0
    world.now += 1
    world.rounds(target.url)
    assert world.row("a", target.url).state == "delivered"


def test_part_of_the_objects_is_refused(listen, tmp_path):
    target = listen(says(202, stored(uid_of("a"), failed=(uid_of("b"),)), "application/dicom+json; charset=utf-8"))
    world = World(tmp_path, target.url, make=lambda _: [*made("a"), *made("b")])
    world.predict("a")
    world.rounds(target.url)
    row = world.row("a", target.url)
    assert (row.state, row.outcome) == ("dead", "1 of 2 objects refused")


@pytest.mark.parametrize(
    ("error", "tries"),
    [(RuntimeError(SECRET), FEW_TRIES), (OSError(SECRET), MANY_TRIES), (MemoryError(), MANY_TRIES), (NotFound(), 1)],
)
def test_results_that_cannot_be_made_stop_nobody(listen, tmp_path, caplog, error, tries):
    made_how_often = []

    def make(id_: str) -> list[bytes]:
        made_how_often.append(id_)
        if id_ == "a":
            raise error
        return made(id_)

    target = listen(good)
    world = World(tmp_path, target.url, make=make)
    world.predict("a", "b")
    for place in (HERE, target.url):
        assert world.rounds(place) == 2
        assert world.row("b", place).state == "delivered"
    while world.row("a").due is not None:
        world.now = world.row("a").due
        world.rounds(HERE)
    assert world.row("a").state == "dead"
    assert made_how_often.count("a") == 1 + tries
    assert SECRET not in caplog.text + world.row("a").outcome
    assert [row.sop_uid for row in world.instances.find()] == [uid_of("b")]


def test_results_that_cannot_be_stored_stop_nobody(tmp_path):
    world = World(tmp_path, make=lambda id_: [made(id_)[0][: -1000 if id_ == "a" else None]])
    world.predict("a", "b")
    world.rounds(HERE)
    assert world.rows() == {("a", HERE): "waiting", ("b", HERE): "delivered"}
    assert world.row("a").outcome.startswith("can't be stored: ")


def test_failures_let_others_have_their_turn(listen, tmp_path):
    """More failures than a batch ever had, and each is tried once before any is tried again."""
    ids = [f"a{number:02}" for number in range(30)]
    target = listen(says(500))
    world = World(tmp_path, target.url)
    world.predict(*ids)
    world.deliveries.schedule()
    assert world.rounds(target.url) == len(ids)
    target.say = good
    world.predict("b")
    assert world.rounds(target.url) == 1
    assert world.row("b", target.url).state == "delivered"


def test_a_slow_target_delays_no_other(listen, tmp_path):
    slow, quick = listen(silent), listen(good)
    world = World(tmp_path, slow.url, quick.url)
    world.predict("a", "b", "c")
    rounds = [Periodic("", lambda to=to: world.delivering.deliver(to), 0.01) for to in world.deliveries.targets]
    for work in rounds:
        work.start()
    wait_until(lambda: list(world.rows().values()).count("delivered") == 6)
    assert slow.connected == 1  # at most one send at a time
    assert len(quick.got) == 3
    assert world.row("a", slow.url).state == "waiting"
    slow.close()
    for work in rounds:
        work.stop()


def test_two_processes_send_each_delivery_once(listen, tmp_path):
    ids = [f"a{number:02}" for number in range(20)]
    target = listen(says(200, stored(*map(uid_of, ids))))
    worlds = [World(tmp_path, target.url) for _ in range(2)]
    worlds[0].predict(*ids)
    threads = [threading.Thread(target=world.rounds, args=(target.url,)) for world in worlds for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SOON_S)
    assert len(target.got) == len(ids)
    assert {world for world in worlds[1].rows().values() if world != "waiting"} == {"delivered"}


KILLED = "from pathlib import Path; import sys; from tests.app.delivery.world import World; " + (
    "World(Path(sys.argv[1]), sys.argv[2]).delivering.deliver(sys.argv[2])"
)


@pytest.mark.slow
def test_a_process_that_is_killed_during_a_send_is_a_try_that_counts(listen, tmp_path):
    target = listen(silent)
    world = World(tmp_path, target.url)
    world.predict("a")
    process = warm.Forked(["-c", KILLED, str(tmp_path), target.url])
    wait_until(lambda: target.got)
    process.kill()
    process.wait()
    row = world.row("a", target.url)
    assert (row.state, row.attempts, row.outcome) == ("waiting", 1, None)
    target.say = good
    world.now = row.due
    assert world.rounds(target.url) == 0
    end_dead(world)
    assert world.rounds(target.url) == 1
    row = world.row("a", target.url)
    assert (row.state, row.attempts) == ("delivered", 2)


def test_a_process_that_dies_in_every_try_does_so_a_limited_number_of_times(tmp_path):
    world = World(tmp_path)
    world.predict("a")
    for _ in range(MANY_TRIES):
        dies = World(tmp_path)
        dies.now = world.now
        assert dies.deliveries.claim(HERE) is not None  # and nothing more
        row = world.row("a")
        assert row.due > world.now
        end_dead(world)
        world.now = row.due
    assert world.rounds(HERE) == 0
    row = world.row("a")
    assert (row.state, row.outcome) == ("dead", "the service stopped during the last try")


def end_dead(world: World) -> None:
    """As many rounds as it takes to notice that another process has died."""
    for _ in range(DEAD_AFTER + 1):
        world.deliveries.tries.beat()


def delete_prediction(world: World, id_: str) -> None:
    with world.database.write() as session:
        session.execute(delete(Delivery).where(Delivery.prediction == id_))
        session.execute(delete(Prediction).where(Prediction.id == id_))


@pytest.mark.parametrize("say", [good, says(500), says(200, "[]"), raw()])
def test_a_delivery_of_what_is_deleted_meanwhile_ends_quietly(listen, tmp_path, caplog, say):
    def delete_and_say(connection) -> None:
        delete_prediction(world, "a")
        say(connection)

    target = listen(delete_and_say)
    world = World(tmp_path, target.url)
    world.predict("a", "b")
    world.rounds(target.url, 1)
    assert not caplog.text
    assert set(world.rows()) == {("b", HERE), ("b", target.url)}


def test_results_of_what_is_deleted_meanwhile_do_not_stay(tmp_path):
    def make(id_: str) -> list[bytes]:
        if id_ == "a":
            delete_prediction(world, id_)
        return made(id_)

    world = World(tmp_path, make=make)
    world.predict("a", "b")
    world.rounds(HERE)
    assert world.rows() == {("b", HERE): "delivered"}
    assert [row.sop_uid for row in world.instances.find()] == [uid_of("b")]


def test_results_of_what_is_made_anew_meanwhile_do_not_stay(tmp_path):
    """The prediction is deleted and sent again: the same id, but results of another date."""
    calls = []

    def make(id_: str) -> list[bytes]:
        calls.append(id_)
        if len(calls) > 1:
            return made("b")
        delete_prediction(world, id_)
        world.predict(id_, held=False)
        return made(id_)

    world = World(tmp_path, make=make)
    world.predict("a")
    world.rounds(HERE, 1)
    assert list(world.instances.find()) == []
    world.deliveries.schedule()
    assert world.rounds(HERE) == 1
    assert world.rows() == {("a", HERE): "delivered"}
    assert [row.sop_uid for row in world.instances.find()] == [uid_of("b")]


def test_whatever_goes_wrong_outside_is_the_outcome_of_one(listen, tmp_path, caplog):
    """The folder of instances is a file now; the bytes to send are no DICOM."""
    target = listen(good)
    world = World(tmp_path, target.url, make=lambda id_: [SECRET.encode()] if id_ == "a" else made(id_))
    world.predict("a", "b")
    shutil.rmtree(tmp_path / "instances")
    (tmp_path / "instances").touch()
    assert world.rounds(HERE) == world.rounds(target.url) == 2
    assert world.row("b", target.url).state == "delivered"
    for row in (world.row("a"), world.row("b"), world.row("a", target.url)):
        assert (row.state, row.attempts) == ("waiting", 1)
        assert SECRET not in caplog.text + row.outcome


def test_a_process_that_was_thought_dead_changes_nothing(tmp_path):
    """It didn't show in time that it lives; another one has begun a new try."""
    slow, other = World(tmp_path), World(tmp_path)
    slow.predict("a")
    first = slow.deliveries.claim(HERE)
    end_dead(other)
    other.now += RETRY_S
    second = other.deliveries.claim(HERE)
    assert first is not None
    assert second is not None
    slow.deliveries.tries.beat()
    assert slow.deliveries.settle(first, Outcome("no", ONE_TRY)) is False
    assert slow.row("a").state == "waiting"
    assert other.deliveries.settle(second, ARRIVED) is True
    assert slow.row("a").state == "delivered"


def test_a_try_that_met_a_fault_of_the_database_is_not_shown_as_going_on(tmp_path, monkeypatch):
    world, other = World(tmp_path), World(tmp_path)
    world.predict("a")

    def fail(*_):
        raise TimeoutError

    monkeypatch.setattr(world.deliveries, "study_of", fail)
    with pytest.raises(TimeoutError):
        world.delivering.deliver(HERE)
    for _ in range(DEAD_AFTER + 1):
        world.deliveries.tries.beat()
        other.deliveries.tries.beat()
    other.now += RETRY_S
    assert other.rounds(HERE) == 1
