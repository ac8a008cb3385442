"""Who may do what: API keys (`Authorization: Bearer KEY` or `X-API-Key: KEY`), or a user that a trusted proxy names.

For everything under `PROTECTED`. Without any key and without such a proxy nothing is asked, and the gunicorn
configuration allows loopback only.
"""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from flask import Flask, g, request
from limits import RateLimitItemPerMinute
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Forbidden, Unauthorized

from app.http.address import Proxies, counted_as
from app.http.limiting import WRONG_KEYS, Limit
from app.http.scopes import needed
from app.store.keys import SCOPES, Key, KeyRing, Scope

# Paths that begin like this need a key.
PROTECTED = ("/v1/", "/dicom-web/")
# Headers that may contain a key.
HEADERS = ("Authorization", "X-API-Key")
# A name of a user as proxies send it: an account or an e-mail address. Two headers would arrive with a comma.
USER = re.compile(r"[\w.@+\\-]{1,64}", re.ASCII)


@dataclass(frozen=True)
class Caller:
    """Who sent a request.

    Attributes:
        key: Name of the API key, if one was sent.
        user: Name of the user, if a trusted proxy named one.
        scopes: What the caller may do.
    """

    scopes: frozenset[Scope] = frozenset(SCOPES)
    key: str | None = None
    user: str | None = None

    @property
    def id(self) -> str:
        """Distinguishes callers; empty if nobody is asked who they are."""
        return f"key {self.key}" if self.key else f"user {self.user}" if self.user else ""


@dataclass(frozen=True)
class Access:
    """The rules of access.

    Attributes:
        keys: The keys.
        proxies: The trusted proxies.
        user_header: The header in which a trusted proxy names the user; empty: none.
        user_scopes: What such a user may do.
        rate: How many requests a caller may send in a minute; 0: any number.
        clock: Gives the time in seconds since 1970.
    """

    keys: KeyRing
    proxies: Proxies = field(default_factory=lambda: Proxies(()))
    user_header: str = ""
    user_scopes: frozenset[Scope] = frozenset()
    rate: int = 0
    clock: Callable[[], float] = time.time


def register(app: Flask, access: Access) -> None:
    """Apply these rules to every request of `app`.

    While a request is handled, `g.caller` says who sent it, and `g.address` from where. `g.unaudited` is true if so
    many requests of this address were refused already that this one must not fill the disk.
    """
    gate = _Gate(access)

    def check() -> None:
        g.caller, g.address = Caller(), access.proxies.client(request)
        # Before a page sends a key, its browser asks without one whether it may.
        if request.path.startswith(PROTECTED) and request.method != "OPTIONS":
            gate.check()

    app.before_request(check)


class _Gate:
    def __init__(self, access: Access) -> None:
        self._access = access
        self._wrong_keys = Limit(WRONG_KEYS)
        self._noted = Limit(WRONG_KEYS)
        self._rate = Limit(RateLimitItemPerMinute(access.rate)) if access.rate else None

    def check(self) -> None:
        access = self._access
        if not access.keys.required() and not access.user_header:
            return
        g.caller = caller = self._caller()
        if self._rate and not self._rate.count(caller.id):
            g.unaudited = not self._noted.count(caller.id)
            raise self._rate.refusal(caller.id, f"More than {access.rate} requests came in a minute.")
        scope = needed(request.method, request.url_rule.rule) if request.url_rule else None
        if scope and scope not in caller.scopes:
            raise Forbidden(f"This needs the scope {scope}, which the key or user doesn't have.")

    def _caller(self) -> Caller:
        bearer = request.authorization.token if request.authorization else None
        if sent := request.headers.get("X-API-Key") or bearer:
            key = self._valid(sent)
            return Caller(key.scopes, key=key.name)
        if user := self._user():
            return Caller(self._access.user_scopes, user=user)
        raise self._refusal(f"Send an API key in {' or '.join(HEADERS)}.")

    def _valid(self, sent: str) -> Key:
        """The key. Raises Unauthorized, or TooManyRequests after too many wrong ones from the same address."""
        address = counted_as(g.address)
        key = self._access.keys.find(sent)
        # An own key is refused for the rest of the minute, too: otherwise guesses would go on at full speed, and the
        # right one would be seen. A key of the command passes: it can't be guessed, and so nobody who shares this
        # address can lock its holder out.
        if (key is None or key.own) and self._wrong_keys.is_reached(address):
            g.unaudited = True
            raise self._wrong_keys.refusal(address, "Too many wrong API keys came from this address.")
        if key is None:
            self._wrong_keys.count(address)
            raise self._refusal("This API key isn't one of ours.")
        if key.ends <= self._access.clock():
            raise self._refusal("This API key has expired or was revoked.", key.name)
        return key

    def _user(self) -> str | None:
        """The user that a trusted proxy names."""
        header = self._access.user_header
        if not header or not self._access.proxies.sent(request) or not (name := request.headers.get(header)):
            return None
        if not USER.fullmatch(name):
            raise self._refusal("The proxy's name of the user has characters that aren't allowed.")
        return name

    def _refusal(self, reason: str, key: str | None = None) -> Unauthorized:
        g.caller = Caller(frozenset(), key=key)
        g.unaudited = not self._noted.count(counted_as(g.address))
        return Unauthorized(reason, www_authenticate=WWWAuthenticate("bearer", {"realm": "cruciate"}))
