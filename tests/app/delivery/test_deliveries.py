"""The table of deliveries: what is entered, who may try, what is found and tried again."""

import alembic.command
import alembic.config
import pytest
import sqlalchemy

from app.delivery.deliveries import (
    ARRIVED,
    FEW_TRIES,
    HERE,
    LONGEST_WAIT_S,
    MANY_TRIES,
    ONE_TRY,
    RETRY_S,
    Deliveries,
    Outcome,
)
from app.jobs.unchanged import DEAD_AFTER
from app.store.database import MIGRATIONS, Database, Delivery, sqlite_url
from tests.app.delivery.world import World
from tests.app.trail_lines import digest, trail_lines

PACS, OTHER = "http://pacs/dicom-web", "https://other:8042"
REFUSED = Outcome("refused with status 400", ONE_TRY)


def ended(world: World, target: str, outcome: Outcome) -> None:
    """Try what is due longest."""
    claimed = world.deliveries.claim(target)
    assert claimed is not None
    world.deliveries.settle(claimed, outcome)


def states(world: World) -> set[tuple[str, str, str]]:
    return {(*key, state) for key, state in world.rows().items()}


def test_a_prediction_is_entered_once_for_each_target(tmp_path):
    world = World(tmp_path, f"{PACS}/", OTHER.replace("//", "//u:p@"))
    world.predict("a")
    ended(world, PACS, ARRIVED)
    world.deliveries.schedule()
    assert states(world) == {("a", HERE, "waiting"), ("a", PACS, "delivered"), ("a", OTHER, "waiting")}


def test_without_targets_only_studies_that_are_held_are_entered(tmp_path):
    world = World(tmp_path)
    world.predict("a", held=False)
    world.predict("b")
    assert states(world) == {("b", HERE, "waiting")}


def test_results_are_stored_again_but_not_sent_again(tmp_path):
    world = World(tmp_path, PACS)
    world.predict("a")
    ended(world, HERE, ARRIVED)
    ended(world, PACS, ARRIVED)
    world.deliveries.schedule_again("2.25.10")
    world.deliveries.schedule()
    assert states(world) == {("a", HERE, "waiting"), ("a", PACS, "delivered")}
    assert (world.row("a").attempts, world.row("a").outcome) == (0, None)


def test_there_may_be_more_than_one_round_of_them(tmp_path):
    world = World(tmp_path)
    world.predict(*(f"a{number}" for number in range(36, 50)), *(f"b{number}" for number in range(36, 50)))
    assert len(world.rows()) == 20
    assert world.deliveries.schedule() is False
    assert len(world.rows()) == 28


def test_the_time_of_the_next_try_is_stored_before_a_try(tmp_path):
    world = World(tmp_path)
    world.predict("a")
    claimed = world.deliveries.claim(HERE)
    assert claimed is not None
    row = world.row("a")
    assert (row.attempts, row.due) == (1, world.now + RETRY_S)
    assert row.trying is not None
    world.now += RETRY_S
    assert world.deliveries.claim(HERE) is None
    assert World(tmp_path).deliveries.claim(HERE) is None


def test_what_is_due_longest_comes_first(tmp_path):
    world = World(tmp_path, PACS)
    world.predict("b")
    world.now += 1
    world.predict("a")
    assert [world.deliveries.claim(PACS).prediction for _ in range(2)] == ["b", "a"]
    assert world.deliveries.claim(PACS) is None


def test_the_dead_are_tried_again_on_request(tmp_path):
    world = World(tmp_path, PACS, OTHER)
    world.predict("a", "b")
    for target in (PACS, PACS, OTHER):
        ended(world, target, REFUSED)
    assert world.deliveries.retry(target=PACS, prediction="b") == 1
    assert world.row("b", PACS).state == "waiting"
    assert world.deliveries.retry(prediction="c") == 0
    assert world.deliveries.retry() == 2
    assert {state for _, _, state in states(world)} == {"waiting"}
    row = world.row("a", PACS)
    assert (row.attempts, row.due, row.outcome) == (0, world.now, REFUSED.text)


def test_the_waiting_are_tried_at_once_on_request_but_not_those_that_are_being_tried(tmp_path):
    world = World(tmp_path, PACS)
    world.predict("a", "b")
    ended(world, PACS, Outcome("later", 5, wait_s=7200))
    assert world.deliveries.claim(PACS).prediction == "b"
    assert world.deliveries.retry("waiting", target=PACS) == 1
    assert world.deliveries.claim(PACS).prediction == "a"
    assert world.deliveries.claim(PACS) is None
    assert world.row("a", PACS).attempts == 2


def test_asking_again_and_again_for_the_waiting_does_not_keep_them_alive(tmp_path):
    world = World(tmp_path, PACS)
    world.predict("a")
    for _ in range(FEW_TRIES):
        assert world.row("a", PACS).state == "waiting"
        world.deliveries.retry("waiting", target=PACS)
        ended(world, PACS, Outcome("later", FEW_TRIES))
    row = world.row("a", PACS)
    assert (row.state, row.attempts) == ("dead", FEW_TRIES)


def test_what_is_delivered_is_never_tried_again(tmp_path):
    world = World(tmp_path, PACS)
    world.predict("a")
    ended(world, PACS, ARRIVED)
    assert world.deliveries.retry() == world.deliveries.retry("waiting", target=PACS) == 0
    world.now += 1e9
    assert world.deliveries.claim(PACS) is None


