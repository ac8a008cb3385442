"""What prevents a start is said in one sentence, with an exit status: real processes."""

import os
import shutil
import socket
import sqlite3
from pathlib import Path

import pytest

from app.client import CONFIGURATION
from app.store.opening import open_database
from tests import warm
from tests.app.service.disks import mounted, only_as_root

pytestmark = pytest.mark.slow

END_S = 60
SERVICE = ("-m", "gunicorn", "--config", str(CONFIGURATION))
LISTENER = ("-m", "app.dimse")
WITH_FOLDER = {"service": SERVICE, "listener": LISTENER}


@pytest.fixture
def start(bundles, tmp_path):
    """Runs a command that can't start; gives what it says on standard error, without gunicorn's own lines."""

    def run(command, **variables: str) -> str:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = str(probe.getsockname()[1])
        ours = {"CRUCIATE_BUNDLES": str(bundles[0]), "CRUCIATE_DATA": str(tmp_path / "var"), "PORT": port}
        ours |= {"CRUCIATE_DIMSE_PEERS": "A@127.0.0.1", "CRUCIATE_DIMSE_PORT": port}
        ended = warm.run(*command, environment=os.environ | ours | variables, timeout=END_S)
        assert ended.returncode != 0
        assert "Traceback" not in ended.stderr
        lines = [line for line in ended.stderr.splitlines() if line and " INFO gunicorn.error " not in line]
        assert len(lines) == 1, ended.stderr
        return lines[0]

    return run


@pytest.mark.parametrize("command", WITH_FOLDER.values(), ids=WITH_FOLDER)
@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"CRUCIATE_RESERVE_MB": "lots"}, "CRUCIATE_RESERVE_MB must be a number"),
        ({"CRUCIATE_DATABASE": "sqlite:////nowhere/at/all.db"}, "database can't be opened"),
        ({"CRUCIATE_DATA": "/dev/null/var"}, "/dev/null/var can't be written to"),
        (
            {"CRUCIATE_TARGETS": "dicoms://PACS@pacs:104", "CRUCIATE_DIMSE_TLS_CERTIFICATE": "/nowhere.pem"},
            "CRUCIATE_DIMSE_TLS_CERTIFICATE: /nowhere.pem can't be read",
        ),
    ],
)
def test_a_setting_that_cannot_be_used(start, command, variables, said):
    assert said in start(command, **variables)


def test_a_file_that_is_no_database(start, tmp_path):
    (tmp_path / "garbage.db").write_bytes(b"garbage" * 1000)
    assert "database can't be opened" in start(SERVICE, CRUCIATE_DATABASE=f"sqlite:///{tmp_path}/garbage.db")


def test_a_database_of_a_newer_version(start, tmp_path):
    with sqlite3.connect(tmp_path / "new.db") as database:
        database.execute("CREATE TABLE alembic_version (version_num VARCHAR(32))")
        database.execute("INSERT INTO alembic_version VALUES ('9999')")
    database.close()
    assert "newer version" in start(SERVICE, CRUCIATE_DATABASE=f"sqlite:///{tmp_path}/new.db")


@pytest.mark.parametrize("command", WITH_FOLDER.values(), ids=WITH_FOLDER)
def test_a_port_in_use(start, command):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        assert f"Port {port} of 127.0.0.1" in start(command, PORT=port, CRUCIATE_DIMSE_PORT=port)


REFUSALS = {
    "another database": {"CRUCIATE_DATABASE": "sqlite:///{}/other.db"},
    "another folder": {"CRUCIATE_DATABASE": "sqlite:///{}/var/cruciate.db", "CRUCIATE_DATA": "{}/new/var"},
    "nobody is asked who they are": {"CRUCIATE_HOST": "0.0.0.0", "CRUCIATE_DATA": "{}/new/var"},
    "a port in use": {"CRUCIATE_HOST": "192.0.2.1", "CRUCIATE_API_KEYS": "k" * 20, "CRUCIATE_DATA": "{}/new/var"},
}


@pytest.mark.parametrize("why", REFUSALS)
def test_a_refused_start_leaves_nothing_new(start, tmp_path, why):
    open_database("", tmp_path / "var").close()
    before = set(tmp_path.rglob("*"))
    start(SERVICE, **{name: value.format(tmp_path) for name, value in REFUSALS[why].items()})
    assert set(tmp_path.rglob("*")) == before


def test_an_address_of_another_machine(start):
    said = start(SERVICE, CRUCIATE_HOST="192.0.2.1", CRUCIATE_API_KEYS="a key of our own that is long enough")
    assert "of 192.0.2.1 can't be listened on" in said


def test_a_certificate_is_nginx_s(start, tmp_path):
    (tmp_path / "cert.pem").touch()
    assert "TLS is nginx's work" in start((*SERVICE, "--certfile", str(tmp_path / "cert.pem")))


@only_as_root
@pytest.mark.parametrize("command", WITH_FOLDER.values(), ids=WITH_FOLDER)
def test_a_full_disk(start, command, tmp_path):
    with mounted(tmp_path / "small", "64k") as small:
        (small / "full").write_bytes(bytes(small_size(small)))
        assert "can't be written to (No space left on device)" in start(command, CRUCIATE_DATA=str(small / "var"))


def small_size(folder: Path) -> int:
    """Bytes that are free."""
    return shutil.disk_usage(folder).free


def test_a_password_is_never_said(start):
    said = start(SERVICE, CRUCIATE_DATABASE="nosql://user:Qu1bble@host/name")
    assert "Qu1bble" not in said
