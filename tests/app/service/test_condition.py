"""A full disk, a folder that can't be written to, a database that is gone or damaged: 503, and back by itself."""

import shutil
import sqlite3
import subprocess
import time
from contextlib import contextmanager

import pytest
from werkzeug.exceptions import ServiceUnavailable

from app.service.condition import KEPT_S, SILENCE_S
from tests.app.service.disks import mounted, only_as_root
from tests.app.studies import instances, study_zip, voxels

pytestmark = pytest.mark.slow

SOON_S = 10
MB = 1 << 20


def stow(client):
    """Send one instance by STOW-RS."""
    (instance,) = instances(voxels()[:1], study="2.25.11")
    body = b"--b\r\nContent-Type: application/dicom\r\n\r\n" + instance + b"\r\n--b--"
    return client.post(
        "/dicom-web/studies", data=body, content_type='multipart/related; type="application/dicom"; boundary=b'
    )


def post(client, seed: int = 0):
    return client.post("/v1/predictions", data=study_zip(seed), content_type="application/zip")


def asked_anew(client):
    """`/readyz`, when an earlier answer isn't used any more."""
    time.sleep(KEPT_S + 0.05)
    return client.get("/readyz")


def assert_out_of_order(client, said: str) -> None:
    """Nothing is accepted, everything says so, and nothing is a 500."""
    responses = [asked_anew(client), post(client), stow(client)]
    for response in responses:
        assert (response.status_code, response.mimetype) == (503, "application/problem+json"), response.text
        assert int(response.headers["Retry-After"]) > 0
        assert said in response.json["detail"]
    assert client.get("/healthz").status_code == 200
    for path in ("/v1/predictions", "/v1/predictions/0", "/dicom-web/studies", "/dicom-web/studies/2.25.7/metadata"):
        assert client.get(path).status_code in (200, 204, 404, 503), path
    for path in ("/v1/predictions/0", "/dicom-web/studies/2.25.99"):
        assert client.delete(path).status_code in (404, 503), path


def assert_back(client) -> None:
    """Everything works again."""
    deadline = time.monotonic() + SOON_S
    while client.get("/readyz").status_code != 200:
        assert time.monotonic() < deadline, client.get("/readyz").text
        time.sleep(0.1)
    assert post(client).status_code in (200, 201)
    assert stow(client).status_code == 200


@contextmanager
def locked(path):
    """The database, while another process writes to it."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.rollback()
        other.close()


@contextmanager
def immutable(folder):
    """A folder in which nothing can be made or deleted, not even by root."""
    if subprocess.run(["chattr", "+i", str(folder)], capture_output=True).returncode:
        pytest.skip("this file system has no immutable folders")
    try:
        yield
    finally:
        subprocess.run(["chattr", "-i", str(folder)], check=True)


@only_as_root
def test_below_the_reserve_only_deletion_is_allowed(make_app, tmp_path):
    with mounted(tmp_path / "small", "60m") as small:
        client = make_app(data=small / "var", reserve_mb=20).test_client()
        answered = post(client).json
        (small / "other").write_bytes(bytes(small_free(small) - 15 * MB))
        assert_out_of_order(client, "disk is full")
        assert client.get(f"/v1/predictions/{answered['id']}").json["status"] == "done"
        assert client.delete(f"/v1/predictions/{answered['id']}").status_code == 204
        (small / "other").unlink()
        assert_back(client)
        close(client)


def small_free(folder) -> int:
    return shutil.disk_usage(folder).free


def close(client) -> None:
    """Let go of files, so that the disk can be taken away."""
    client.application.extensions["cruciate"].stop()


@only_as_root
def test_a_disk_without_a_byte(make_app, tmp_path):
    with mounted(tmp_path / "small", "60m") as small:
        client = make_app(data=small / "var", reserve_mb=0).test_client()
        assert post(client).status_code == 201
        (small / "other").write_bytes(bytes(small_free(small)))
        assert_out_of_order(client, "No space left on device")
        (small / "other").unlink()
        assert_back(client)
        close(client)


@only_as_root
def test_a_disk_that_fills_up_during_a_request(make_app, tmp_path):
    """After the check: what fails to write is a 503 too, and nothing of it is kept as the study's answer."""
    with mounted(tmp_path / "small", "60m") as small:
        client = make_app(data=small / "var", reserve_mb=0).test_client()
        assert asked_anew(client).status_code == 200
        (small / "other").write_bytes(bytes(small_free(small)))
        response = post(client)
        assert (response.status_code, response.mimetype) == (503, "application/problem+json"), response.text
        assert int(response.headers["Retry-After"]) > 0
        assert client.get("/v1/predictions").status_code in (200, 503)
        (small / "other").unlink()
        assert_back(client)
        close(client)


