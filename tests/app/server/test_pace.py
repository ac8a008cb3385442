import socket
import threading
import time

import pytest

from app.server import pace
from app.server.pace import Pace, PacedSocket


@pytest.fixture
def pair(monkeypatch):
    """Our end of a connection with short limits, and the client's end."""
    monkeypatch.setattr(pace, "GRACE_S", 0.2)
    ours, theirs = socket.socketpair()
    with PacedSocket(ours) as paced, theirs:
        yield paced, theirs


def test_waiting_uses_up_what_bytes_bring_back():
    watch = Pace()
    assert watch.left_s() == pace.GRACE_S
    watch.count(5.0, 2 * pace.LEAST_RATE)
    assert watch.left_s() == pytest.approx(pace.GRACE_S - 3)
    watch.count(0.0, 1 << 40)
    assert watch.left_s() == pace.GRACE_S
    for _ in range(int(pace.TOTAL_S / 10)):
        watch.count(10.0, 1 << 20)
    assert watch.left_s() <= 0


def test_silence_ends_a_read(pair):
    ours, _ = pair
    begun = time.monotonic()
    for _ in range(5):
        with pytest.raises(TimeoutError):
            ours.recv(10)
    assert time.monotonic() - begun < 0.3


def test_a_trickle_ends_although_each_byte_comes_soon(pair):
    ours, theirs = pair
    theirs.sendall(b"x")
    begun = time.monotonic()
    over = threading.Event()

    def trickle() -> None:
        while not over.wait(0.03):
            theirs.sendall(b"x")

    def read_all() -> None:
        while ours.recv(1):
            pass

    client = threading.Thread(target=trickle)
    client.start()
    with pytest.raises(TimeoutError):
        read_all()
    over.set()
    client.join()
    assert time.monotonic() - begun < 5


def test_time_that_we_spend_ourselves_isnt_counted(pair):
    ours, theirs = pair
    theirs.sendall(b"xy")
    assert ours.recv(1) == b"x"
    time.sleep(0.3)
    assert ours.recv(1) == b"y"


def test_a_client_that_reads_nothing_counts_as_gone(pair):
    ours, _ = pair
    with pytest.raises(BrokenPipeError):
        ours.sendall(bytes(32 << 20))


def test_a_large_answer_arrives(pair):
    ours, theirs = pair
    sender = threading.Thread(target=ours.sendall, args=(bytes(8 << 20),))
    sender.start()
    received = 0
    while received < 8 << 20:
        received += len(theirs.recv(1 << 20))
    sender.join()


def test_the_next_request_begins_anew(pair):
    ours, theirs = pair
    with pytest.raises(TimeoutError):
        ours.recv(1)
    ours.begin()
    theirs.sendall(b"x")
    assert ours.recv(1) == b"x"
