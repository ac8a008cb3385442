"""Logging in with a key: a form that sends it once, and a cookie for the time that follows.

The cookie can't be read by scripts (HttpOnly), isn't sent with requests of other sites (SameSite=Strict), nor without
TLS where the page came by TLS (Secure). A second cookie, which our scripts read, has what a request must carry that
changes something.
"""

import re
from http import HTTPStatus

from flask import Blueprint, Response, current_app, request
from werkzeug.exceptions import HTTPException, TooManyRequests, Unauthorized

from app.contract.problems import problem_of
from app.http.keys import COOKIE, EXTENSION, Access, asks, log_in, log_out
from app.store.sessions import csrf_token
from app.viewer.pages import HEADERS, page

blueprint = Blueprint("login", __name__)

CSRF_COOKIE = "cruciate_csrf"
# Where somebody may want to go to after logging in: an address here, and nowhere else.
HERE = re.compile(r"(/(?!/)[A-Za-z0-9_./~%-]*)(?:\?[A-Za-z0-9_=&%.,:+-]*)?")
# A key is shorter. What is longer is refused before it is read.
FORM_BYTES = 4096


@blueprint.get("/login")
def form() -> Response:
    """The form; or the worklist, where nobody is asked for a key."""
    return _form("") if asks() else _to(_next())


@blueprint.post("/login")
def submit() -> Response:
    """Begin a session."""
    request.max_content_length = FORM_BYTES
    try:
        token = log_in(request.form.get("key", "").strip())
    except (Unauthorized, TooManyRequests) as error:
        refused = _form(problem_of(error).detail)
        refused.status_code = error.code or HTTPStatus.UNAUTHORIZED
        refused.headers.extend((name, value) for name, value in error.get_headers() if name == "Retry-After")
        return refused
    response = _to(_next())
    access: Access = current_app.extensions[EXTENSION]
    seconds = int(access.sessions.last_s) if access.sessions else 0
    for name, value in ((COOKIE, token), (CSRF_COOKIE, csrf_token(token))):
        hidden = name == COOKIE
        response.set_cookie(
            name, value, max_age=seconds, secure=request.is_secure, httponly=hidden, samesite="Strict", path="/"
        )
    return response


@blueprint.post("/logout")
def leave() -> Response:
    """End the session."""
    log_out()
    response = Response(status=HTTPStatus.NO_CONTENT)
    for name in (COOKIE, CSRF_COOKIE):
        response.delete_cookie(name, path="/", samesite="Strict", secure=request.is_secure)
    return response


def _form(problem: str) -> Response:
    return page("login.html", problem=problem, next=_next(), is_secure=request.is_secure)


def _next() -> str:
    """Where the person wants to go to, if we have such a page."""
    wanted = request.values.get("next", "/")
    if not (here := HERE.fullmatch(wanted)):
        return "/"
    try:
        endpoint, _ = current_app.url_map.bind("").match(here[1], "GET")
    except HTTPException:
        return "/"
    return "/" if endpoint.startswith(f"{blueprint.name}.") else wanted


def _to(address: str) -> Response:
    response = Response(status=HTTPStatus.SEE_OTHER, headers=HEADERS)
    response.headers["Location"] = address
    return response
