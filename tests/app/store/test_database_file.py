import sqlite3

import pytest

from app.store.database_file import DatabaseFile, FileGone


@pytest.fixture
def path(tmp_path):
    with sqlite3.connect(tmp_path / "x.db") as database:
        database.execute("CREATE TABLE x (y)")
    database.close()
    return tmp_path / "x.db"


def test_the_same_file_is_in_order_wherever_it_grew(path):
    file = DatabaseFile.of(path)
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
    file = DatabaseFile.of(path)
    change(path)
    with pytest.raises(FileGone) as gone:
        file.check()
    assert said in gone.value.strerror
