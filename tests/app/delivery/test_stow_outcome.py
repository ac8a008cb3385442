"""What is concluded from an answer: only a list of every object counts as delivered."""

import errno
import json
import re
import socket
import ssl
import time
from http.client import BadStatusLine, IncompleteRead, RemoteDisconnected
from wsgiref.handlers import format_date_time

import pytest
from pydicom.dataset import Dataset

from app.delivery.deliveries import ARRIVED, FEW_TRIES, LONGEST_WAIT_S, MANY_TRIES, ONE_TRY
from app.delivery.stow_client import Answer, TooLong, TooSlow
from app.delivery.stow_outcome import outcome_of, outcome_without_answer
from tests.app.delivery.targets import stored

NOW = 1_800_000_000.0
SENT = ["1.2.3", "1.2.4", "1.2.5"]
JSON, XML = "application/dicom+json", "application/dicom+xml"
SECRET = "Quibble"


def meaning(status: int, body: str | bytes = b"", media_type: str = JSON, retry_after: str = ""):
    body = body.encode() if isinstance(body, str) else body
    return outcome_of(Answer(status, media_type, retry_after, body), SENT, NOW)


def held_already(reason: int, *uids: str, kept: tuple[str, ...] = ()) -> str:
    """As a server answers that holds some objects from an earlier try."""
    document = json.loads(stored(*kept, failed=uids))
    for item in document["00081198"]["Value"]:
        item["00081197"] = {"vr": "US", "Value": [reason]}
    return json.dumps(document)


def xml(sequence: str, *uids: str, reason: int = 0) -> str:
    """As PS3.18 shows it: with the namespace of the Native DICOM Model."""
    items = "".join(
        f'<Item number="{number}"><DicomAttribute keyword="ReferencedSOPInstanceUID" tag="00081155" vr="UI">'
        f'<Value number="1">{uid}</Value></DicomAttribute><DicomAttribute tag="00081197" vr="US">'
        f'<Value number="1">{reason}</Value></DicomAttribute></Item>'
        for number, uid in enumerate(uids, 1)
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?><NativeDicomModel xmlns="http://dicom.nema.org/PS3.19/models/NativeDICOM">'
        f'<DicomAttribute tag="{sequence}" vr="SQ">{items}</DicomAttribute></NativeDicomModel>'
    )


def as_pydicom_writes_it() -> str:
    items = []
    for uid in SENT:
        item = Dataset()
        item.ReferencedSOPInstanceUID = uid
        items.append(item)
    answer = Dataset()
    answer.ReferencedSOPSequence = items
    return json.dumps(answer.to_json_dict())


@pytest.mark.parametrize(
    ("body", "media_type"),
    [
        (stored(*SENT), JSON),
        (stored(*SENT, "1.2.6"), "application/json"),
        (as_pydicom_writes_it(), JSON),
        (xml("00081199", *SENT), XML),
        (xml("00081199", *SENT).replace(' xmlns="http://dicom.nema.org/PS3.19/models/NativeDICOM"', ""), "text/xml"),
    ],
)
@pytest.mark.parametrize("status", [200, 202])
def test_a_list_of_every_object_is_delivered(status, body, media_type):
    assert meaning(status, body, media_type) == ARRIVED


@pytest.mark.parametrize(
    ("body", "media_type", "refused"),
    [
        (stored("1.2.3", failed=("1.2.4", "1.2.5")), JSON, 2),
        (stored(failed=tuple(SENT)), JSON, 3),
        (stored(*SENT, failed=("1.2.4",)), JSON, 1),
        (xml("00081198", "1.2.3"), XML, 1),
        ('{"0008119A": {"vr": "SQ", "Value": [{}, {}, {}, {}, {}]}}', JSON, 3),
    ],
)
def test_refused_objects_are_counted_and_final(body, media_type, refused):
    outcome = meaning(202, body, media_type)
    assert (outcome.text, outcome.tries) == (f"{refused} of 3 objects refused", ONE_TRY)


@pytest.mark.parametrize(
    ("status", "body", "media_type"),
    [
        (409, held_already(0x0111, *SENT), JSON),
        (409, held_already(45070, *SENT), JSON),
        (202, held_already(45070, "1.2.3", kept=("1.2.4", "1.2.5")), JSON),
        (409, xml("00081198", *SENT, reason=45070), XML),
    ],
)
def test_an_object_that_a_target_holds_already_is_delivered(status, body, media_type):
    """From an earlier try that it didn't confirm."""
    assert meaning(status, body, media_type) == ARRIVED


