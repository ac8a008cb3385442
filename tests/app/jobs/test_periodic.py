"""Rounds that come by themselves, and end when they should."""

import threading
import time

from app.jobs.periodic import Periodic

SOON_S = 10
NEVER_S, PAUSE_S = 3600.0, 0.5


def test_a_round_that_has_more_to_do_is_followed_at_once():
    """The first round comes after the pause; the pause after the last one is never seen."""
    left, over, begun = [True, True, False], threading.Event(), time.monotonic()

    def work() -> bool:
        if len(left) == 1:
            over.set()
        return left.pop(0)

    rounds = Periodic("test", work, PAUSE_S)
    rounds.start()
    assert over.wait(SOON_S)
    assert PAUSE_S <= time.monotonic() - begun < 3 * PAUSE_S
    rounds.stop()


def test_what_a_round_raises_is_logged_and_ends_nothing(caplog):
    rounds = Periodic("test", lambda: [][0], NEVER_S)
    assert rounds.once() is False
    assert rounds.once() is False
    assert caplog.text.count("unexpected IndexError") == 2


def test_stopping_does_not_wait_for_a_round_that_is_stuck():
    stuck, begun = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        stuck.wait(SOON_S)

    rounds = Periodic("test", work, 0.001)
    rounds.start()
    assert begun.wait(SOON_S)
    before = time.monotonic()
    rounds.stop(0.01)
    assert time.monotonic() - before < SOON_S / 2
    stuck.set()
