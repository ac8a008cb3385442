"""Who may do what: API keys (`Authorization: Bearer KEY` or `X-API-Key: KEY`), sessions, users that a proxy names.

A session is that of somebody who has logged in with a key on a page (app/viewer/login.py): a cookie in place of the
key. A browser sends cookies, and what a proxy adds, also with requests of other pages, so such requests may change
something only if they come from our own pages.

For everything under `PROTECTED`. Without any key and without such a proxy nothing is asked, and the gunicorn
configuration allows loopback only.
"""

import hmac
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from flask import Flask, current_app, g, request
from limits import RateLimitItemPerMinute
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Forbidden, Unauthorized

from app.http.address import Proxies, counted_as
from app.http.limiting import WRONG_KEYS, Limit
from app.http.scopes import needed
from app.store.keys import SCOPES, Key, KeyRing, Scope
from app.store.sessions import Sessions, csrf_token

# Paths that begin like this need a key.
PROTECTED = ("/v1/", "/dicom-web/")
EXTENSION, GATE = "cruciate-access", "cruciate-gate"
# Headers that may contain a key.
HEADERS = ("Authorization", "X-API-Key")
# The cookie with the token of a session, and the header with what only our own pages can know of it.
COOKIE, CSRF_HEADER = "cruciate_session", "X-CSRF-Token"
READING = ("GET", "HEAD", "OPTIONS")
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
        sessions: The sessions; None: nobody can log in.
        proxies: The trusted proxies.
        user_header: The header in which a trusted proxy names the user; empty: none.
        user_scopes: What such a user may do.
        rate: How many requests a caller may send in a minute; 0: any number.
        clock: Gives the time in seconds since 1970.
    """

    keys: KeyRing
    sessions: Sessions | None = None
    proxies: Proxies = field(default_factory=lambda: Proxies(()))
    user_header: str = ""
    user_scopes: frozenset[Scope] = frozenset()
    rate: int = 0
    clock: Callable[[], float] = time.time

    def asks(self) -> bool:
        """Whether anybody is asked who they are."""
        return bool(self.user_header) or self.keys.required()


def asks() -> bool:
    """Whether a key or a user is needed for what is protected in the current app."""
    access: Access = current_app.extensions[EXTENSION]
    return access.asks()


def needs_login() -> bool:
    """Whether the sender of the current request, a person at a page, must log in before reading what is protected."""
    return asks() and not current_app.extensions[GATE].knows()


def log_in(sent: str) -> str:
    """Begin a session with a key. Returns its token.

    Raises:
        Unauthorized: The key isn't valid.
        TooManyRequests: Too many wrong keys came from this address.
    """
    access: Access = current_app.extensions[EXTENSION]
    if access.sessions is None:
        raise Forbidden("Nobody can log in here.")
    refuse_other_pages()
    key = current_app.extensions[GATE].valid(sent)
    g.caller = Caller(key.scopes, key=key.name)
    return access.sessions.begin(key)


def log_out() -> None:
    """End the session of the current request. Raises Forbidden for a request that isn't from our own pages."""
    access: Access = current_app.extensions[EXTENSION]
    token = request.cookies.get(COOKIE, "")
    if access.sessions is None or (key := access.sessions.find(token)) is None:
        return
    require_csrf_token(token)
    g.caller = Caller(key.scopes, key=key.name)
    access.sessions.end(token)


def require_csrf_token(token: str) -> None:
    """Refuse a request of another page, which may change something, in a session."""
    if not hmac.compare_digest(request.headers.get(CSRF_HEADER, "").encode(), csrf_token(token).encode()):
        raise Forbidden(f"A request that changes something in a session must carry {CSRF_HEADER}.")


def refuse_other_pages() -> None:
    """Refuse a request that may change something if a browser says that a page of another site has sent it.

    Browsers send this header, and pages can't set it (W3C, Fetch Metadata Request Headers).
    """
    if request.method not in READING and request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
        raise Forbidden("A page of another site can't change anything here.")


def register(app: Flask, access: Access) -> None:
    """Apply these rules to every request of `app`.

    While a request is handled, `g.caller` says who sent it, and `g.address` from where. `g.unaudited` is true if so
    many requests of this address were refused already that this one must not fill the disk.
    """
    app.extensions[EXTENSION] = access
    app.extensions[GATE] = gate = _Gate(access)

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
        if not access.asks():
            refuse_other_pages()
            return
        g.caller = caller = self._caller()
        if self._rate and not self._rate.count(caller.id):
            g.unaudited = not self._noted.count(caller.id)
            raise self._rate.refusal(caller.id, f"More than {access.rate} requests came in a minute.")
        scope = needed(request.method, request.url_rule.rule) if request.url_rule else None
        if scope and scope not in caller.scopes:
            raise Forbidden(f"This needs the scope {scope}, which the key or user doesn't have.")

    def knows(self) -> bool:
        """Whether the current request has a session, or a key or a user, which are checked where they are needed."""
        access = self._access
        if _sent_key() or self._named():
            return True
        return access.sessions is not None and access.sessions.find(request.cookies.get(COOKIE, "")) is not None

    def _caller(self) -> Caller:
        if sent := _sent_key():
            key = self.valid(sent)
            return Caller(key.scopes, key=key.name)
        refuse_other_pages()
        if user := self._user():
            return Caller(self._access.user_scopes, user=user)
        if token := request.cookies.get(COOKIE):
            return self._of_session(token)
        raise self._refusal(f"Send an API key in {' or '.join(HEADERS)}.")

    def _of_session(self, token: str) -> Caller:
        sessions = self._access.sessions
        if sessions is None or (key := sessions.find(token)) is None:
            raise self._refusal("The session has ended; log in again.")
        g.caller = Caller(key.scopes, key=key.name)
        if request.method not in READING:
            require_csrf_token(token)
        return Caller(key.scopes, key=key.name)

    def valid(self, sent: str) -> Key:
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
        name = self._named()
        if name and not USER.fullmatch(name):
            raise self._refusal("The proxy's name of the user has characters that aren't allowed.")
        return name

    def _named(self) -> str | None:
        """The same before it is checked."""
        header = self._access.user_header
        return request.headers.get(header) or None if header and self._access.proxies.sent(request) else None

    def _refusal(self, reason: str, key: str | None = None) -> Unauthorized:
        g.caller = Caller(frozenset(), key=key)
        g.unaudited = not self._noted.count(counted_as(g.address))
        return Unauthorized(reason, www_authenticate=WWWAuthenticate("bearer", {"realm": "cruciate"}))


def _sent_key() -> str | None:
    return request.headers.get("X-API-Key") or (request.authorization.token if request.authorization else None)
