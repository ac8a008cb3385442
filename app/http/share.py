"""How much of the queue one caller may fill (CRUCIATE_KEY_SHARE), so that others can still send studies.

Counted in this process: studies that are waiting when the service starts again are nobody's.
"""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any

from flask import Flask, g, request
from werkzeug.exceptions import TooManyRequests

from app.http.scopes import needed

RETRY_AFTER_S = 5


class Shares:
    """Counts the studies of each caller that are being received, waiting or computed.

    Args:
        most: How many one caller may have.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken: Counter[str] = Counter()
        self._lock = threading.Lock()

    def take(self, caller: str) -> Callable[[], None]:
        """Take a place, and return what gives it back. Raises TooManyRequests if the caller has too many."""
        with self._lock:
            if self._taken[caller] >= self._most:
                reason = f"{self._most} studies of this key or user are waiting already."
                raise TooManyRequests(reason, retry_after=RETRY_AFTER_S)
            self._taken[caller] += 1
        return partial(self._give_back, caller)

    def _give_back(self, caller: str) -> None:
        with self._lock:
            self._taken[caller] -= 1
            self._taken += Counter()  # forgets callers without a place


def register(app: Flask, share: float, queue: int) -> None:
    """Give each caller at most this part of the queue, at least one place. Must be registered after the keys."""
    shares = Shares(max(1, int(share * queue)))

    def begin() -> None:
        predicts = request.url_rule is not None and needed(request.method, request.url_rule.rule) == "predict"
        if predicts and g.caller.id:
            g.give_back = shares.take(g.caller.id)

    def end(_: BaseException | None) -> None:
        if (give_back := g.pop("give_back", None)) is None:
            return
        answer: Future[Any] | None = g.get("answer")
        if answer is None:
            give_back()
        else:  # the study keeps its place until it is answered
            answer.add_done_callback(lambda _: give_back())

    if share < 1:
        app.before_request(begin)
        app.teardown_request(end)
