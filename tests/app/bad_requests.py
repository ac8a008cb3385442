"""Requests that docs/bad-input.md has a row for: refused whatever study they send, or because of what is stored."""

import gzip
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.factory import create_app
from app.service.parts import EXTENSION, Service
from app.service.settings import Settings
from app.store.keys import create
from app.store.opening import open_database
from tests.app.dicomweb.messages import RELATED, body
from tests.app.studies import instances, study_zip, voxels

KEY = "every scope, for these tests"
POST, STUDIES = "/v1/predictions", "/dicom-web/studies"
STUDY, SERIES = "2.25.7", "2.25.8"
PIECES = "multipart/related; boundary*=1; boundary*0=b"
INSTANCE = f"{STUDIES}/{STUDY}/series/{SERIES}/instances/{SERIES}.1"
ID = "0" * 32
ZIP, JSON = {"Content_Type": "application/zip"}, {"Content_Type": "application/json"}


class Sender:
    """A client of a service that holds one study, takes 1 MB, and has room for one study in its queue."""

    def __init__(self, client: FlaskClient, service: Service, reader: str) -> None:
        self.client, self.service, self.reader = client, service, reader

    def __call__(self, method: str, path: str, data: bytes | None = None, key: str = KEY, **headers) -> TestResponse:
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.open(
            path, method=method, data=data, headers={"X-API-Key": key} | headers if key else headers
        )


@contextmanager
def sender(bundle: Path, data: Path) -> Iterator[Sender]:
    database = open_database("", data)
    reader = create(database, "reader", ["read"], None)
    database.close()
    app = create_app(Settings(bundles=(bundle,), data=data, api_keys=(KEY,), max_body_mb=1, queue=1))
    service = app.extensions[EXTENSION]
    service.engine.loaded.result(120)
    one = Sender(app.test_client(), service, reader)
    assert one("POST", STUDIES, body(instances(voxels())[:3]), Content_Type=RELATED).status_code == 200
    yield one
    service.stop()


def in_a_full_queue(one: Sender) -> TestResponse:
    released, store = threading.Event(), one.service.store
    finish = store.finish
    store.finish = lambda *rest: (released.wait(60), finish(*rest))[1]
    try:
        for seed in (101, 102, 103):
            answer = one("POST", POST, study_zip(seed), Prefer="respond-async", **ZIP)
            if answer.status_code != 202:
                break
        return answer
    finally:
        released.set()
        store.finish = finish


def while_loading(one: Sender) -> TestResponse:
    loaded, one.service.engine.loaded = one.service.engine.loaded, Future()
    try:
        return one("POST", POST, study_zip(), **ZIP)
    finally:
        one.service.engine.loaded = loaded


def held(uid: object) -> bytes:
    return json.dumps({"study_uid": uid}).encode()


def asking(path: str, accept: str = "image/gif", method: str = "GET") -> Callable[[Sender], TestResponse]:
    data, more = (body(instances(voxels())[:1]), {"Content_Type": RELATED}) if method == "POST" else (None, {})
    return lambda one: one(method, path, data, Accept=accept, **more)


def packed(coding: str, pack: Callable[[bytes], bytes]) -> Callable[[Sender], TestResponse]:
    """A body of STOW-RS with this Content-Encoding."""
    content = pack(body(instances(voxels())[:1]))
    return lambda one: one("POST", STUDIES, content, Content_Type=RELATED, Content_Encoding=coding)


