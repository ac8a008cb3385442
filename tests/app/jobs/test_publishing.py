"""Results lie beside their study and reach other systems: once, after a time out of reach, and never after a no."""

import threading
import time
from io import BytesIO

import pydicom
import pytest
from flask import Flask, Response, request
from pydicom.uid import ParametricMapStorage
from sqlalchemy import select
from werkzeug.serving import make_server

from app.jobs import publishing
from app.service.parts import EXTENSION
from app.store.database import Delivery
from tests.app.conftest import Clock, settled
from tests.app.studies import instances, study_zip, voxels

pytestmark = pytest.mark.slow

SOON_S = 30
POST = {"path": "/v1/predictions", "content_type": "application/zip"}


@pytest.fixture
def listen():
    """Starts apps on loopback; each call returns the address."""
    servers = []

    def start(app: Flask) -> str:
        server = make_server("127.0.0.1", 0, app, threaded=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def archive(statuses: list[int], got: list[bytes]) -> Flask:
    """Answers each STOW request with the next status; the last one from then on."""
    app = Flask("archive")

    @app.post("/dicom-web/studies")
    def store() -> Response:
        got.append(request.get_data())
        status = statuses.pop(0) if len(statuses) > 1 else statuses[0]
        return Response("{}", status, mimetype="application/dicom+json")

    return app


def wait_until(true) -> None:
    deadline = time.monotonic() + SOON_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def deliveries(app: Flask) -> list[Delivery]:
    with app.extensions[EXTENSION].studies._database.read() as session:
        return list(session.scalars(select(Delivery)))


def go_round(ours) -> None:
    """Everything that comes round by itself, once more."""
    for one in ours.rounds:
        one.once()


def kinds(ours) -> list[str]:
    return sorted(row.attributes["00080060"]["Value"][0] for row in ours.instances.find() if row.ours)


def test_results_lie_beside_a_study_that_the_service_holds(make_app):
    ours = make_app(quiet_s=0.1).extensions[EXTENSION]
    ours.instances.receive([("part", content) for content in instances(voxels(), study="2.25.1")])
    wait_until(lambda: len(kinds(ours)) == 3)
    assert all(row.study_uid == "2.25.1" for row in ours.instances.find())
    assert len(list(ours.instances.files("2.25.1"))) == len(voxels())  # results are never predicted on
    (answer,) = ours.store.answers(10)
    go_round(ours)
    assert ours.store.answers(10) == [answer]
    assert len(kinds(ours)) == 3


@pytest.mark.parametrize(("stored_as", "keyword"), [("uint16", "PixelData"), ("float32", "FloatPixelData")])
def test_the_site_says_how_the_map_is_stored(make_app, stored_as, keyword):
    ours = make_app(quiet_s=0.1, map_values=stored_as).extensions[EXTENSION]
    ours.instances.receive([("part", content) for content in instances(voxels(), study="2.25.1")])
    wait_until(lambda: len(kinds(ours)) == 3)
    files = []
    for row in ours.instances.find():
        with ours.instances.open(row) as stream:
            files.append(pydicom.dcmread(stream))
    (stored,) = [file for file in files if file.SOPClassUID == ParametricMapStorage]
    assert keyword in stored


def test_results_reach_another_service(make_app, listen, tmp_path):
    other = make_app(data=tmp_path / "other", quiet_s=3600)
    client = make_app(targets=(listen(other) + "/dicom-web",)).test_client()
    answer = client.post(**POST, data=study_zip()).json
    theirs = other.extensions[EXTENSION].instances
    wait_until(lambda: len(list(theirs.find())) == 3)
    report = client.get(f"/v1/predictions/{answer['id']}/dicom/sr.dcm").data
    (found,) = theirs.find(sop_uid=pydicom.dcmread(BytesIO(report)).SOPInstanceUID)
    with theirs.open(found) as stream:
        assert pydicom.dcmread(stream) == pydicom.dcmread(BytesIO(report))


def test_what_fails_is_tried_again_and_what_is_refused_is_not(make_app, listen, monkeypatch):
    monkeypatch.setattr("app.jobs.publishing.RETRY_S", 0.01)
    later, no = [], []
    targets = tuple(
        listen(archive(statuses, got)) + "/dicom-web" for statuses, got in (([503, 500, 200], later), ([409], no))
    )
    app = make_app(targets=targets)
    place = app.test_client().post(**POST, data=study_zip()).headers["Location"]
    wait_until(lambda: len(found := deliveries(app)) == 2 and all(one.due is None for one in found))
    go_round(app.extensions[EXTENSION])
    assert (len(later), len(no)) == (3, 1)
    assert later[0].count(b"DICM") == 3
    outcomes = {delivery.target: delivery.outcome for delivery in deliveries(app)}
    assert outcomes == {targets[0]: "delivered", targets[1]: "refused with status 409"}
    assert settled(app.test_client(), place)["status"] == "done"


def test_a_target_out_of_reach_is_tried_again_after_a_restart(make_app, listen, monkeypatch, caplog):
    got: list[bytes] = []
    address = listen(archive([200], got))
    nobody = "http://user:secret@127.0.0.1:9/dicom-web"
    app = make_app(targets=(nobody,))
    app.test_client().post(**POST, data=study_zip())
    wait_until(lambda: deliveries(app) and deliveries(app)[0].attempts == 1)
    (delivery,) = deliveries(app)
    assert "can't be reached" in delivery.outcome
    assert delivery.due > time.time()
    assert "secret" not in caplog.text + delivery.target
    app.extensions[EXTENSION].stop()
    clock = Clock()
    clock.added_s = 60
    client = publishing._client
    monkeypatch.setattr(publishing, "_client", lambda _: client(address + "/dicom-web"))
    again = make_app(clock, targets=(nobody,))
    wait_until(lambda: deliveries(again)[0].outcome == "delivered")
    assert len(got) == 1


def with_prediction(make_app):
    app = make_app(quiet_s=0.1)
    ours = app.extensions[EXTENSION]
    ours.instances.receive([("part", content) for content in instances(voxels(), study="2.25.1")])
    wait_until(lambda: len(kinds(ours)) == 3)
    return app.test_client(), ours


def files(folder) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.is_file() and path.suffix not in (".db", ".lock")]


def test_a_study_that_is_deleted_leaves_nothing_of_the_patient(make_app, tmp_path):
    client, ours = with_prediction(make_app)
    assert client.delete("/dicom-web/studies/2.25.1").status_code == 204
    assert ours.store.answers(10) == []
    assert list(ours.instances.find()) == []
    assert {path for part in ("instances", "predictions") for path in files(tmp_path / "var" / part)} == {".lock"}
    assert client.delete("/dicom-web/studies/2.25.1").status_code == 404


def test_a_prediction_that_is_deleted_takes_its_results_with_it_but_no_others(make_app):
    client, ours = with_prediction(make_app)
    (first,) = ours.store.answers(10)
    second = client.post("/v1/predictions?bundle=four", json={"study_uid": "2.25.1"}).json
    wait_until(lambda: len(kinds(ours)) == 6)
    assert client.delete(f"/v1/predictions/{first['id']}").status_code == 204
    wait_until(lambda: len(kinds(ours)) == 3)
    report = client.get(f"/v1/predictions/{second['id']}/dicom/sr.dcm").data
    assert pydicom.dcmread(BytesIO(report)).SOPInstanceUID in [row.sop_uid for row in ours.instances.find()]
    assert len(list(ours.instances.files("2.25.1"))) == len(voxels())