@pytest.mark.parametrize(
    "body",
    [
        held_already(0x0110, *SENT),
        held_already(0x0111, "1.2.3"),
        held_already(0x0111, "1.2.3", "1.2.4", "9.9"),
        stored(*SENT, failed=("1.2.3",)),
        SECRET,
        "",
    ],
)
def test_any_other_conflict_is_final(body):
    outcome = meaning(409, body)
    assert (outcome.text, outcome.tries) == ("refused with status 409", ONE_TRY)


@pytest.mark.parametrize("reason", [0xA700, 0xA701, 0xA7FF])
@pytest.mark.parametrize("status", [200, 202, 409])
@pytest.mark.parametrize("form", [JSON, XML])
def test_a_target_without_room_is_asked_again_later(status, reason, form):
    """It was given up at once."""
    body = held_already(reason, *SENT) if form == JSON else xml("00081198", *SENT, reason=reason)
    outcome = meaning(status, body, form, retry_after="120")
    assert (outcome.text, outcome.tries, outcome.wait_s) == ("has no room for 3 of 3 objects", MANY_TRIES, 120)


def test_a_target_without_room_for_some_objects_is_asked_again_later():
    outcome = meaning(202, held_already(0xA700, "1.2.3", kept=("1.2.4", "1.2.5")))
    assert (outcome.text, outcome.tries) == ("has no room for 1 of 3 objects", MANY_TRIES)
    nameless = '{"0008119A": {"vr": "SQ", "Value": [{"00081197": {"vr": "US", "Value": [42752]}}]}}'
    assert meaning(409, nameless).tries == MANY_TRIES


@pytest.mark.parametrize("reason", [0xA6FF, 0xA800, 0xA900, 0x0110, 0xC000])
def test_a_refusal_for_another_reason_is_final(reason):
    assert meaning(202, held_already(reason, *SENT)).tries == ONE_TRY


def test_one_object_that_is_refused_for_good_ends_the_delivery_of_all():
    document = json.loads(held_already(0xA700, "1.2.3", "1.2.4"))
    document["00081198"]["Value"][0]["00081197"]["Value"] = [0xC000]
    assert meaning(202, json.dumps(document)).text == "1 of 3 objects refused"


def test_objects_that_nobody_names_are_not_delivered():
    outcome = meaning(200, stored("1.2.3", "9.9"))
    assert (outcome.text, outcome.tries) == ("confirmed 1 of 3 objects, and didn't refuse the others", FEW_TRIES)


UNREADABLE = {
    "nothing": (b"", JSON),
    "a list": (b"[]", JSON),
    "null": (b"null", JSON),
    "a text": (b'"ok"', JSON),
    "no JSON": (b"{{{", JSON),
    "NaN": (b"NaN", JSON),
    "not UTF-8": (b"\xff\xfe{}", JSON),
    "nested deeply": (b"[" * 500_000, JSON),
    "nested objects": (b'{"a":' * 150_000, JSON),
    "a long number": (b"9" * 900_000, JSON),
    "an element that is none": (b'{"00081199": 1}', JSON),
    "a value that is none": (b'{"00081199": {"Value": "1.2.3"}}', JSON),
    "failures that are none": (b'{"00081198": {"Value": "abc"}}', JSON),
    "items that are none": (b'{"00081199": {"Value": [1, null]}}', JSON),
    "HTML": (b"<html>Log in</html>", "text/html"),
    "JSON as text": (stored(*SENT).encode(), "text/plain"),
    "no XML": (b"<html>", XML),
    "XML nested": (b"<x>" + b"<DicomAttribute><Item>" * 4096 + b"</Item></DicomAttribute>" * 4096 + b"</x>", XML),
    "XML of entities": (b'<!DOCTYPE x [<!ENTITY a "b">]>' + xml("00081199", *SENT).encode(), XML),
    "XML of entities in UTF-16": ('<!DOCTYPE x [<!ENTITY a "b">]><x/>'.encode("utf-16"), XML),
}


@pytest.mark.parametrize("what", UNREADABLE)
def test_what_cannot_be_read_is_not_delivered_and_tried_a_few_times(what):
    begun = time.monotonic()
    outcome = meaning(200, *UNREADABLE[what])
    assert outcome.text == "answered with status 200, but not with a list of the stored objects"
    assert outcome.tries == FEW_TRIES
    assert time.monotonic() - begun < 2


