"""`python -m app.deliveries`: what the service shows and does, on the command line."""

import pytest

from app import deliveries
from app.delivery.deliveries import HERE, MANY_TRIES, ONE_TRY, Outcome
from app.store.database import sqlite_url
from tests.app.delivery.world import World

PACS, OTHER = "http://pacs.example/dicom-web", "https://other.example"
WITH_SECRET = PACS.replace("//", "//user:secret@")


@pytest.fixture
def world(tmp_path, monkeypatch) -> World:
    """A prediction that was refused by one target, will be tried again at another one, and is due here."""
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    (bundle / "manifest.json").touch()
    monkeypatch.setenv("CRUCIATE_BUNDLES", str(bundle))
    monkeypatch.setenv("CRUCIATE_DATA", str(tmp_path))
    monkeypatch.setenv("CRUCIATE_DATABASE", sqlite_url(tmp_path / "service.db"))
    monkeypatch.setenv("CRUCIATE_TARGETS", f"{WITH_SECRET},{OTHER}")
    world = World(tmp_path, WITH_SECRET, OTHER)
    world.predict("a")
    for target, outcome in {PACS: Outcome("no", ONE_TRY), OTHER: Outcome("later", MANY_TRIES)}.items():
        claimed = world.deliveries.claim(target)
        assert claimed is not None
        world.deliveries.settle(claimed, outcome)
    return world


def lines(capsys, *arguments: str) -> list[list[str]]:
    assert deliveries.main(arguments) == 0
    return [line.split("\t") for line in capsys.readouterr().out.splitlines()]


def test_a_line_for_each_delivery(world, capsys):
    assert lines(capsys, "list") == [
        ["dead", "a", PACS, "tries: 1", "", "no"],
        ["waiting", "a", OTHER, "tries: 1", "next try 2027-01-15T08:00:30Z", "later"],
        ["waiting", "a", HERE, "tries: 0", "next try 2027-01-15T08:00:00Z", ""],
    ]
    assert [line[2] for line in lines(capsys, "list", "--state", "dead")] == [PACS]
    assert lines(capsys, "list", "--prediction", "b") == []


def test_a_retry(world, capsys):
    assert lines(capsys, "retry") == [["1 will be tried again"]]
    assert world.row("a", PACS).state == "waiting"
    assert lines(capsys, "retry", "--state", "waiting", "--target", OTHER) == [["1 will be tried again"]]
    assert world.row("a", OTHER).attempts == 1  # it goes on in its schedule
    assert lines(capsys, "retry") == [["0 will be tried again"]]


def test_a_look_changes_nothing_even_without_the_targets(world, capsys, monkeypatch):
    before = world.rows()
    monkeypatch.delenv("CRUCIATE_TARGETS")
    assert len(lines(capsys, "list")) == 3
    others = "1 are for targets that CRUCIATE_TARGETS doesn't name here, and stay as they are"
    assert lines(capsys, "retry") == [["0 will be tried again"], [others]]
    assert world.rows() == before


def test_a_bad_setting_is_one_sentence(world, capsys, monkeypatch):
    monkeypatch.setenv("CRUCIATE_QUEUE", "lots")
    assert deliveries.main(["list"]) == 2
    assert "CRUCIATE_QUEUE must be a number" in capsys.readouterr().err


def test_a_database_that_cannot_be_opened_is_one_sentence(world, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("CRUCIATE_DATA", str(tmp_path / "fresh"))
    monkeypatch.setenv("CRUCIATE_DATABASE", sqlite_url(tmp_path / "nowhere" / "service.db"))
    assert deliveries.main(["list"]) == 2
    assert capsys.readouterr().err == "The database can't be opened or upgraded (OperationalError).\n"
