"""What a target's answer, or the lack of one, says about the objects that were sent to it.

What may pass is tried again for a day and a half: a target that can't be reached, is too slow or busy (408, 429, 5xx),
or refuses objects only because it is out of resources (A7xx, PS3.4 B.2.3). A clear no is final: other 4xx, objects that
are refused for another reason, a redirect. An answer that doesn't say which objects are stored is tried again a few
times: a second object with the same UID changes nothing. No text quotes what the target sent.
"""

import errno
import re
import socket
import ssl
from collections.abc import Collection
from http.client import HTTPException, IncompleteRead
from typing import Any
from xml.etree import ElementTree

from pydantic import JsonValue, TypeAdapter
from werkzeug.http import parse_date

from app.delivery.deliveries import ARRIVED, FEW_TRIES, LONGEST_WAIT_S, MANY_TRIES, ONE_TRY, Outcome
from app.delivery.stow_client import Answer, TooLong, TooSlow

# Statuses besides 5xx that ask for another try later (RFC 9110 15.5.9, RFC 6585 4).
BUSY = {408, 429}
CONFLICT = 409
SECONDS = re.compile(r"[0-9]{1,9}")
# Tags of the Store Instances Response (PS3.18 table I.1-1): what is stored, what isn't, and what has no UID.
STORED, FAILED, OTHER_FAILURES, SOP_UID, REASON = "00081199", "00081198", "0008119A", "00081155", "00081197"
# Failure reasons that say that the target holds an object of this UID already: from an earlier try, because our UIDs
# are digests of the objects. 0111H (PS3.4 table B.2-1), and B00EH of some servers.
HELD_ALREADY = {str(0x0111), str(0xB00E)}
# Refused: Out of Resources, A700H to A7FFH (PS3.4 table B.2-1, PS3.18 table I.2-2).
OUT_OF_RESOURCES = {str(reason) for reason in range(0xA700, 0xA800)}
JSON_TYPES = {"application/dicom+json", "application/json"}
XML_TYPES = {"application/dicom+xml", "application/xml", "text/xml"}
JSON = TypeAdapter[Any](JsonValue)
NO_WAY = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN})
# Why there is no answer, and what a person can look at. The first class that fits counts.
UNANSWERED: tuple[tuple[type[Exception], str, int], ...] = (
    (TooLong, "its answer is too long to be a list of stored objects", FEW_TRIES),
    (TooSlow, "was too slow; the time limit for one try is over", MANY_TRIES),
    (ssl.SSLCertVerificationError, "its certificate isn't trusted, or is for another name", MANY_TRIES),
    (ssl.SSLError, "TLS can't be agreed on: check whether its address begins with https: or with http:", MANY_TRIES),
    (socket.gaierror, "the host in its address isn't known: check the address and the name service (DNS)", MANY_TRIES),
    (ConnectionRefusedError, "refuses connections: check the port in its address, and whether it runs", MANY_TRIES),
    (TimeoutError, "doesn't answer in time: check its address, whether it runs, and firewalls between", MANY_TRIES),
    (ConnectionError, "ended the connection without an answer: its own log may say why", MANY_TRIES),
    (IncompleteRead, "its answer was cut off: its own log may say why", MANY_TRIES),
    (HTTPException, "what it answers isn't HTTP: check the port in its address, and http: or https:", MANY_TRIES),
)


def outcome_of(answer: Answer, sent: Collection[str], now: float) -> Outcome:
    """What an answer means.

    Args:
        answer: The target's answer.
        sent: SOP Instance UIDs of the objects that were sent.
        now: Seconds since 1970, for a Retry-After that is a date.
    """
    status, wait_s = answer.status, _wait_s(answer.retry_after, now)
    if 200 <= status < 300:
        return _outcome_of_list(answer, set(sent), wait_s)
    if status == CONFLICT:
        listed = _outcome_of_list(answer, set(sent), wait_s)
        if listed == ARRIVED or listed.tries == MANY_TRIES:  # all were held already, or there is no room
            return listed
    if 300 <= status < 400:
        return Outcome(f"redirects (status {status}); results are sent to the configured address only", ONE_TRY)
    if status in BUSY or status >= 500:
        return Outcome(f"refused with status {status}", MANY_TRIES, wait_s)
    return Outcome(f"refused with status {status}", ONE_TRY)


