"""Sends mutants to a running service, and reads back what it stores."""

import json
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

from tests.app.announced import Document, fault, operations
from tests.app.dicomweb.messages import RELATED, body
from tests.app.mutants.damage import ANY, DICOM, ZIP, Chance
from tests.app.mutants.sources import Source
from tests.app.studies import zipped

PREDICTIONS, STUDIES = "/v1/predictions", "/dicom-web/studies"
INSTANCE = "/dicom-web/studies/{study}/series/{series}/instances/{instance}"
FORM = "multipart/form-data; boundary=x"
PART = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
ANSWER_S = 60.0
# What is asked of a stored mutant, and with which Accept.
READ_BACK = (
    ("/metadata", "/metadata", "*/*"),
    ("/rendered", "/rendered", "image/png"),
    ("/frames/1", "/frames/{numbers}", "*/*"),
    ("/frames/1", "/frames/{numbers}", 'multipart/related; type="*/*"; transfer-syntax=*'),
    ("/frames/1/rendered", "/frames/{numbers}/rendered", "image/jpeg"),
    ("/rendered", "/rendered", "text/html"),
    ("/thumbnail", "/thumbnail", "*/*"),
    ("/metadata", "/metadata", "application/dicom+xml"),
    ("/frames/1", "/frames/{numbers}", "image/jp2"),
    ("", "", 'multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.4.80'),
    ("", "", "*/*"),
    ("", "", 'multipart/related; type="application/dicom"; transfer-syntax=*'),
)


@dataclass(frozen=True)
class Mutant:
    """A request.

    Attributes:
        way: How it is sent, and how it was damaged.
        path: Where it is sent.
        content_type: Its Content-Type.
        content: Its body.
    """

    way: str
    path: str
    content_type: str
    content: bytes = field(repr=False)


@dataclass(frozen=True)
class Answer:
    """What came back.

    Attributes:
        asked: Method, route and way.
        fault: What is wrong with it; None if nothing is.
    """

    asked: str
    status: int
    seconds: float
    fault: str | None
    body: bytes = field(repr=False)


def mutant(seed: int, number: int, studies: list[Source], names: int) -> Mutant:
    """The mutant with this number. `names` are its UIDs: with other ones, it isn't known to the service yet."""
    chance = random.Random(f"{seed} {number}")
    source = chance.choice(studies)
    make = chance.choices([_zip, _zip_of_damaged, _form, _single, _stow], [3, 3, 1, 2, 4])[0]
    return make(chance, source, source.renamed(names), names)


def _damaged(chance: Chance, source: Source, files: list[bytes], names: int) -> tuple[str, list[bytes]]:
    """The files with the same damage in all of them, or in one."""
    damages = [chance.choice([*DICOM]) for _ in range(chance.choice((1, 1, 1, 2, 3)))]
    only = chance.choice((None, chance.randrange(len(files))))
    state = chance.getrandbits(64)
    found = []
    for index, file in enumerate(files):
        if only in (None, index):
            again = random.Random(state)
            for damage in damages:
                file = DICOM[damage](again, file) or b"\0"
        found.append(source.finished(file, names))
    return f"{source.name}, {' '.join(damages)}", found


def _zip(chance: Chance, source: Source, files: list[bytes], names: int) -> Mutant:
    content, damage = zipped([source.finished(file, names) for file in files]), chance.choice([*ZIP])
    return Mutant(f"zip: {source.name}, {damage}", PREDICTIONS, "application/zip", ZIP[damage](chance, content))


def _zip_of_damaged(chance: Chance, source: Source, files: list[bytes], names: int) -> Mutant:
    way, damaged = _damaged(chance, source, files, names)
    return Mutant(f"zip of damaged: {way}", PREDICTIONS, "application/zip", zipped(damaged))


def _single(chance: Chance, source: Source, files: list[bytes], names: int) -> Mutant:
    way, (damaged,) = _damaged(chance, source, [chance.choice(files)], names)
    return Mutant(f"single: {way}", PREDICTIONS, "application/dicom", damaged)


def _form(chance: Chance, source: Source, files: list[bytes], names: int) -> Mutant:
    way, damaged = _damaged(chance, source, files, names)
    content = b"".join(PART + file + b"\r\n" for file in damaged) + b"--x--\r\n"
    return Mutant(f"form: {way}", PREDICTIONS, FORM, _framed(chance, content, 0.4))


def _stow(chance: Chance, source: Source, files: list[bytes], names: int) -> Mutant:
    way, damaged = _damaged(chance, source, chance.sample(files, min(len(files), 2)), names)
    return Mutant(f"stow: {way}", STUDIES, RELATED, _framed(chance, body(damaged), 0.1))


def _framed(chance: Chance, content: bytes, share: float) -> bytes:
    """Sometimes the parts of a body are damaged, too."""
    return chance.choice([*ANY.values()])(chance, content) if chance.random() < share else content


class Sender:
    """Sends requests and looks at the answers.

    Args:
        port: The port of the service.
        document: Its OpenAPI document.
    """

    def __init__(self, port: int, document: Document) -> None:
        self._port, self._document = port, document
        self._operations = {operation["at"]: operation for operation in operations(document).values()}

    def send(self, sent: Mutant) -> Iterator[Answer]:
        """The answer to a mutant, and those to requests for what was stored."""
        headers = {"Content-Type": sent.content_type}
        answer = self.ask("POST", sent.path, sent.path, headers, sent.content, sent.way)
        yield answer
        if sent.path == STUDIES and answer.status in (200, 202):
            yield from self._read_back(answer, sent.way)

    def _read_back(self, stored: Answer, way: str) -> Iterator[Answer]:
        listed = json.loads(stored.body).get("00081199", {}).get("Value", ())
        for url in {item["00081190"]["Value"][0] for item in listed}:
            for asked, route, accept in READ_BACK:
                yield self.ask("GET", urlsplit(url).path + asked, INSTANCE + route, {"Accept": accept}, None, way)

    def ask(
        self, method: str, path: str, route: str, headers: dict[str, str], content: bytes | None, way: str
    ) -> Answer:
        """The answer to one request."""
        connection = HTTPConnection("127.0.0.1", self._port, timeout=ANSWER_S)
        begun = time.monotonic()
        try:
            connection.request(method, path, content, headers)
            response = connection.getresponse()
            status, kind, said = response.status, response.headers.get("Content-Type", ""), response.read()
        except (OSError, HTTPException) as error:
            return Answer(f"{method} {route}; {way}", 0, time.monotonic() - begun, f"no answer: {error!r}", b"")
        finally:
            connection.close()
        seconds = time.monotonic() - begun
        wrong = fault(self._document, self._operations[method, route], status, kind, said)
        if status >= 500:
            wrong = f"status {status}: {said[:300]!r}"
        return Answer(f"{method} {route}; {way}", status, seconds, wrong, said)
