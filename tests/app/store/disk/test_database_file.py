import gc
import sqlite3
from pathlib import Path

import pytest

from app.store.database import Database, sqlite_url
from app.store.disk.database_file import DatabaseFile, FileGone
from tests import warm


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


@pytest.mark.slow
def test_a_check_keeps_the_locks_of_open_connections(tmp_path):
    """Without them, another process that closes the database deletes what was written last (the WAL)."""
    url = sqlite_url(tmp_path / "y.db")
    database = Database(url)
    with database.read():
        pass
    database.check()
    opener = "import sys; from app.store.database import Database; Database(sys.argv[1]).close()"
    assert warm.run("-c", opener, url).returncode == 0
    assert (tmp_path / "y.db-wal").exists()
    database.close()


@pytest.mark.slow
def test_another_one_s_end_keeps_the_locks_of_open_connections(tmp_path):
    """Closing any descriptor of the file would drop the locks of the whole process."""
    url = sqlite_url(tmp_path / "z.db")
    database = Database(url)
    with database.read():
        pass
    Database(url).close()
    opener = "import sys; from app.store.database import Database; Database(sys.argv[1]).close()"
    assert warm.run("-c", opener, url).returncode == 0
    assert (tmp_path / "z.db-wal").exists()
    database.close()


def descriptors_of(path: Path) -> int:
    return sum(link.resolve() == path for link in Path("/proc/self/fd").iterdir())


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="only Linux shows which files a process has open")
@pytest.mark.parametrize("last", ["closed", "forgotten"])
def test_the_last_end_closes_everything(tmp_path, last):
    path = tmp_path / "z.db"
    first, second = Database(sqlite_url(path)), Database(sqlite_url(path))
    first.close()
    assert descriptors_of(path)
    if last == "closed":
        second.close()
    else:
        del second
        gc.collect()
    assert not descriptors_of(path)
