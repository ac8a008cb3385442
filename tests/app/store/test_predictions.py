import os
import shutil
import subprocess
import threading
from dataclasses import replace
from errno import ENOSPC
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset
from werkzeug.exceptions import NotFound, ServiceUnavailable

from app.store.database import Database, sqlite_url
from app.store.disk.shared_folder import FileLost
from app.store.job import Job
from app.store.predictions import UNFINISHED, Store, unlisted
from data_prep.files import flush_folder
from data_prep.network_input.footprint import Footprint
from data_prep.selection.series import PassedOver, Selection
from data_prep.volume import Acquisition
from tests.conftest import make_volume

ANSWER = {"id": "x", "status": "done"}


def waiting(store: Store) -> list[str]:
    """Ids of the jobs without an answer, the oldest first."""
    return [answer["id"] for answer in store.answers(10, status="queued")]


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "predictions"


@pytest.fixture
def database(tmp_path) -> Database:
    return Database(sqlite_url(tmp_path / "service.db"))


@pytest.fixture
def store(folder, database) -> Store:
    return Store(folder, database)


@pytest.fixture
def job() -> Job:
    voxels = np.random.default_rng(1).random((3, 6, 5), np.float32)
    volume = make_volume(voxels, (3.1, 0.1, 1 / 3), laterality="L", acquisition=Acquisition(echo_time_ms=35.5))
    return Job.of(Selection(volume, (PassedOver("2.25.3", "plane is axial"),)), "bundle digest", 12.5)


def test_a_job_comes_back_whole(store, job):
    store.put(job)
    back = store.read(job.id).job
    assert back.volume.digest() == job.volume.digest()
    assert back.volume.acquisition == job.volume.acquisition
    assert (back.passed_over, back.bundle, back.decode_ms, back.created) == (
        job.passed_over,
        job.bundle,
        job.decode_ms,
        job.created,
    )
    assert store.read(job.id).answer == {"id": job.id, "status": "queued"}


def test_what_results_repeat_comes_back(store):
    source = Dataset()
    source.update({"PatientName": "Müller^Zoë", "StudyInstanceUID": "2.25.3", "PatientWeight": 71.5})
    job = Job.of(Selection(make_volume(np.zeros((2, 3, 3), np.float32)), (), (source, source)), "bundle digest", 1)
    store.put(job)
    assert store.read(job.id).origins == (source, source)


def test_the_id_follows_from_pixels_and_bundle(job):
    selection = Selection(job.volume, ())
    assert Job.of(selection, "bundle digest", 99).id == job.id
    assert Job.of(selection, "another", 12.5).id != job.id


def test_an_answer_and_its_map_come_back_after_a_restart(store, job, folder, tmp_path):
    maps = np.random.default_rng(2).random((2, 2, 2, 2), np.float32)
    footprint = Footprint(job.volume.shape, (1, 3), (-1, 7), (0, 5))
    store.put(job)
    store.finish(job.id, ANSWER, maps, footprint)
    again = Store(folder, Database(sqlite_url(tmp_path / "service.db")))
    assert again.read(job.id).answer == ANSWER
    class_map = again.read(job.id).map(1)
    assert (class_map.volume() == footprint.carry_back(maps)[1]).all()
    assert not class_map.plane(0).any()  # outside the footprint
    for index in range(3):
        assert class_map.plane(index) == pytest.approx(class_map.volume()[index])
    assert waiting(again) == []


def test_a_failed_job_keeps_its_answer_and_no_pixels(store, job, folder):
    store.put(job)
    assert list(folder.glob("[!.]*")) == [folder / job.id]
    failure = {"id": job.id, "status": "failed", "problem": {}}
    store.finish(job.id, failure)
    assert list(folder.glob("[!.]*")) == []
    assert store.read(job.id).answer == failure
    store.put(job)  # sent again
    assert (store.read(job.id).job.volume.voxels == job.volume.voxels).all()


