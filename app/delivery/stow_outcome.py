"""What a target's answer, or the lack of one, says about the objects that were sent to it.

What may pass is tried again for a day and a half: a target that can't be reached, is too slow or busy (408, 429, 5xx).
A clear no is final: other 4xx, refused objects, a redirect. An answer that doesn't say which objects are stored is
tried again a few times: a second object with the same UID changes nothing. No text quotes what the target sent.
"""

import re
import ssl
from collections.abc import Collection
from http.client import HTTPException
from typing import Any
from xml.etree import ElementTree

from pydantic import JsonValue, TypeAdapter
from werkzeug.http import parse_date

from app.delivery.stow_client import Answer, TooLong, TooSlow
from app.store.deliveries import ARRIVED, FEW_TRIES, MANY_TRIES, ONE_TRY, Outcome

# Statuses besides 5xx that ask for another try later (RFC 9110 15.5.9, RFC 6585 4).
BUSY = {408, 429}
CONFLICT = 409
# Seconds. A target that asks for more (Retry-After) is asked again after this time.
LONGEST_WAIT_S = 86_400.0
SECONDS = re.compile(r"[0-9]{1,9}")
# Tags of the Store Instances Response (PS3.18 table I.1-1): what is stored, what isn't, and what has no UID.
STORED, FAILED, OTHER_FAILURES, SOP_UID, REASON = "00081199", "00081198", "0008119A", "00081155", "00081197"
# Failure reasons that say that the target holds an object of this UID already: from an earlier try, because our UIDs
# are digests of the objects. 0111H (PS3.4 table B.2-1), and B00EH of some servers.
HELD_ALREADY = {str(0x0111), str(0xB00E)}
JSON_TYPES = {"application/dicom+json", "application/json"}
XML_TYPES = {"application/dicom+xml", "application/xml", "text/xml"}
JSON = TypeAdapter[Any](JsonValue)


def outcome_of(answer: Answer, sent: Collection[str], now: float) -> Outcome:
    """What an answer means.

    Args:
        answer: The target's answer.
        sent: SOP Instance UIDs of the objects that were sent.
        now: Seconds since 1970, for a Retry-After that is a date.
    """
    status = answer.status
    if 200 <= status < 300:
        return _outcome_of_list(answer, set(sent))
    if status == CONFLICT and _outcome_of_list(answer, set(sent)) == ARRIVED:  # all were held already
        return ARRIVED
    if 300 <= status < 400:
        return Outcome(f"redirects (status {status}); results are sent to the configured address only", ONE_TRY)
    if status in BUSY or status >= 500:
        return Outcome(f"refused with status {status}", MANY_TRIES, _wait_s(answer.retry_after, now))
    return Outcome(f"refused with status {status}", ONE_TRY)


def outcome_without_answer(error: OSError | HTTPException) -> Outcome:
    """What the lack of an answer means: the error raised by `app.delivery.stow_client.store`."""
    if isinstance(error, TooLong):
        return Outcome("its answer is too long to be a list of stored objects", FEW_TRIES)
    if isinstance(error, TooSlow):
        return Outcome("was too slow; the time limit for one try is over", MANY_TRIES)
    if isinstance(error, ssl.SSLCertVerificationError):
        return Outcome("its certificate isn't trusted, or is for another name", MANY_TRIES)
    return Outcome(f"can't be reached: {type(error).__name__}", MANY_TRIES)


def _outcome_of_list(answer: Answer, sent: set[str]) -> Outcome:
    try:
        stored, refused = _read(answer)
    except Exception:  # whatever it is, it isn't the answer that the standard requires
        return Outcome(f"answered with status {answer.status}, but not with a list of the stored objects", FEW_TRIES)
    if refused:
        return Outcome(f"{min(refused, len(sent))} of {len(sent)} objects refused", ONE_TRY)
    if sent <= stored:
        return ARRIVED
    return Outcome(f"confirmed {len(sent & stored)} of {len(sent)} objects, and didn't refuse the others", FEW_TRIES)


def _read(answer: Answer) -> tuple[set[str], int]:
    """UIDs of stored objects, and how many were refused. Raises any exception for any other answer."""
    if answer.media_type in XML_TYPES:
        document = _xml(answer.body)
    elif answer.media_type in JSON_TYPES:
        document = JSON.validate_json(answer.body)  # unlike json.loads, it limits how deep lists are nested
    else:
        raise ValueError
    failed = _items(document, FAILED)
    held = [item for item in failed if _value(item, REASON) in HELD_ALREADY]
    stored = {_value(item, SOP_UID) for item in (*_items(document, STORED), *held)}
    return stored, len(failed) - len(held) + len(_items(document, OTHER_FAILURES))


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
    date = parse_date(text)
    return min(max(date.timestamp() - now, 0.0), LONGEST_WAIT_S) if date else 0.0
