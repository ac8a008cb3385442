import sqlite3
import subprocess
import sys

import pytest

from app.store.database import Database, sqlite_url
from app.store.database_file import DatabaseFile, FileGone


@pytest.fixture
def path(tmp_path):
    with sqlite3.connect(tmp_path / "x.db") as database:
        database.execute("CREATE TABLE x (y)")
    database.close()
    return tmp_path / "x.db"


def test_the_same_file_is_in_order_wherever_it_grew(path):
    file = DatabaseFile(path)
    with sqlite3.connect(path) as database:
        database.execute("INSERT INTO x VALUES (1)")
    database.close()
    file.check()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda path: path.unlink(), "gone"),
        (lambda path: path.write_bytes(b""), "damaged"),
        (lambda path: path.write_bytes(b"garbage" * 100), "damaged"),
        (lambda path: (path.rename(path.parent / "other"), path.touch()), "replaced"),
    ],
)
def test_another_file_is_told(path, change, said):
    file = DatabaseFile(path)
    change(path)
    with pytest.raises(FileGone) as gone:
        file.check()
    assert said in gone.value.strerror


def test_a_check_keeps_the_locks_of_open_connections(tmp_path):
    """Without them, another process that closes the database deletes what was written last (the WAL)."""
    url = sqlite_url(tmp_path / "y.db")
    database = Database(url)
    with database.read():
        pass
    database.check()
    opener = "import sys; from app.store.database import Database; Database(sys.argv[1]).close()"
    subprocess.run([sys.executable, "-c", opener, url], check=True)
    assert (tmp_path / "y.db-wal").exists()
    database.close()
