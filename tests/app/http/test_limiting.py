"""Counting in periods: when it refuses, for how long, and that it forgets."""

import time
from typing import Any

import pytest
from limits import RateLimitItemPerSecond

from app.http.limiting import Limit

pytestmark = pytest.mark.slow


def limit(amount: int = 3) -> Limit:
    return Limit(RateLimitItemPerSecond(amount))


def test_a_client_is_stopped_and_others_are_not():
    counting = limit()
    assert [counting.count("a") for _ in range(5)] == [True, True, True, False, False]
    assert (counting.is_reached("a"), counting.is_reached("b")) == (True, False)
    assert counting.count("b")


def test_the_refusal_says_when_to_come_again():
    counting = limit(1)
    counting.count("a")
    refusal = counting.refusal("a", "Too many.")
    assert (refusal.code, dict(refusal.get_headers())["Retry-After"]) == (429, "1")
    time.sleep(1.05)
    assert not counting.is_reached("a")


def test_what_is_over_takes_no_memory():
    counting = limit()
    for number in range(5000):
        counting.count(f"2001:db8:{number:x}::/64")
    time.sleep(1.05)
    counting.count("a")
    storage: Any = counting._limiter.storage
    deadline = time.monotonic() + 5
    while len(storage.storage) > 1 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert (len(storage.storage), len(storage.expirations), len(storage.events)) == (1, 1, 0)
    assert len(storage.locks) <= 1