def test_a_folder_that_cannot_be_changed(make_app, tmp_path):
    client = make_app().test_client()
    with immutable(tmp_path / "var" / "predictions"):
        assert_out_of_order(client, "can't be written to")
    assert_back(client)


def test_a_folder_that_is_gone(make_app, tmp_path):
    client = make_app().test_client()
    (tmp_path / "var" / "predictions").rename(tmp_path / "elsewhere")
    assert_out_of_order(client, "can't be written to")
    (tmp_path / "elsewhere").rename(tmp_path / "var" / "predictions")
    assert_back(client)


def test_a_database_that_is_renamed_away(make_app, tmp_path):
    client, path = make_app().test_client(), tmp_path / "var" / "cruciate.db"
    assert post(client).status_code == 201
    path.rename(tmp_path / "elsewhere.db")
    assert_out_of_order(client, "The file of the database is gone.")
    assert not path.exists()
    (tmp_path / "elsewhere.db").rename(path)
    assert_back(client)
    assert len(client.get("/v1/predictions").json["predictions"]) == 1


def test_a_database_that_is_overwritten(make_app, tmp_path):
    client, path = make_app().test_client(), tmp_path / "var" / "cruciate.db"
    assert post(client).status_code == 201
    good = path.read_bytes()
    with path.open("r+b") as file:
        file.write(b"garbage!" * (len(good) // 8))
    assert_out_of_order(client, "damaged")
    with path.open("r+b") as file:
        file.write(good)
    assert_back(client)


def test_a_database_that_is_replaced(make_app, tmp_path):
    """An empty file with the same name isn't the service's database."""
    client, path = make_app().test_client(), tmp_path / "var" / "cruciate.db"
    path.rename(tmp_path / "elsewhere.db")
    path.touch()
    assert_out_of_order(client, "replaced")
    (tmp_path / "elsewhere.db").rename(path)
    assert_back(client)


def test_a_database_that_another_process_locks(make_app, tmp_path):
    client = make_app().test_client()
    with locked(tmp_path / "var" / "cruciate.db"):
        begun = time.monotonic()
        assert asked_anew(client).status_code == 200  # such locks are usual, for a moment
        while client.get("/readyz").status_code == 200:
            assert time.monotonic() - begun < SILENCE_S + 5
        for response in (post(client), stow(client)):
            assert (response.status_code, response.headers["Retry-After"]) == (503, "30")
            assert "doesn't answer" in response.json["detail"]
        assert client.get("/v1/predictions").status_code == 200
    assert_back(client)


def test_a_database_that_has_lost_its_tables(make_app, tmp_path):
    client, path = make_app().test_client(), tmp_path / "var" / "cruciate.db"
    with sqlite3.connect(path) as other:
        other.execute("ALTER TABLE prediction RENAME TO lost")
    other.close()
    assert_out_of_order(client, "The database can't be used")
    with sqlite3.connect(path) as other:
        other.execute("ALTER TABLE lost RENAME TO prediction")
    other.close()
    assert_back(client)


def test_faults_are_not_kept_as_the_answer_of_a_study(make_app, tmp_path):
    """A received study waits until the disk is well again."""
    client = make_app(quiet_s=0).test_client()
    service = client.application.extensions["cruciate"]
    with immutable(tmp_path / "var" / "predictions"):
        service.instances.receive([("x", one) for one in instances(voxels())])
        with pytest.raises((PermissionError, ServiceUnavailable)):
            service.studies.predict("2.25.7")
        assert client.get("/v1/predictions").json["predictions"] == []
    deadline = time.monotonic() + SOON_S
    while not (found := client.get("/v1/predictions?study_uid=2.25.7").json["predictions"]):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert found[0]["status"] in ("done", "queued")