@pytest.mark.parametrize(
    ("body", "media_type"),
    [
        ("{}", JSON),
        ('{"00081199": {"Value": []}}', JSON),
        ('{"00081199": {"Value": [{}]}}', JSON),
        ('{"00081199": {"Value": [{"00081155": {"Value": [{}]}}]}}', JSON),
        (stored("9.9"), JSON),
        ("<a>" * 100_000 + "</a>" * 100_000, XML),
        (xml("00081199"), XML),
    ],
)
def test_a_list_of_nothing_that_was_sent_confirms_nothing(body, media_type):
    outcome = meaning(200, body, media_type)
    assert (outcome.text, outcome.tries) == ("confirmed 0 of 3 objects, and didn't refuse the others", FEW_TRIES)


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308])
def test_a_redirect_is_final(status):
    outcome = meaning(status)
    assert outcome.text.startswith("redirects")
    assert outcome.tries == ONE_TRY


@pytest.mark.parametrize(
    ("status", "tries"),
    [
        *((status, ONE_TRY) for status in (101, 400, 401, 403, 404, 405, 409, 413, 415, 422, 499)),
        *((status, MANY_TRIES) for status in (408, 429, 500, 501, 502, 503, 504, 507, 599)),
    ],
)
def test_a_refusal_is_final_unless_it_may_pass(status, tries):
    outcome = meaning(status, f"{SECRET} wasn't stored")
    assert (outcome.text, outcome.tries) == (f"refused with status {status}", tries)


@pytest.mark.parametrize(
    ("text", "wait_s"),
    [
        ("120", 120),
        (" 7 ", 7),
        (format_date_time(NOW + 3600), 3600),
        (format_date_time(NOW - 3600), 0),
        ("999999999", LONGEST_WAIT_S),
        (format_date_time(NOW + 1e8), LONGEST_WAIT_S),
        *((text, 0) for text in ("", "-5", "soon", "1e9", "\u0661\u0662", "9" * 5000, "Fri, 99 Foo 2026", "1.5")),
        ("Mon, 99 Jan 99999999999999999999 00:00:00 GMT", 0),
        ("Mon, 01 Jan 2026 00:00:00 +99999999999999999999", 0),
    ],
)
def test_a_target_may_ask_for_some_time(text, wait_s):
    assert meaning(503, retry_after=text).wait_s == meaning(429, retry_after=text).wait_s == wait_s


@pytest.mark.parametrize(
    ("error", "tries", "text"),
    [
        (ConnectionRefusedError(SECRET), MANY_TRIES, "refuses connections: check the port in its address"),
        (ConnectionResetError(SECRET), MANY_TRIES, "ended the connection without an answer"),
        (RemoteDisconnected(SECRET), MANY_TRIES, "ended the connection without an answer"),
        (IncompleteRead(SECRET.encode()), MANY_TRIES, "its answer was cut off"),
        (BadStatusLine(SECRET), MANY_TRIES, "what it answers isn't HTTP: check the port in its address"),
        (TimeoutError(SECRET), MANY_TRIES, "doesn't answer in time: check its address"),
        (socket.gaierror(-2, SECRET), MANY_TRIES, "the host in its address isn't known"),
        (OSError(errno.EHOSTUNREACH, SECRET), MANY_TRIES, "no network leads to it"),
        (OSError(errno.EADDRNOTAVAIL, SECRET), MANY_TRIES, "can't be reached: check its address"),
        (ssl.SSLError(1, SECRET), MANY_TRIES, "TLS can't be agreed on"),
        (TooSlow(), MANY_TRIES, "was too slow; the time limit for one try is over"),
        (TooLong(), FEW_TRIES, "its answer is too long to be a list of stored objects"),
        (ssl.SSLCertVerificationError(SECRET), MANY_TRIES, "its certificate isn't trusted, or is for another name"),
    ],
)
def test_what_happens_instead_of_an_answer(error, tries, text):
    outcome = outcome_without_answer(error)
    assert outcome.text.startswith(text)
    assert outcome.tries == tries
    assert not re.search("[A-Z][a-z]+[A-Z]", outcome.text), "the name of a class"
    assert len(outcome.text) < 255
