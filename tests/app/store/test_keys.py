"""Keys in the database: made once, found by their digest, ended."""

import hashlib
import re
import time
from math import inf

import pytest
import sqlalchemy
from sqlalchemy import delete, select

from app.store import keys
from app.store.database import ApiKey, Database, sqlite_url
from app.store.keys import SCOPES, KeyNameError, KeyRing, all_keys, create, revoke


@pytest.fixture
def database(tmp_path) -> Database:
    return Database(sqlite_url(tmp_path / "service.db"))


def test_a_key_is_random_and_only_its_digest_is_kept(database, tmp_path):
    first, second = (create(database, name, ["read"], None) for name in ("viewer", "pacs"))
    assert first != second
    assert re.fullmatch(r"cruciate_[\w-]{43}", first)  # 256 bits
    (row, _) = all_keys(database)
    assert row.digest == hashlib.sha256(first.encode()).hexdigest()
    database.close()
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert first.encode() not in kept
    assert first.removeprefix("cruciate_").encode() not in kept


def test_a_key_is_found_with_its_scopes_and_no_other_is(database):
    key = create(database, "viewer", ["read", "store"], 5.0)
    found = KeyRing(database).find(key)
    assert (found.name, found.scopes, found.ends, found.own) == ("viewer", {"read", "store"}, 5.0, False)
    for wrong in ("", key[:-1], key + "x", key.upper(), "\u00e9", hashlib.sha256(key.encode()).hexdigest()):
        assert KeyRing(database).find(wrong) is None


def test_an_own_key_has_every_scope_and_a_name(database):
    ring = KeyRing(database, ["the first of our own keys", "the second of our own keys"])
    found = ring.find("the second of our own keys")
    assert (found.name, found.scopes, found.ends, found.own) == ("environment 2", set(SCOPES), inf, True)


def test_a_revoked_key_ends_now_and_its_name_stays_taken(database):
    key = create(database, "viewer", ["read"], inf)
    revoke(database, "viewer")
    assert KeyRing(database).find(key).ends <= time.time()
    with pytest.raises(KeyNameError, match="already"):
        create(database, "viewer", ["read"], None)
    for name in ("viewer", "nobody"):
        with pytest.raises(KeyNameError, match="no key of this name"):
            revoke(database, name)


@pytest.mark.parametrize("name", ["", "environment 1", "-x", "a" * 65, "Zo\u00eb", "a\nb", 'a"b'])
def test_a_name_that_does_not_fit_into_a_log_is_refused(database, name):
    with pytest.raises(KeyNameError, match="letters, digits"):
        create(database, name, ["read"], None)


def test_the_database_is_asked_once_in_a_while_only(database, monkeypatch):
    asked = []
    engine = database._reading
    sqlalchemy.event.listen(engine, "before_cursor_execute", lambda *_: asked.append(1))
    ring = KeyRing(database)
    for _ in range(100):
        assert ring.find("a guess") is None
        assert not ring.required()
    assert len(asked) == 1
    key = create(database, "viewer", ["read"], None)
    assert ring.find(key) is None
    monkeypatch.setattr(keys, "CACHE_S", 0.0)
    assert ring.find(key).name == "viewer"


def test_what_needed_a_key_once_needs_one_for_ever(database, monkeypatch):
    """Revoked keys, and rows that somebody deleted, must not open the service."""
    monkeypatch.setattr(keys, "CACHE_S", 0.0)
    ring = KeyRing(database)
    assert not ring.required()
    create(database, "viewer", ["read"], None)
    revoke(database, "viewer")
    assert ring.required()
    assert KeyRing(database).required()
    with database.write() as session:
        session.execute(delete(ApiKey))
    with database.read() as session:
        assert session.scalars(select(ApiKey)).all() == []
    assert ring.required()
