"""The table of deliveries: what is entered, who may try, what is found and tried again."""

import alembic.command
import alembic.config
import pytest
import sqlalchemy

from app.store.database import MIGRATIONS, Database, Delivery, sqlite_url
from app.store.deliveries import ARRIVED, BUSY_S, HERE, ONE_TRY, RETRY_S, Deliveries, Outcome
from tests.app.delivery.world import World

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
    assert (row.attempts, row.due, row.busy_until) == (1, world.now + RETRY_S, world.now + BUSY_S)
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
    (row,) = Deliveries(Database(url), ()).find(10)
    assert (row.state, row.attempts, row.due, row.outcome, row.busy_until) == (state, 1, due, outcome, None)