def test_a_target_that_is_no_longer_configured_is_given_up_and_can_come_back(tmp_path):
    World(tmp_path, PACS, OTHER).predict("a")
    world = World(tmp_path, OTHER)
    assert states(world) == {("a", HERE, "waiting"), ("a", PACS, "waiting"), ("a", OTHER, "waiting")}
    world.deliveries.give_up_others()
    assert world.row("a", PACS).state == "dead"
    assert world.row("a", PACS).outcome == "this target is no longer configured"
    assert world.row("a", OTHER).state == "waiting"
    assert world.deliveries.retry() == 0
    assert World(tmp_path, PACS, OTHER).deliveries.retry() == 1


def test_how_a_delivery_ends_and_who_has_it_tried_again_is_in_the_audit_trail(tmp_path):
    world = World(tmp_path, f"{PACS}/", OTHER.replace("//", "//u:p@"))
    world.predict("a")
    ended(world, HERE, ARRIVED)
    ended(world, PACS, Outcome("later", MANY_TRIES))
    ended(world, OTHER, REFUSED)
    assert world.deliveries.retry(prediction="a", user="mori", address="192.0.2.1") == 1
    World(tmp_path, OTHER).deliveries.give_up_others()
    about = {"prediction": "a", "study": digest("2.25.10"), "sha256": "b"}
    assert trail_lines(tmp_path) == [
        {"what": "delivery", "outcome": "delivered", **about, "subject": HERE},
        {"what": "delivery", "outcome": "dead", **about, "subject": OTHER},
        {
            **{"what": "delivery retried", "outcome": "waiting", "user": "mori", "address": "192.0.2.1"},
            **about,
            "subject": OTHER,
        },
        {"what": "delivery", "outcome": "dead", **about, "subject": PACS},
    ]


def test_pages_of_deliveries_hold_each_once(tmp_path):
    world = World(tmp_path, PACS, OTHER)
    world.predict("a", "b", "c")
    ended(world, PACS, REFUSED)
    found: list[Delivery] = []
    while page := world.deliveries.find(2, after=(found[-1].prediction, found[-1].target) if found else None):
        found += page
    keys = [(row.prediction, row.target) for row in found]
    assert keys == sorted(world.rows())
    assert [row.prediction for row in world.deliveries.find(10, state="dead")] == ["a"]
    assert [row.target for row in world.deliveries.find(10, prediction="b")] == sorted([HERE, PACS, OTHER])
    assert len(world.deliveries.find(10, target=OTHER, state="waiting")) == 3
    assert world.deliveries.find(10, state="delivered") == []


@pytest.mark.parametrize("set_s", [-3600.0, 3600.0])
def test_a_clock_that_is_set_changes_nothing(tmp_path, set_s):
    """Set back an hour it made them wait an hour, set forward all were due."""
    world = World(tmp_path, PACS)
    world.predict("a")
    ended(world, PACS, Outcome("later", MANY_TRIES))
    assert world.deliveries.claim(PACS) is None
    world.set_s = set_s
    world.now += RETRY_S - 1
    assert world.deliveries.claim(PACS) is None
    world.now += 1
    assert world.deliveries.claim(PACS) is not None


def test_a_clock_that_was_set_back_before_the_start_makes_no_wait_longer_than_was_asked_for(tmp_path):
    world = World(tmp_path, PACS)
    world.predict("a")
    ended(world, PACS, Outcome("later", MANY_TRIES))
    world.set_s = -1e6
    started = World(tmp_path, PACS)
    started.set_s = -1e6
    assert started.deliveries.claim(PACS) is None
    started.now += LONGEST_WAIT_S
    assert started.deliveries.claim(PACS) is not None


def test_the_try_of_a_process_that_died_ends_when_its_number_stays_the_same(tmp_path):
    dead, alive, other = World(tmp_path, PACS), World(tmp_path, PACS), World(tmp_path, PACS)
    dead.predict("a", "b")
    assert dead.deliveries.claim(PACS) is not None
    begun = alive.deliveries.claim(PACS)
    assert begun is not None
    for _ in range(DEAD_AFTER):
        alive.deliveries.tries.beat()
        other.deliveries.tries.beat()
    other.now += RETRY_S
    assert other.deliveries.claim(PACS) is None
    for _ in range(2):
        alive.deliveries.tries.beat()
        other.deliveries.tries.beat()
    claimed = other.deliveries.claim(PACS)
    assert claimed is not None
    assert (claimed.prediction, claimed.attempts) == ("a", 2)
    assert other.deliveries.claim(PACS) is None
    assert alive.deliveries.settle(begun, ARRIVED) is True


def test_a_try_of_an_older_version_ends_too(tmp_path):
    """It stored until when nobody else may try."""
    world = World(tmp_path)
    world.predict("a")
    with world.database.write() as session:
        session.execute(sqlalchemy.update(Delivery).values(trying=world.now + 600, attempts=1))
    for _ in range(DEAD_AFTER + 1):
        world.deliveries.tries.beat()
    assert world.deliveries.claim(HERE) is not None


@pytest.mark.parametrize(
    ("due", "outcome", "state"),
    [(None, "delivered", "delivered"), (None, "refused with status 409", "dead"), (5.0, None, "waiting")],
)
def test_deliveries_of_an_older_version_get_a_state(tmp_path, due, outcome, state):
    url = sqlite_url(tmp_path / "service.db")
    config = alembic.config.Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    engine = sqlalchemy.create_engine(url)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        alembic.command.upgrade(config, "0002")
        values = {"prediction": "a", "target": PACS, "attempts": 1, "due": due, "outcome": outcome}
        columns = ", ".join(values)
        marks = ", ".join(f":{name}" for name in values)
        connection.execute(sqlalchemy.text(f"insert into delivery ({columns}) values ({marks})"), values)
    engine.dispose()
    (row,) = Deliveries(Database(url), (), tmp_path).find(10)
    assert (row.state, row.attempts, row.due, row.outcome, row.trying) == (state, 1, due, outcome, None)
