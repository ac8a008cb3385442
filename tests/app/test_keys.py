"""The command, beside a service that is running."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from app import keys
from app.audit.verify import verify
from app.client import RunningService, serving
from app.store.keys import all_keys
from app.store.opening import open_database
from tests import warm


@pytest.fixture
def run(tmp_path, monkeypatch, bundles, capsys):
    """Runs the command on this test's data folder: exit status, standard output, standard error."""
    monkeypatch.setenv("CRUCIATE_DATA", str(tmp_path))
    monkeypatch.setenv("CRUCIATE_BUNDLES", str(bundles[0]))

    def command(*arguments: str) -> tuple[int, str, str]:
        try:
            status = keys.main(list(arguments))
        except SystemExit as end:
            status = int(end.code or 0)
        said = capsys.readouterr()
        return status, said.out, said.err

    return command


def test_a_key_is_made_listed_and_revoked(run, tmp_path):
    status, key, _ = run("create", "pacs", "--scopes", "store,read", "--expires", "2099-01-31")
    assert status == 0
    assert key.startswith("cruciate_")
    (row,) = all_keys(open_database("", tmp_path))
    assert (row.scopes, row.expires) == ("read,store", datetime(2099, 2, 1, tzinfo=UTC).timestamp())
    _, table, _ = run("list")
    assert key.strip() not in table
    assert table.splitlines()[1].split()[:2] == ["pacs", "read,store"]
    assert table.splitlines()[1].split()[3:] == ["2099-01-31", "valid"]
    assert run("revoke", "pacs")[0] == 0
    assert run("list")[1].splitlines()[1].split()[-1] == "revoked"
    trail = verify(tmp_path)
    assert (trail.lines, trail.faults) == (2, ())
    assert key.strip() not in "".join(path.read_text() for path in (tmp_path / "audit").iterdir())


@pytest.mark.parametrize(("given", "days"), [((), 366), (("--expires", "never"), None)])
def test_a_key_ends_after_a_year_unless_it_never_does(run, tmp_path, given, days):
    assert run("create", "pacs", "--scopes", "read", *given)[0] == 0
    (row,) = all_keys(open_database("", tmp_path))
    if days is None:
        assert row.expires is None
    else:
        left = datetime.fromtimestamp(row.expires, UTC) - datetime.now(UTC)
        assert timedelta(days=days - 1) < left <= timedelta(days=days)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("create", "pacs", "--scopes", "write"), "scopes are read, predict, store, review, admin"),
        (("create", "pacs", "--scopes", ""), "scopes are read"),
        (("create", "pacs"), "--scopes"),
        (("create", "pacs", "--scopes", "read", "--expires", "31.1.2027"), "a day like 2027-01-31"),
        (("create", "pacs", "--scopes", "read", "--expires", "2020-01-31"), "this day is over"),
        (("create", "pacs", "--scopes", "read", "--expires", "9999-12-31"), "a day like 2027-01-31"),
        (("create", "a pacs", "--scopes", "read"), "letters, digits"),
        (("revoke", "pacs"), "There is no key of this name"),
        ((), "required"),
    ],
)
def test_a_wrong_command_gets_a_sentence(run, arguments, sentence):
    status, _, said = run(*arguments)
    assert status == 2
    assert sentence in said


def test_a_database_that_is_none_gets_a_sentence(run, tmp_path):
    (tmp_path / "cruciate.db").write_bytes(b"no database" * 100)
    status, _, said = run("list")
    assert (status, said) == (2, "The database can't be opened or upgraded (DatabaseError).\n")


@pytest.mark.slow
def test_a_running_service_knows_a_new_key_and_a_revoked_one(run, bundles, tmp_path):
    _, key, _ = run("create", "viewer", "--scopes", "read")
    with serving(bundles[0], tmp_path, CRUCIATE_DATA=str(tmp_path), CRUCIATE_HOST="0.0.0.0") as service:
        service.wait_until_ready()
        assert status(service, None) == status(service, "a guess") == 401
        assert status(service, key) == 200
        other = warm.run("-m", "app.keys", "create", "viewer-2", "--scopes", "read").stdout
        run("revoke", "viewer")
        deadline = time.monotonic() + 5
        while (status(service, key), status(service, other)) != (401, 200):
            assert time.monotonic() < deadline
            time.sleep(0.1)
    assert verify(tmp_path).faults == ()


def status(service: RunningService, key: str | None) -> int:
    return service.request("GET", "/v1/predictions", headers={"X-API-Key": key.strip()} if key else {})[0]
