"""A PostgreSQL of this test run's own, on a Unix socket."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, make_url

# It refuses to run as root; Debian's package makes this user.
USER = "postgres"


@contextmanager
def postgresql() -> Iterator[str]:
    """Start it, and stop it when the block ends. Gives its URL.

    Skips the test, except in CI, if Debian's postgresql isn't installed.
    """
    programs = _programs()
    if programs is None:
        reason = "PostgreSQL isn't installed (Debian: postgresql)"
        assert os.environ.get("CI") != "true", reason
        pytest.skip(reason)
    # Not in pytest's folder: the other user can't enter it, and the path of a socket may have 107 bytes only.
    with tempfile.TemporaryDirectory(prefix="cruciate-") as folder:
        if os.geteuid() == 0:
            shutil.chown(folder, USER)
        options = f"-k {folder} -c listen_addresses= -c fsync=off"
        _run(programs / "initdb", "--auth=trust", "--no-sync", "--username=cruciate", f"{folder}/data")
        control = [programs / "pg_ctl", "--wait", f"--pgdata={folder}/data"]
        _run(*control, f"--log={folder}/log", "--options", options, "start")
        try:
            yield f"postgresql+psycopg://cruciate@/postgres?host={folder}"
        finally:
            _run(*control, "--mode=immediate", "stop")


def chosen(is_postgresql: bool) -> AbstractContextManager[str]:
    """The URL of a PostgreSQL of this run's own; empty for SQLite."""
    return postgresql() if is_postgresql else nullcontext("")


def another(url: str) -> str:
    """The URL of a new, empty database of the same server."""
    name = f"test_{uuid4().hex}"
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    engine.dispose()
    return make_url(url).set(database=name).render_as_string(hide_password=False)


def _programs() -> Path | None:
    """The folder of initdb and pg_ctl. Debian keeps them out of PATH."""
    found = shutil.which("initdb")
    if found is not None and Path(found).with_name("pg_ctl").exists():
        return Path(found).parent
    return max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)


def _run(*command: Path | str) -> None:
    user = USER if os.geteuid() == 0 else None
    subprocess.run(command, check=True, user=user, cwd="/", stdout=subprocess.DEVNULL)
