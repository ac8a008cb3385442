"""What answers take of the disk, all together."""

import tempfile

import pytest
from werkzeug.exceptions import TooManyRequests

from app.apart.room import Room


@pytest.fixture
def room() -> Room:
    return Room(10)


@pytest.fixture
def file():
    with tempfile.TemporaryFile() as file:
        file.write(b"6 byte")
        file.flush()
        file.seek(0)
        yield file


def test_a_kept_file_can_be_read_after_the_other_handle_is_closed(room, file):
    kept = room.keep(file)
    file.close()
    with kept:
        assert kept.read() == b"6 byte"


# A file that nobody closes is the question here.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_what_is_too_much_for_the_room_is_refused_until_something_was_read(room, file):
    kept = room.keep(file)
    for _ in range(2):
        with pytest.raises(TooManyRequests, match="haven't been read"):
            room.keep(file)
    kept.close()
    del kept
    again = room.keep(file)
    del again  # nobody has read it, and nobody will
    room.keep(file).close()