def accepted_at(job: Job, minute: int) -> Job:
    return replace(job, id=f"{minute:032x}", created=f"2026-11-21T09:{minute:02}:00Z")


def test_of_a_failed_job_no_name_of_its_patient_is_kept(store):
    source = Dataset()
    source.PatientName = "Müller^Zoë"
    job = Job.of(Selection(make_volume(np.zeros((2, 3, 3), np.float32)), (), (source, source)), "bundle digest", 1)
    store.put(job)
    store.finish(job.id, {"id": job.id, "status": "failed"})
    assert store.read(job.id).origins == ()


def test_unanswered_jobs_wait_in_the_order_in_which_they_came(store, job):
    others = [accepted_at(job, minute) for minute in (3, 2, 1, 0)]
    for other in others:
        store.put(other)
    store.finish(others[2].id, ANSWER)
    assert waiting(store) == [others[3].id, others[1].id, others[0].id]


def test_answers_are_found_by_study_status_and_time_page_by_page(store, job):
    jobs = [accepted_at(job, minute) for minute in range(5)]
    elsewhere = replace(jobs[3], volume=replace(job.volume, study_uid="2.25.77"))
    for accepted in (*jobs[:3], elsewhere, jobs[4]):
        store.put(accepted)
    store.finish(jobs[1].id, {"id": jobs[1].id, "status": "done"})

    def ids(**wanted: str) -> list[str]:
        return [answer["id"] for answer in store.answers(10, **wanted)]

    assert ids() == [accepted.id for accepted in jobs]
    assert ids(study_uid="2.25.77") == [elsewhere.id]
    assert ids(status="done") == [jobs[1].id]
    assert ids(since=jobs[2].created) == [accepted.id for accepted in jobs[2:]]
    assert ids(since=jobs[2].created, status="queued", study_uid=job.volume.study_uid) == [jobs[2].id, jobs[4].id]
    pages = [store.answers(2)]
    while pages[-1]:
        pages.append(store.answers(2, after=pages[-1][-1]["id"]))
    assert [answer["id"] for page in pages for answer in page] == ids()
    assert list(map(len, pages)) == [2, 2, 1, 0]


