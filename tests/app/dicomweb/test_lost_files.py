"""A file that is missing or damaged on the service's disk is a problem with a sentence, until it is sent again."""

import shutil
import time
from pathlib import Path

import pytest

from app.dicomweb.media_types import DICOM
from app.factory import create_app
from app.service.parts import EXTENSION
from app.service.settings import Settings
from tests.app.conftest import LOADING_S, SOON_S
from tests.app.dicomweb.conftest import QUIET_S
from tests.app.dicomweb.messages import RELATED, body, get, related
from tests.app.studies import SLICES, instances, voxels

pytestmark = pytest.mark.slow

STUDY = "/dicom-web/studies/2.25.7"
INSTANCE = f"{STUDY}/series/2.25.8/instances/2.25.8.3"
READS = [
    *(STUDY, INSTANCE, f"{STUDY}/metadata", f"{INSTANCE}/metadata", f"{INSTANCE}/frames/1", f"{INSTANCE}/rendered"),
    *(f"{STUDY}/rendered", f"{INSTANCE}/thumbnail", f"{INSTANCE}/metadata?accept=application/dicom%2Bxml"),
]
FILES = instances(voxels())


@pytest.fixture(scope="module")
def held(bundles, tmp_path_factory):
    """A client of a service with one study, and the files of its third instance and its folder."""
    data = tmp_path_factory.mktemp("var")
    app = create_app(Settings(bundles=bundles, data=data, quiet_s=QUIET_S))
    app.extensions[EXTENSION].engine.loaded.result(LOADING_S)
    client = app.test_client()
    assert send(client).status_code == 200
    (row,) = app.extensions[EXTENSION].instances.find(sop_uid="2.25.8.3")
    yield client, data / "instances" / "2.25.7" / row.digest
    app.extensions[EXTENSION].stop()


def send(client):
    return client.post("/dicom-web/studies", data=body(FILES), content_type=RELATED)


def damage(file: Path, how: str) -> None:
    if how == "missing":
        file.unlink()
    elif how == "folder missing":
        shutil.rmtree(file.parent)
    elif how == "cut short":
        file.write_bytes(file.read_bytes()[:-1000])
    elif how == "empty":
        file.write_bytes(b"")
    else:
        file.write_bytes(bytes(file.stat().st_size))


@pytest.mark.parametrize("how", ["missing", "folder missing", "cut short", "empty", "zeros"])
def test_reading_a_lost_file_is_a_problem_until_it_is_sent_again(held, how):
    client, file = held
    damage(file, how)
    # Metadata may have been made before; those that are kept are still right.
    for path in READS if how != "zeros" else [path for path in READS if "metadata" not in path]:
        response = client.get(path)
        assert (response.status_code, response.mimetype) == (503, "application/problem+json"), path
        assert "Send the instance again" in response.json["detail"]
    predicted = client.post("/v1/predictions", json={"study_uid": "2.25.7"})
    assert 400 <= predicted.status_code <= 503
    assert predicted.status_code != 500
    if how == "zeros":  # no reading of sizes shows it; `python -m app.store check` does
        file.unlink()
    assert send(client).status_code == 200
    series = get(client, f"{STUDY}/series/2.25.8", related(DICOM, "*"))
    assert sorted(content for _, content in series) == sorted(FILES)
    assert client.post("/v1/predictions", json={"study_uid": "2.25.7"}).status_code in (200, 201)


def test_results_that_are_lost_with_their_study_are_stored_again(held):
    client, file = held
    assert client.post("/v1/predictions", json={"study_uid": "2.25.7"}).status_code in (200, 201)
    deadline = time.monotonic() + SOON_S
    while len(before := client.get(f"{STUDY}/instances").json) < SLICES + 3:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    shutil.rmtree(file.parent)
    assert send(client).status_code == 200
    while client.get(STUDY).status_code != 200 or client.get(f"{STUDY}/instances").json != before:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_other_instances_can_be_read_meanwhile(held):
    client, file = held
    file.unlink()
    others = [
        f"{STUDY}/series/2.25.8/instances/2.25.8.{number + 1}/rendered" for number in range(SLICES) if number != 2
    ]
    assert {client.get(path).status_code for path in others} == {200}
    assert len(client.get(f"{STUDY}/instances").json) >= SLICES
    assert send(client).status_code == 200


def test_a_study_with_lost_files_can_be_deleted(held):
    client, file = held
    shutil.rmtree(file.parent)
    assert client.delete(STUDY).status_code == 204
    assert client.get(INSTANCE).status_code == 404
    assert send(client).status_code == 200