def outcome_without_answer(error: OSError | HTTPException) -> Outcome:
    """What the lack of an answer means: the error raised by `app.delivery.stow_client.store`."""
    for kind, text, tries in UNANSWERED:
        if isinstance(error, kind):
            return Outcome(text, tries)
    if isinstance(error, OSError) and error.errno in NO_WAY:
        return Outcome("no network leads to it: check its address and this machine's network", MANY_TRIES)
    return Outcome("can't be reached: check its address and this machine's network", MANY_TRIES)


def _outcome_of_list(answer: Answer, sent: set[str], wait_s: float) -> Outcome:
    try:
        stored, refused, without_room = _read(answer)
    except Exception:  # whatever it is, it isn't the answer that the standard requires
        return Outcome(f"answered with status {answer.status}, but not with a list of the stored objects", FEW_TRIES)
    if refused:
        return Outcome(f"{min(refused, len(sent))} of {len(sent)} objects refused", ONE_TRY)
    if without_room:
        return Outcome(f"has no room for {min(without_room, len(sent))} of {len(sent)} objects", MANY_TRIES, wait_s)
    if sent <= stored:
        return ARRIVED
    return Outcome(f"confirmed {len(sent & stored)} of {len(sent)} objects, and didn't refuse the others", FEW_TRIES)


def _read(answer: Answer) -> tuple[set[str], int, int]:
    """UIDs of stored objects, how many were refused, and how many for want of resources only.

    Raises any exception for any other answer.
    """
    if answer.media_type in XML_TYPES:
        document = _xml(answer.body)
    elif answer.media_type in JSON_TYPES:
        document = JSON.validate_json(answer.body)  # unlike json.loads, it limits how deep lists are nested
    else:
        raise ValueError
    failed, others = _items(document, FAILED), _items(document, OTHER_FAILURES)
    held = [item for item in failed if _value(item, REASON) in HELD_ALREADY]
    stored = {_value(item, SOP_UID) for item in (*_items(document, STORED), *held)}
    without_room = sum(_value(item, REASON) in OUT_OF_RESOURCES for item in (*failed, *others))
    return stored, len(failed) - len(held) + len(others) - without_room, without_room


def _items(document: dict[str, Any], tag: str) -> list[Any]:
    items = document.get(tag, {}).get("Value", [])
    if not isinstance(items, list):
        raise ValueError
    return items


def _value(item: dict[str, Any], tag: str) -> str:
    """The first value of an attribute as text; empty if there is none."""
    return str((item.get(tag, {}).get("Value") or [""])[0])


def _xml(body: bytes) -> dict[str, Any]:
    """The Native DICOM Model (PS3.19 A.1) in the structure of DICOM JSON. Raises any exception for anything else."""
    text = body.decode("utf-8-sig")
    if "<!DOCTYPE" in text:  # may declare entities, which could make it huge
        raise ValueError
    return _attributes(ElementTree.fromstring(text))


def _attributes(parent: ElementTree.Element) -> dict[str, Any]:
    found = {}
    for attribute in parent.iterfind("{*}DicomAttribute"):
        items: list[Any] = [_attributes(item) for item in attribute.iterfind("{*}Item")]
        found[attribute.get("tag", "")] = {
            "Value": items + [(value.text or "").strip() for value in attribute.iterfind("{*}Value")]
        }
    return found


def _wait_s(retry_after: str, now: float) -> float:
    """Seconds that a Retry-After header asks for (RFC 9110 10.2.3), within the limit; 0 for any other text."""
    text = retry_after.strip()
    if SECONDS.fullmatch(text):
        return min(float(text), LONGEST_WAIT_S)
    try:
        date = parse_date(text)
    except OverflowError:  # a year of many digits
        return 0.0
    return min(max(date.timestamp() - now, 0.0), LONGEST_WAIT_S) if date else 0.0
