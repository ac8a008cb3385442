"""Real answers for `/openapi.json`: the demo bundle's prediction on a synthetic knee, and the answers to bad requests.

    python -m app.examples

writes `app/api/examples.json`. Run it when answers have changed. A test makes the answers again and compares them.
"""

import copy
import io
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from flask import request
from flask.testing import FlaskClient
from pydicom.dataset import FileDataset
from werkzeug.test import TestResponse

from app.api.openapi import EXAMPLES
from app.contract.json_text import dumps
from app.dicomweb import multipart
from app.dicomweb.media_types import DICOM, DICOM_XML, MULTIPART, MediaType
from app.factory import create_app
from app.http.uploads import MAX_PARTS
from app.service.parts import service
from app.service.settings import Settings
from data_prep.phantom.dicom_out import instance
from data_prep.phantom.knee import generate

SEED, TRUTH = 20_261_121, "complete rupture"
KEY = {"X-API-Key": "the-operator-chose-this"}
ZIP = {"Content-Type": "application/zip"}
JSON = {"Content-Type": "application/json"}
POST = "/v1/predictions"
DELIVERIES = "/v1/deliveries"
WORKLIST = "/v1/worklist"
STUDIES = "/dicom-web/studies"
BOUNDARY = "part"
DELIVERED_S = 60.0
RELATED = {"Content-Type": str(MediaType(MULTIPART, {"type": DICOM, "boundary": BOUNDARY}))}

# operationId -> status -> name -> body
Examples = dict[str, dict[str, dict[str, Any]]]


class Recorder:
    """Sends requests to a service and keeps its JSON answers by operation."""

    def __init__(self, client: FlaskClient) -> None:
        self._client = client
        self.examples: Examples = defaultdict(lambda: defaultdict(dict))

    def send(self, method: str, path: str, headers: dict[str, str] = KEY, data: Any = None) -> TestResponse:
        """Send a request."""
        return self._client.open(path, method=method, headers=headers, data=data)

    def ask(self, name: str, method: str, path: str, headers: dict[str, str] = KEY, data: Any = None) -> TestResponse:
        """Send a request, and keep the answer if it is JSON."""
        with self._client:
            response = self.send(method, path, headers, data)
            operation = f"{method.lower()}_{str(request.endpoint).replace('.', '_')}"
        if response.is_json:
            self.examples[operation][str(response.status_code)][name] = response.json
        return response


def main() -> None:
    EXAMPLES.write_text(dumps(make(), indent=1) + "\n", encoding="utf-8")


def make() -> Examples:
    """Send every request once."""
    knee = generate(SEED, TRUTH)
    study = [instance(knee, index) for index in range(knee.scan.slices)]
    with tempfile.TemporaryDirectory(prefix="cruciate-") as scratch:
        app = create_app(Settings(data=Path(scratch), api_keys=tuple(KEY.values()), results=("sr",)))
        with app.app_context():
            ours = service()
        recorder = Recorder(app.test_client())
        try:
            recorder.ask("loading", "GET", "/readyz")
            ours.engine.loaded.result()
            _about(recorder)
            _dicomweb(recorder, study)
            _prediction(recorder, study)
            _of_a_patient(recorder, study)
            _wrong(recorder, study)
            # Its result would be another one each time.
            recorder.ask("a synthetic knee", "POST", f"{WORKLIST}/synthetic")
        finally:
            ours.stop()
    return recorder.examples


def _about(recorder: Recorder) -> None:
    for path in ("/healthz", "/readyz", "/v1/models"):
        recorder.ask("demo", "GET", path)
    recorder.ask("no key", "GET", "/v1/models", {})
    recorder.ask("wrong key", "GET", "/v1/models", {"X-API-Key": "guess"})
    recorder.ask("none is dead", "GET", f"{DELIVERIES}?state=dead")
    recorder.ask("none is dead", "POST", f"{DELIVERIES}/retry")


def _dicomweb(recorder: Recorder, study: list[FileDataset]) -> None:
    one, of_study = _related([_file(study[0])]), f"{STUDIES}/{study[0].StudyInstanceUID}"
    recorder.ask("one slice", "POST", STUDIES, KEY | RELATED, one)
    recorder.ask("one slice of two", "POST", of_study, KEY | RELATED, _related([_file(study[0]), b"hello"]))
    recorder.ask("of another study", "POST", f"{STUDIES}/2.25.1", KEY | RELATED, one)
    recorder.ask("not multipart", "POST", STUDIES, KEY | ZIP, b"hello")
    recorder.ask("one slice", "GET", STUDIES)
    recorder.ask("no such limit", "GET", f"{STUDIES}?limit=-1")
    recorder.ask("not as XML", "GET", STUDIES, KEY | {"Accept": DICOM_XML})
    recorder.ask("gone", "DELETE", of_study)
    for method, place in (("GET", of_study), ("GET", f"{of_study}/metadata"), ("DELETE", of_study)):
        recorder.ask("deleted", method, place)


