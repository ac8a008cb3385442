"""API keys: in the database, where `python -m app.keys` makes and revokes them, and from the environment.

Keys are stored as plain SHA-256. A slow password hash isn't needed: it protects secrets that can be guessed, and nobody
guesses 256 random bits. A lookup by digest also needs no comparison in constant time: from the time it takes, a client
could learn something about digests only, and no key can be computed from a digest.
"""

import hashlib
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from math import inf
from typing import Literal, get_args

from sqlalchemy import select, update

from app.store.database import ApiKey, Database

Scope = Literal["read", "predict", "store", "review", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
# Every key that the command makes begins like this, so that programs that look for leaked secrets can find it.
PREFIX = "cruciate_"
RANDOM_BYTES = 32
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
# Stands for the keys of a database that was lost.
UNKNOWN = "lost-with-the-database"
# Seconds. The service reads the table of keys at most once in this time, however many requests come.
CACHE_S = 2.0


class KeyNameError(ValueError):
    """A name can't be used. The message says why in one sentence."""


@dataclass(frozen=True)
class Key:
    """What the service knows about a key.

    Attributes:
        name: For people and for the audit.
        scopes: What it allows.
        ends: When it expires or was revoked, in seconds since 1970.
        own: Whether the operator chose it (CRUCIATE_API_KEYS), so that it may be easier to guess than a random one.
        digest: sha256 of the key.
    """

    name: str
    scopes: frozenset[Scope]
    ends: float = inf
    own: bool = False
    digest: str = field(default="", repr=False)


class KeyRing:
    """Finds keys for the service. Reads the database at most once in `CACHE_S` seconds.

    Args:
        database: Holds the keys that the command made.
        own: Keys from the environment. They have every scope.
    """

    def __init__(self, database: Database, own: Iterable[str] = ()) -> None:
        self._database = database
        self._own = {
            _digest(key): Key(f"environment {number}", frozenset(SCOPES), own=True, digest=_digest(key))
            for number, key in enumerate(own, start=1)
        }
        self._known: dict[str, Key] = {}
        self._read_at = -inf
        self._is_required = bool(self._own)
        self._lock = threading.Lock()

    def required(self) -> bool:
        """Whether clients need a key. This is so as soon as there is one, even if it is revoked or has expired.

        It stays so until the service ends: rows that disappear must not open the service.
        """
        self._refresh()
        return self._is_required

    def find(self, sent: str) -> Key | None:
        """The key that a client sent, which may have ended; None if there is no such key."""
        self._refresh()
        return self._known.get(_digest(sent))

    def named(self, name: str) -> Key | None:
        """The key of this name, which may have ended; None if there is none."""
        self._refresh()
        return next((key for key in self._known.values() if key.name == name), None)

    def _refresh(self) -> None:
        with self._lock:
            if time.monotonic() - self._read_at < CACHE_S:
                return
            self._known = self._own | {row.digest: _key(row) for row in all_keys(self._database)}
            self._is_required |= bool(self._known)
            self._read_at = time.monotonic()


def create(
    database: Database,
    name: str,
    scopes: Iterable[Scope],
    expires: float | None,
    clock: Callable[[], float] = time.time,
) -> str:
    """Make a key and return it. It can't be read again.

    Args:
        database: Where to keep its digest.
        name: Letters, digits, `.`, `_` and `-`.
        scopes: What it allows.
        expires: In seconds since 1970; None: never.
        clock: Gives the time in seconds since 1970.

    Raises:
        KeyNameError: The name can't be used or is taken. The name of a revoked key stays taken, so that the audit is
            clear.
    """
    if not NAME.fullmatch(name):
        raise KeyNameError("A name has 1 to 64 letters, digits, dots, hyphens or underscores; the first is no sign.")
    key = PREFIX + secrets.token_urlsafe(RANDOM_BYTES)
    row = ApiKey(name=name, digest=_digest(key), created=clock(), expires=expires, revoked=None)
    row.scopes = ",".join(scope for scope in SCOPES if scope in set(scopes))
    with database.write() as session:
        if session.get(ApiKey, name) is not None:
            raise KeyNameError(f"There is a key {name} already; choose another name.")
        session.add(row)
    return key


def require(database: Database, clock: Callable[[], float] = time.time) -> None:
    """Let every request need a key from now on, by a key that nobody knows and that has ended."""
    row = ApiKey(name=UNKNOWN, digest=_digest(secrets.token_urlsafe(RANDOM_BYTES)), created=clock(), revoked=clock())
    row.scopes = ""
    with database.write() as session:
        session.merge(row)


def revoke(database: Database, name: str, clock: Callable[[], float] = time.time) -> None:
    """End a key. Raises KeyNameError if there is none of this name that is still valid."""
    ended = update(ApiKey).where(ApiKey.name == name, ApiKey.revoked.is_(None)).values(revoked=clock())
    with database.write() as session:
        if session.scalar(ended.returning(ApiKey.name)) is None:
            raise KeyNameError("There is no key of this name, or it is revoked already.")


def all_keys(database: Database) -> list[ApiKey]:
    """Every key that the command made, the oldest first."""
    with database.read() as session:
        return list(session.scalars(select(ApiKey).order_by(ApiKey.created, ApiKey.name)))


def _key(row: ApiKey) -> Key:
    allowed = row.scopes.split(",")
    ends = min(inf if end is None else end for end in (row.expires, row.revoked))
    return Key(row.name, frozenset(scope for scope in SCOPES if scope in allowed), ends, digest=row.digest)


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