def test_a_crash_while_writing_leaves_nothing_half(store, job, folder, monkeypatch):
    def full(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr("app.store.predictions._save", full)
    with pytest.raises(OSError, match="no space"):
        store.put(job)
    assert [path for path in folder.rglob("*") if path.name == "voxels.npy" or path.parent == folder / job.id] == []
    assert waiting(store) == []


def test_a_row_that_can_not_be_stored_leaves_no_folder(store, job, folder, monkeypatch):
    def full(path: Path) -> None:
        if path == folder:  # the last thing that happens before the row is committed
            raise OSError(ENOSPC, "full")
        flush_folder(path)

    with monkeypatch.context() as patch:
        patch.setattr("app.store.predictions.flush_folder", full)
        with pytest.raises(OSError, match="full"):
            store.put(job)
    assert not (folder / job.id).exists()
    with pytest.raises(NotFound):
        store.read(job.id)
    store.put(job)
    assert waiting(store) == [job.id]


def test_folders_without_a_row_are_set_aside_not_deleted(store, job, folder, tmp_path, caplog):
    """The database is another one, or an older copy."""
    store.put(job)
    other = Store(folder, Database(sqlite_url(tmp_path / "other.db")))
    assert waiting(other) == []
    (aside,) = (tmp_path / "set-aside").iterdir()
    assert (np.load(aside / "predictions" / job.id / "voxels.npy") == job.volume.voxels).all()
    assert "1 of 1 folders of predictions" in caplog.text
    other.put(job)
    assert (other.read(job.id).job.volume.voxels == job.volume.voxels).all()


def test_of_a_process_that_is_killed_while_it_accepts_a_study_nothing_stays(
    store, job, folder, database, tmp_path, monkeypatch
):
    """Killed after the folder has its place and before the row is committed: nobody was told of it."""
    copy = tmp_path / "as it was"

    def flushed(path: Path) -> None:
        if path == folder:
            shutil.copytree(folder / job.id, copy)
        flush_folder(path)

    monkeypatch.setattr("app.store.predictions.flush_folder", flushed)
    store.put(job)
    store.delete(job.id)
    copy.rename(folder / job.id)
    assert unlisted(folder, database) == []
    again = Store(folder, database)
    assert not (folder / job.id).exists()
    assert not (tmp_path / "set-aside").exists()
    again.put(job)
    assert sorted(path.name for path in (folder / job.id).iterdir()) == ["voxels.npy"]


def test_a_process_that_is_killed_just_after_it_has_accepted_a_study_loses_nothing(store, job, folder, database):
    store.put(job)
    (folder / job.id / UNFINISHED).touch()
    again = Store(folder, database)
    assert waiting(again) == [job.id]
    assert sorted(path.name for path in (folder / job.id).iterdir()) == ["voxels.npy"]


def test_a_start_leaves_what_another_process_accepts_meanwhile(store, job, folder, database):
    jobs = [replace(job, id=f"{number:032x}") for number in range(20)]
    accepting = threading.Thread(target=lambda: [store.put(one) for one in jobs])
    accepting.start()
    while accepting.is_alive():
        Store(folder, database)
    assert all(store.read(one.id).is_whole() for one in jobs)


@pytest.mark.parametrize("damage", ["voxels gone", "maps gone", "folder gone", "maps cut short", "voxels empty"])
def test_lost_arrays_are_told(store, job, folder, damage):
    store.put(job)
    store.finish(
        job.id, ANSWER, np.zeros((2, 2, 2, 2), np.float32), Footprint(job.volume.shape, (1, 3), (-1, 7), (0, 5))
    )
    assert store.read(job.id).is_whole()
    path = folder / job.id / ("maps.npy" if "maps" in damage else "voxels.npy")
    if damage == "folder gone":
        shutil.rmtree(path.parent)
    else:
        path.unlink() if "gone" in damage else path.write_bytes(path.read_bytes()[: 140 if "cut" in damage else 0])
    record = store.read(job.id)
    assert not record.is_whole()
    with pytest.raises(FileLost, match="Send the study again"):
        record.map(0) if "maps" in damage else record.job
    store.put(job)
    assert store.read(job.id).is_whole()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files immutable")
def test_a_prediction_that_the_disk_does_not_delete_is_still_listed(store, job, folder):
    store.put(job)
    if subprocess.run(["chattr", "+i", folder / job.id], check=False, capture_output=True).returncode:
        pytest.skip("this file system can't make files immutable")
    try:
        with pytest.raises(ServiceUnavailable, match="delete again"):
            store.delete(job.id)
    finally:
        subprocess.run(["chattr", "-i", folder / job.id], check=True)
    assert store.read(job.id).is_whole()
    store.delete(job.id)


def test_a_failed_job_can_be_put_again(store, job):
    store.put(job)
    store.finish(job.id, {"id": job.id, "status": "failed"})
    store.put(job)
    assert waiting(store) == [job.id]


def test_a_deleted_job_is_not_found_by_anyone(store, job, folder):
    store.put(job)
    store.delete(job.id)
    assert not (folder / job.id).exists()
    for question in (store.read, store.delete, lambda id_: store.finish(id_, ANSWER)):
        with pytest.raises(NotFound):
            question(job.id)


@pytest.mark.parametrize("id_", ["", ".", "..", "../x", "/etc/passwd", "a" * 31 + "\n", "G" * 32])
def test_only_ids_become_paths(store, id_):
    with pytest.raises(NotFound):
        store.read(id_)


def test_results_are_for_their_owner_only(store, job, folder):
    store.put(job)
    assert (folder / job.id).stat().st_mode & 0o077 == 0