def _prediction(recorder: Recorder, study: list[FileDataset]) -> None:
    name, body = "a synthetic knee", _zipped(study)
    place = recorder.ask(name, "POST", POST, KEY | ZIP, body).headers["Location"]
    recorder.ask(f"{name}, once more", "POST", POST, KEY | ZIP, body)
    recorder.ask(name, "GET", place)
    recorder.ask("all that are done", "GET", f"{POST}?status=done&limit=1")
    recorder.ask("no such time", "GET", f"{POST}?since=yesterday")
    recorder.ask("a study that never came", "POST", POST, KEY | JSON, b'{"study_uid": "2.25.1"}')
    recorder.ask("no such class", "GET", f"{place}/map.npz?class=torn")
    recorder.ask("no such slice", "GET", f"{place}/slices/99/image.png")
    recorder.ask("no such opacity", "GET", f"{place}/slices/0/overlay.png?opacity=2")
    for part in ("volume", "grid"):
        recorder.ask(name, "GET", f"{place}/{part}")
    _reviews(recorder, f"{place}/reviews")
    recorder.ask("one study", "GET", WORKLIST)
    recorder.ask("nothing of this name", "GET", WORKLIST, KEY | {"Search": "2.25.1.2.3"})
    recorder.ask("no such order", "GET", f"{WORKLIST}?sort=age")
    recorder.ask("gone", "DELETE", place)
    recorder.ask("deleted", "GET", place)
    recorder.ask("a synthetic knee, without waiting", "POST", POST, KEY | ZIP | {"Prefer": "respond-async"}, body)


def _reviews(recorder: Recorder, place: str) -> None:
    """A reader has drawn ten pixels of each of two rows."""
    drawn = [{"slice": 12, "runs": [51_360, 10, 51_680, 10]}]
    torn = {"verdict": "grade", "grade": TRUTH, "laterality": "R", "comment": "Discontinuous fibres.", "mask": drawn}
    once = KEY | JSON | {"Idempotency-Key": "e6d0cf1b-4b3e-4d0e-8f5e-0d2f0a4f2d11"}
    review = recorder.ask("a grade and a mask", "POST", place, once, dumps(torn)).headers["Location"]
    recorder.ask("the same once more", "POST", place, once, dumps(torn))
    recorder.ask("a grade without a grade", "POST", place, KEY | JSON, b'{"verdict": "grade"}')
    recorder.ask("not JSON", "POST", place, KEY | ZIP, b"hello")
    recorder.ask("a grade and a mask", "GET", review)
    recorder.ask("one review", "GET", place)


def _of_a_patient(recorder: Recorder, study: list[FileDataset]) -> None:
    """The same knee as if it were a patient's, in two years. The service holds the later study."""
    for year in (2025, 2026):
        dated = copy.deepcopy(study)
        for dataset in dated:
            dataset.PatientID, dataset.StudyDate = "12345", f"{year}0301"
            dataset.StudyInstanceUID += f".{year}"
            del dataset.PatientIdentityRemoved, dataset.DeidentificationMethod
        place = recorder.send("POST", POST, KEY | ZIP, _zipped(dated)).headers["Location"]
    recorder.ask("one earlier study", "GET", f"{place}/priors")
    recorder.ask("no such prediction", "GET", f"{POST}/{'0' * 32}/priors")
    recorder.send("POST", STUDIES, KEY | RELATED, _related([_file(dataset) for dataset in dated]))
    _delivered(recorder, f"{DELIVERIES}?prediction={place.rpartition('/')[2]}")


def _delivered(recorder: Recorder, place: str) -> None:
    """Ask for deliveries as soon as the results lie beside their study."""
    deadline = time.monotonic() + DELIVERED_S
    while not recorder.send("GET", f"{place}&state=delivered").get_json()["deliveries"]:
        if time.monotonic() > deadline:
            raise SystemExit("The results aren't delivered.")
        time.sleep(0.1)
    recorder.ask("delivered", "GET", place)


def _wrong(recorder: Recorder, study: list[FileDataset]) -> None:
    recorder.ask("not a zip", "POST", POST, KEY | ZIP, b"hello")
    recorder.ask("not a study", "POST", POST, KEY | {"Content-Type": "text/plain"}, b"hello")
    recorder.ask("too few slices", "POST", POST, KEY | ZIP, _zipped(study[:3]))
    both = _zipped([*study, *_of_the_other_knee(study)])
    recorder.ask("both knees", "POST", POST, KEY | ZIP, both)
    recorder.ask("no such side", "POST", f"{POST}?laterality=both", KEY | ZIP, both)
    recorder.ask("a slice is missing", "POST", POST, KEY | ZIP, _zipped(study[:6] + study[7:]))
    parts = {"file": [(io.BytesIO(b"x"), "x") for _ in range(MAX_PARTS + 1)]}
    recorder.ask("too many parts", "POST", POST, KEY, parts)
    for dataset in study:
        dataset.PixelData = bytes(len(dataset.PixelData))
    place = recorder.ask("blank slices", "POST", POST, KEY | ZIP, _zipped(study)).headers["Location"]
    recorder.ask("blank slices", "GET", place)
    recorder.ask("no answer", "GET", f"{place}/slices/0/image.png")


def _of_the_other_knee(study: list[FileDataset]) -> list[FileDataset]:
    """A second series, a quarter of a metre to the patient's left."""
    others = copy.deepcopy(study)
    for dataset in others:
        dataset.SeriesInstanceUID += ".1"
        dataset.SOPInstanceUID += ".1"
        x, y, z = dataset.ImagePositionPatient
        dataset.ImagePositionPatient = [x + 250, y, z]
    return others


def _zipped(study: list[FileDataset]) -> bytes:
    body = io.BytesIO()
    with ZipFile(body, "w") as archive:
        for number, dataset in enumerate(study):
            archive.writestr(f"{number}.dcm", _file(dataset))
    return body.getvalue()


def _related(files: list[bytes]) -> bytes:
    return b"".join(multipart.join(((MediaType(DICOM), [file]) for file in files), BOUNDARY))


def _file(dataset: FileDataset) -> bytes:
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()


if __name__ == "__main__":
    main()
