"""Limits on requests: wrong keys from an address, and requests with one key. In memory, for this process.

A count is forgotten when its minute is over. So the memory is bounded by the requests that the service can answer in a
minute, however many addresses they come from.
"""

import math
import time

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter
from werkzeug.exceptions import TooManyRequests

# Wrong keys from one address in a minute. A person who copies a key wrongly needs a few tries.
WRONG_KEYS = RateLimitItemPerMinute(10, namespace="wrong key")


class Limit:
    """Counts acts of each client in periods that begin with the first act."""

    def __init__(self, limit: RateLimitItem) -> None:
        self._limit = limit
        self._limiter = FixedWindowRateLimiter(MemoryStorage())

    def count(self, client: str) -> bool:
        """Count an act. Returns whether it is within the limit."""
        return self._limiter.hit(self._limit, client)

    def is_reached(self, client: str) -> bool:
        """Whether another act would be too many."""
        return not self._limiter.test(self._limit, client)

    def refusal(self, client: str, reason: str) -> TooManyRequests:
        """The error for a client that has reached the limit."""
        seconds = self._limiter.get_window_stats(self._limit, client).reset_time - time.time()
        return TooManyRequests(reason, retry_after=max(1, math.ceil(seconds)))
