"""Sessions of people who have logged in with a key, so that their browser needn't keep the key.

A browser keeps a random token in a cookie. The database holds what can be computed from it, never the token itself, so
nobody can use what is read there. A session ends when its time is over, when somebody logs out, or with its key.
"""

import hashlib
import secrets
import time
from collections.abc import Callable

from sqlalchemy import delete, select

from app.store.database import Database, LoggedIn
from app.store.keys import Key, KeyRing

RANDOM_BYTES = 32


class Sessions:
    """Begins, finds and ends sessions.

    Args:
        database: Holds them, so all services that share it know them.
        keys: The keys.
        last_s: How many seconds a session lasts.
        clock: Gives the time in seconds since 1970.
    """

    def __init__(
        self, database: Database, keys: KeyRing, last_s: float, clock: Callable[[], float] = time.time
    ) -> None:
        self._database, self._keys, self._clock = database, keys, clock
        self.last_s = last_s

    def begin(self, key: Key) -> str:
        """Begin a session of somebody who has sent a valid key. Returns its token."""
        token = secrets.token_urlsafe(RANDOM_BYTES)
        row = LoggedIn(digest=_digest(token), key=key.name, bound=_digest(token, key.digest))
        row.expires = self._clock() + self.last_s
        with self._database.write() as session:
            session.execute(delete(LoggedIn).where(LoggedIn.expires <= self._clock()))
            session.add(row)
        return token

    def find(self, token: str) -> Key | None:
        """The key that a session was begun with, if both are still valid."""
        with self._database.read() as session:
            row = session.execute(select(LoggedIn).where(LoggedIn.digest == _digest(token))).scalar_one_or_none()
        key = self._keys.named(row.key) if row else None
        if row is None or key is None or min(row.expires, key.ends) <= self._clock():
            return None
        # An operator's key may have another value now, under the same name.
        return key if row.bound == _digest(token, key.digest) else None

    def end(self, token: str) -> None:
        """End a session, if there is one."""
        with self._database.erase() as session:
            session.execute(delete(LoggedIn).where(LoggedIn.digest == _digest(token)))


def csrf_token(token: str) -> str:
    """What a request that changes something must carry besides the cookie: only our own pages can read it."""
    return _digest(token, "request")


def _digest(*parts: str) -> str:
    return hashlib.sha256("/".join(parts).encode()).hexdigest()