# What negotiates the type of its answer.
NEGOTIATING = {
    "storing": ("POST", STUDIES),
    "a search": ("GET", STUDIES),
    "instances": ("GET", f"{STUDIES}/{STUDY}"),
    "metadata": ("GET", f"{INSTANCE}/metadata"),
    "frames": ("GET", f"{INSTANCE}/frames/1"),
    "a picture": ("GET", f"{INSTANCE}/rendered"),
    "a rendered study": ("GET", f"{STUDIES}/{STUDY}/rendered"),
    "a thumbnail": ("GET", f"{STUDIES}/{STUDY}/thumbnail"),
}
REQUESTS: dict[str, Callable[[Sender], TestResponse]] = {
    **{f"`Accept: image/gif`, {name}": asking(path, method=method) for name, (method, path) in NEGOTIATING.items()},
    "no key": lambda one: one("POST", POST, study_zip(), key="", **ZIP),
    "a wrong key": lambda one: one("GET", POST, key="a guess that is long enough"),
    "a key without the scope `predict`": lambda one: one("POST", POST, study_zip(), key=one.reader),
    "a key without the scope `admin`": lambda one: one("DELETE", f"{POST}/{ID}", key=one.reader),
    "over the limit": lambda one: one("POST", POST, bytes(2 << 20), **ZIP),
    "over the limit, STOW-RS": lambda one: one("POST", STUDIES, body([bytes(2 << 20)]), Content_Type=RELATED),
    "an unknown id": lambda one: one("GET", f"{POST}/{ID}"),
    "a picture of an unknown id": lambda one: one("GET", f"{POST}/{ID}/slices/0/image.png"),
    "an unknown id, to delete": lambda one: one("DELETE", f"{POST}/{ID}"),
    "an unknown study by DICOMweb": lambda one: one("GET", f"{STUDIES}/2.25.70"),
    "an unknown study by DICOMweb, to delete": lambda one: one("DELETE", f"{STUDIES}/2.25.70"),
    "frame 2 of 1": lambda one: one("GET", f"{INSTANCE}/frames/2"),
    "frame 2 of 1, rendered": lambda one: one("GET", f"{INSTANCE}/frames/2/rendered"),
    "`rendered?window=40,400`": lambda one: one("GET", f"{INSTANCE}/rendered?window=40,400"),
    "`rendered?window=40,0,linear`": lambda one: one("GET", f"{INSTANCE}/rendered?window=40,0,linear"),
    "`rendered?viewport=512`": lambda one: one("GET", f"{INSTANCE}/rendered?viewport=512"),
    "`rendered?viewport=99999,99999`": lambda one: one("GET", f"{INSTANCE}/rendered?viewport=99999,99999"),
    "a viewport beside the image": lambda one: one("GET", f"{INSTANCE}/rendered?viewport=9,9,9999,9999"),
    "`rendered?quality=101`": lambda one: one("GET", f"{INSTANCE}/rendered?quality=101"),
    "`thumbnail?viewport=9,9,0,0`": lambda one: one("GET", f"{INSTANCE}/thumbnail?viewport=9,9,0,0"),
    "`Accept: image/jpeg`, a rendered study": asking(f"{STUDIES}/{STUDY}/rendered", "image/jpeg"),
    "`Accept: application/dicom`, a study": asking(f"{STUDIES}/{STUDY}", "application/dicom"),
    "`Accept: application/dicom+xml`, a study's metadata": asking(
        f"{STUDIES}/{STUDY}/metadata", "application/dicom+xml"
    ),
    "`Content-Encoding: br`": packed("br", lambda content: content),
    "`Content-Encoding: gzip`, not packed": packed("gzip", lambda content: content),
    "`Content-Encoding: gzip`, cut short": packed("gzip", lambda content: gzip.compress(content)[:-20]),
    "`Content-Encoding: gzip`, over the limit": packed("gzip", lambda content: gzip.compress(content + bytes(2 << 20))),
    "20 kB before the first boundary": packed("identity", lambda content: bytes(20_000) + content),
    "`study_uid` of a study that never came": lambda one: one("POST", POST, held("2.25.70"), **JSON),
    "`study_uid` 7": lambda one: one("POST", POST, held(7), **JSON),
    "`study_uid` with a NUL": lambda one: one("POST", POST, held("2.25.7\0"), **JSON),
    "`?study_uid=%00`": lambda one: one("GET", f"{POST}?study_uid=%00"),
    "`/studies/%00`": lambda one: one("GET", f"{STUDIES}/%00"),
    "`boundary*=1; boundary*0=b`": lambda one: one("POST", STUDIES, body([b"x"]), Content_Type=PIECES),
    "an unknown bundle": lambda one: one("POST", f"{POST}?bundle=nope", study_zip(), **ZIP),
    "`?laterality=both`": lambda one: one("POST", f"{POST}?laterality=both", study_zip(), **ZIP),
    "`?series_uid=two`": lambda one: one("POST", f"{POST}?series_uid=two", study_zip(), **ZIP),
    "`?series_uid=` of another study": lambda one: one("POST", f"{POST}?series_uid=2.25.99", study_zip(), **ZIP),
    "`?series_uid=` of three slices": lambda one: one("POST", f"{POST}?series_uid={SERIES}", held(STUDY), **JSON),
    "`/studies/no-uid`": lambda one: one("POST", f"{STUDIES}/no-uid", body([b"x"]), Content_Type=RELATED),
    "an unknown path": lambda one: one("GET", "/v2/predictions"),
    "an unknown method": lambda one: one("PUT", POST),
    "a study while the queue is full": in_a_full_queue,
    "a study while the model is being loaded": while_loading,
}
