"""Associations with systems that say no, say nothing, or take their time."""

import socket
import threading
import time

import pytest
from pydicom.uid import MRImageStorage
from pynetdicom.presentation import build_context

from app.associations.address import Address
from app.associations.opening import NotOpened, Ours, Patience, TooSlow, association
from app.dimse.contexts import COMMITMENT
from tests.app.partners import UNCLOSED, answering, free_port

pytestmark = [pytest.mark.slow, UNCLOSED]

MR = (build_context(MRImageStorage),)
HURRIED = Patience(connect_s=0.5, silence_s=0.3, total_s=0.8)


def test_an_association_is_released_at_the_end():
    with answering(0x0000) as port:
        with association(Address("PACS", "127.0.0.1", port), Ours("US"), MR, Patience()) as opened:
            assert opened.is_established
        assert opened.is_released


def opened_at(port: int, contexts=MR) -> None:
    with association(Address("PACS", "127.0.0.1", port), Ours("US"), contexts, HURRIED):
        raise AssertionError


def test_nobody_listens():
    with pytest.raises(NotOpened, match="can't be reached") as error:
        opened_at(free_port())
    assert not error.value.final


def test_none_of_the_proposed_kinds_is_accepted():
    with answering(0x0000) as port, pytest.raises(NotOpened, match="none of the kinds") as error:
        opened_at(port, [build_context(COMMITMENT)])
    assert error.value.final


@pytest.mark.parametrize(("result", "final"), [(1, True), (2, False)])
def test_a_rejection_is_for_good_or_for_now(result, final):
    """A-ASSOCIATE-RJ (PS3.8 9.3.4)."""
    with (
        _saying(bytes([3, 0, 0, 0, 0, 4, 0, result, 1, 1])) as port,
        pytest.raises(NotOpened, match="rejects") as error,
    ):
        opened_at(port)
    assert error.value.final == final


class _saying:
    """A system that answers a connection with some bytes, one after another, and keeps it."""

    def __init__(self, content: bytes, every_s: float = 0.0) -> None:
        self._content, self._every_s = content, every_s
        self._server = socket.create_server(("127.0.0.1", 0))

    def __enter__(self) -> int:
        threading.Thread(target=self._serve, daemon=True).start()
        return int(self._server.getsockname()[1])

    def __exit__(self, *_: object) -> None:
        self._server.close()

    def _serve(self) -> None:
        connection, _ = self._server.accept()
        with connection:
            for byte in self._content:
                time.sleep(self._every_s)
                try:
                    connection.sendall(bytes([byte]))
                except OSError:
                    return
            while connection.recv(4096):
                pass


def test_who_says_nothing_is_given_up():
    with _saying(b"") as port, pytest.raises(NotOpened, match="can't be reached"):
        opened_at(port)


def test_who_answers_byte_by_byte_is_given_up_when_the_time_is_over():
    """Each byte comes before the silence is too long."""
    with _saying(bytes([2, 0, 0, 0, 1, 0]) + bytes(1000), every_s=0.1) as port, pytest.raises((TooSlow, NotOpened)):
        opened_at(port)
    left = [one.name for one in threading.enumerate() if one.name.startswith("RequestorThread")]
    assert left == []
