"""The whole service: results lie beside their study and reach other systems, whatever happens to one of them."""

import time
from contextlib import ExitStack
from io import BytesIO

import pydicom
import pytest
from pydicom.uid import ParametricMapStorage

from app import factory
from app.service.parts import EXTENSION
from tests.app.conftest import RESULTS, Clock
from tests.app.delivery.targets import says, stored
from tests.app.studies import instances, study_zip, voxels
from tests.loopback import served

pytestmark = pytest.mark.slow

SOON_S = 30
POST = {"path": "/v1/predictions", "content_type": "application/zip"}


@pytest.fixture(autouse=True)
def _hurry(monkeypatch):
    monkeypatch.setattr(factory, "EVERY_S", 0.02)


@pytest.fixture
def serve():
    """Starts apps on loopback; each call returns the address."""
    with ExitStack() as stack:
        yield lambda app: stack.enter_context(served(app))


def wait_until(true) -> None:
    deadline = time.monotonic() + SOON_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def outcomes(client) -> dict[str, str | None]:
    """How the last try of each delivery ended, by target."""
    return {one["target"]: one["outcome"] for one in client.get("/v1/deliveries").json["deliveries"]}


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


def test_results_reach_another_service(make_app, serve, tmp_path):
    other = make_app(data=tmp_path / "other", quiet_s=3600)
    client = make_app(targets=(serve(other) + "/dicom-web",)).test_client()
    answer = client.post(**POST, data=study_zip()).json
    wait_until(lambda: set(outcomes(client).values()) == {"delivered"})
    theirs = other.extensions[EXTENSION].instances
    report = client.get(f"/v1/predictions/{answer['id']}/dicom/sr.dcm").data
    assert len(list(theirs.find())) == 3
    (found,) = theirs.find(sop_uid=pydicom.dcmread(BytesIO(report)).SOPInstanceUID)
    with theirs.open(found) as stream:
        assert pydicom.dcmread(stream) == pydicom.dcmread(BytesIO(report))


def test_each_target_has_its_own_outcome_and_a_restart_continues(make_app, listen, caplog):
    busy, no = listen(says(503)), listen(says(409))
    nobody = listen(says(200))
    nobody.close()
    targets = tuple(target.url.replace("//", "//user:secret@") for target in (busy, no, nobody))
    app = make_app(targets=targets)
    client = app.test_client()
    id_ = client.post(**POST, data=study_zip()).json["id"]
    ended = {
        "this service": "delivered",
        busy.url: "refused with status 503",
        no.url: "refused with status 409",
        nobody.url: "refuses connections: check the port in its address, and whether it runs",
    }
    wait_until(lambda: outcomes(client) == ended)
    assert "secret" not in caplog.text + client.get("/v1/deliveries").text
    uids = [pydicom.dcmread(BytesIO(client.get(f"/v1/predictions/{id_}/dicom/{kind}.dcm").data)) for kind in RESULTS]
    app.extensions[EXTENSION].stop()
    busy.say = says(200, stored(*(file.SOPInstanceUID for file in uids)))
    clock = Clock()
    clock.added_s = 60
    again = make_app(clock, targets=targets).test_client()
    wait_until(lambda: outcomes(again) == ended | {busy.url: "delivered"})
    assert (len(busy.got), len(no.got)) == (2, 1)


def test_a_lost_map_stops_only_its_own_results(make_app, tmp_path):
    app = make_app()
    client, ours = app.test_client(), app.extensions[EXTENSION]
    lost = client.post(**POST, data=study_zip(1)).json["id"]
    (tmp_path / "var" / "predictions" / lost / "maps.npy").unlink()
    ours.instances.receive([("part", content) for content in instances(voxels(1), study="2.25.700001")])
    ours.instances.receive([("part", content) for content in instances(voxels(2), study="2.25.1", series="2.25.2")])
    client.post("/v1/predictions", json={"study_uid": "2.25.1"})
    wait_until(lambda: len(kinds(ours)) == 3)
    wait_until(lambda: client.get("/v1/deliveries?state=dead").json["deliveries"])
    (dead,) = client.get("/v1/deliveries?state=dead").json["deliveries"]
    assert (dead["prediction"], dead["target"], dead["attempts"]) == (lost, "this service", 1)
    assert dead["outcome"].startswith("there is nothing to deliver")


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
    assert outcomes(client) == {}
    assert {path for part in ("instances", "predictions") for path in files(tmp_path / "var" / part)} == {".lock"}
    assert client.delete("/dicom-web/studies/2.25.1").status_code == 404


def test_results_that_come_while_their_study_is_deleted_do_not_stay(make_app, monkeypatch):
    client, ours = with_prediction(make_app)
    files = []
    for row in ours.instances.find():
        if row.ours:
            with ours.instances.open(row) as stream:
                files.append(stream.read())
    of_study = ours.store.of_study

    def meanwhile(uid: str) -> list[str]:
        ours.instances.keep(files)
        return of_study(uid)

    monkeypatch.setattr(ours.store, "of_study", meanwhile)
    assert client.delete("/dicom-web/studies/2.25.1").status_code == 204
    assert list(ours.instances.find()) == []


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
