"""What a sweep deletes and what it leaves, on a store with two studies and their answered predictions."""

import json
import os
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select, update
from werkzeug.exceptions import NotFound

from app.audit.verify import verify
from app.delivery.deliveries import Deliveries
from app.retention.calendar import Calendar
from app.retention.policy import Limit
from app.retention.sweep import Sweep, kinds
from app.store.check import check
from app.store.database import Announced, Database, Delivery, Instance, PerformedStep, Prediction, Study
from app.store.index.summaries import SUMMARY
from app.store.instances import Instances
from app.store.job import Job
from app.store.opening import open_database
from app.store.predictions import Store
from app.store.record import Expired
from data_prep.network_input.footprint import Footprint
from data_prep.selection.series import Selection
from tests.app.postgres import postgresql
from tests.app.studies import PATIENT, instances, voxels
from tests.conftest import make_volume

pytestmark = pytest.mark.slow

DAY_S = 86_400.0
KINDS = ("pixels", "maps", "results", "instances")
OLD, NEW = "2.25.7", "2.25.70"
EVERYTHING = dict.fromkeys(KINDS, Limit(age_s=30 * DAY_S))


class Room:
    """A store: `OLD` was stored 40 days before `now`, `NEW` one day before.

    Attributes:
        ids: The prediction of each study.
        now: Seconds since 1970.
    """

    def __init__(self, folder: Path, url: str = "") -> None:
        self.now = time.time()
        self.folder, self.database = folder, open_database(url, folder)
        self.held = Instances(folder / "instances", self.database)
        self.store = Store(folder / "predictions", self.database)
        self.deliveries = Deliveries(self.database, (), folder)
        self.ids = {study: self.predict(study) for study in (OLD, NEW)}
        for study, days in ((OLD, 40), (NEW, 1)):
            self.receive(study)
            self.age(study, days)

    def receive(self, study: str) -> None:
        """Three instances and one result."""
        files = instances(voxels()[:3], study=study, series=f"{study}.1")
        assert not any(receipt.reason for receipt in self.held.receive(("", file) for file in files))
        self.held.keep(instances(voxels()[:1], study=study, series=f"{study}.99"))
        self.write(update(Study).values(state="predicted"))
        self.write(update(Prediction).values(published=True))

    def predict(self, study: str) -> str:
        """An answered prediction."""
        volume = replace(make_volume(np.full((3, 6, 5), len(study), np.float32)), study_uid=study)
        origin = instances(voxels()[:1])[0]
        job = Job.of(Selection(volume, ()), "bundle", 1)
        self.store.put(job)
        self.write(update(Prediction).where(Prediction.id == job.id).values(origins=[{"00100010": repr(origin[:9])}]))
        answer = {"id": job.id, "status": "done", "created": job.created}
        self.store.finish(
            job.id, answer, np.zeros((2, 2, 2, 2), np.float32), Footprint(volume.shape, (1, 3), (0, 6), (0, 5))
        )
        return job.id

    def age(self, study: str, days: float) -> None:
        """Let a study be as old as this."""
        then = self.now - days * DAY_S
        self.write(update(Prediction).where(Prediction.study_uid == study).values(finished=then))
        self.write(update(Instance).where(Instance.study_uid == study).values(stored=then))

    def write(self, statement) -> None:
        with self.database.write() as session:
            session.execute(statement)

    def sweep(self, limits: dict[str, Limit] = EVERYTHING) -> dict[str, list[str]]:
        """Delete what is due. Gives the keys that were deleted of each kind."""
        sweep = self.made(limits)
        return {
            found.kind.name: [one.item.key for one in sweep.delete(found.kind, found.due)]
            for found in sweep.look(self.now)
        }

    def made(self, limits: dict[str, Limit] = EVERYTHING) -> Sweep:
        return Sweep(kinds(self.database, self.folder, self.deliveries), limits, self.folder)

    def files(self) -> set[str]:
        """What is on the disk of predictions and instances, without locks."""
        found = (path.relative_to(self.folder) for path in self.folder.rglob("*") if path.is_file())
        return {
            str(path) for path in found if path.parts[0] in ("predictions", "instances") and ".lock" not in path.name
        }

    def audited(self) -> list[dict]:
        """The lines of the audit trail about what has expired."""
        assert verify(self.folder).faults == ()
        files = (self.folder / "audit").glob("*.jsonl")
        lines = [json.loads(line) for path in files for line in path.read_text().splitlines()]
        return [line for line in lines if line["what"].endswith(" expired")]

    def fits(self) -> bool:
        """Whether `app.store check` finds nothing."""
        return not any(check(self.database, self.folder).values())


@pytest.fixture
def room(tmp_path) -> Room:
    return Room(tmp_path / "var")


def test_what_is_old_goes_and_the_rest_stays(room):
    sizes = {"pixels": 128 + 4 * 90, "maps": 128 + 4 * 16}
    assert room.sweep() == {
        "pixels": [room.ids[OLD]],
        "maps": [room.ids[OLD]],
        "results": [OLD],
        "instances": [OLD],
    }
    assert not any(OLD in Path(path).parts or room.ids[OLD] in path for path in room.files())
    assert room.store.read(room.ids[NEW]).is_whole()
    assert len(list(room.held.find(NEW))) == 4
    assert list(room.held.find(OLD)) == []
    assert room.store.read(room.ids[OLD]).answer["status"] == "done"
    assert room.fits()
    assert room.sweep() == {kind: [] for kind in KINDS}
    lines = room.audited()
    assert [(line["what"], line["outcome"], line["reason"]) for line in lines] == [
        (f"{kind} expired", "deleted", "age") for kind in KINDS
    ]
    assert [line.get("prediction") for line in lines] == [room.ids[OLD]] * 2 + [None] * 2
    assert {line["bytes"] for line in lines[:2]} == set(sizes.values())
    assert not any(text in json.dumps(lines) for text in (OLD, *PATIENT.values()))
    assert len({line["study"] for line in lines}) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_has_its_own_limit(room, kind):
    before = room.files()
    assert {name: len(keys) for name, keys in room.sweep({kind: Limit(age_s=30 * DAY_S)}).items()} == {kind: 1}
    assert len(before - room.files()) == (3 if kind == "instances" else 1)
    assert len(room.audited()) == 1
    assert room.fits()


def test_with_the_instances_goes_what_was_announced_of_them(room):
    with room.database.write() as session:
        for study in (OLD, NEW):
            session.add(Announced(study_uid=study, series_uid="", instances=9))
            session.add(PerformedStep(uid=f"{study}.5", study_uid=study, state="COMPLETED", series={}, begun=room.now))
    room.sweep()
    with room.database.read() as session:
        for told in (Announced, PerformedStep):
            assert list(session.scalars(select(told.study_uid))) == [NEW]


@pytest.mark.parametrize("kind", KINDS)
def test_by_size_the_oldest_goes_until_the_rest_fits(room, kind):
    (found,) = room.made({kind: Limit(size=0)}).look(room.now)
    sizes = [item.size for item in found.items]
    assert len(sizes) == 2
    assert room.sweep({kind: Limit(size=sum(sizes))}) == {kind: []}
    old = OLD if kind in ("results", "instances") else room.ids[OLD]
    assert room.sweep({kind: Limit(size=sum(sizes) - 1)}) == {kind: [old]}
    assert room.audited()[0]["reason"] == "size"


def test_postgresql_does_the_same(tmp_path):
    with postgresql() as url:
        room = Room(tmp_path / "var", url)
        wait_for_a_target(room)
        assert room.sweep() == {kind: [] for kind in KINDS}
        room.write(update(Delivery).values(state="delivered", due=None))
        assert [len(keys) for keys in room.sweep().values()] == [1, 1, 1, 1]
        assert room.sweep() == {kind: [] for kind in KINDS}
        assert Calendar(room.database).advance() == pytest.approx(time.time(), abs=60)
        assert Calendar(room.database).advance() == pytest.approx(time.time(), abs=60)
        assert room.fits()
        room.database.close()


def test_a_look_changes_nothing(room):
    before = room.files()
    found = room.made().look(room.now)
    assert [len(one.due) for one in found] == [1, 1, 1, 1]
    assert room.files() == before
    assert room.audited() == []


def test_what_was_expired_is_told_from_what_is_lost(room):
    room.sweep()
    record = room.store.read(room.ids[OLD])
    with pytest.raises(Expired, match=r"pixels of this prediction have expired.*same id"):
        _ = record.job
    with pytest.raises(Expired, match="maps of this prediction have expired"):
        record.map(0)
    assert not record.is_whole()
    (room.folder / "predictions" / room.ids[NEW] / "maps.npy").unlink()
    assert not room.fits()


def test_with_the_pixels_go_names_and_numbers_of_the_patient(room):
    room.write(update(SUMMARY).values(patient_name="Quibble"))
    with room.database.read() as session:
        before = dict(session.execute(select(Prediction.id, Prediction.origins)).all())
    room.sweep({"pixels": Limit(age_s=30 * DAY_S)})
    with room.database.read() as session:
        after = dict(session.execute(select(Prediction.id, Prediction.origins)).all())
        names = dict(session.execute(select(SUMMARY.c.prediction, SUMMARY.c.patient_name)).all())
    assert after == before | {room.ids[OLD]: []}
    assert names == {room.ids[OLD]: "", room.ids[NEW]: "Quibble"}


def wait_for_an_answer(room: Room) -> None:
    room.write(update(Prediction).values(status="queued"))


def wait_for_a_computer(room: Room) -> None:
    room.write(update(Prediction).values(status="arriving", lease="x"))


def wait_for_a_target(room: Room) -> None:
    delivery = Delivery(prediction=room.ids[OLD], target="http://pacs", state="waiting", attempts=3, due=2e9)
    with room.database.write() as session:
        session.add(delivery)


def wait_for_the_schedule(room: Room) -> None:
    room.write(update(Prediction).values(published=False))


@pytest.mark.parametrize("waits", [wait_for_an_answer, wait_for_a_computer, wait_for_a_target, wait_for_the_schedule])
def test_what_is_in_work_stays(room, waits: Callable[[Room], None]):
    before, sweep = room.files(), room.made()
    seen = sweep.look(room.now)
    waits(room)
    assert room.sweep() == {kind: [] for kind in KINDS}
    for found in seen:  # also what became busy after the look
        assert sweep.delete(found.kind, found.due) == []
    assert room.files() == before
    assert room.audited() == []


def test_a_delivery_that_has_ended_holds_nothing(room):
    wait_for_a_target(room)
    room.write(update(Delivery).values(state="dead", due=None))
    assert [len(keys) for keys in room.sweep().values()] == [1, 1, 1, 1]


def test_a_study_that_still_comes_stays(room):
    room.write(update(Study).values(state="receiving"))
    assert [len(keys) for keys in room.sweep().values()] == [1, 1, 0, 0]


def test_what_is_being_read_stays(room):
    reading = room.held.files(OLD)
    next(reading)
    assert room.sweep()["instances"] == []
    assert len(list(reading)) == 2
    assert room.sweep()["instances"] == [OLD]


def test_what_was_sent_again_after_the_look_stays(room):
    sweep = room.made()
    found = sweep.look(room.now)
    room.held.delete_study(OLD)
    room.receive(OLD)
    assert room.predict(OLD) == room.ids[OLD]
    room.write(update(Prediction).values(published=True))
    assert [sweep.delete(one.kind, one.due) for one in found] == [[], [], [], []]
    assert room.store.read(room.ids[OLD]).is_whole()
    assert len(list(room.held.find(OLD))) == 4


def test_what_expired_comes_back_when_it_is_sent_again(room):
    room.sweep()
    assert room.predict(OLD) == room.ids[OLD]
    room.receive(OLD)
    assert room.store.read(room.ids[OLD]).is_whole()
    assert room.fits()
    assert room.sweep() == {kind: [] for kind in KINDS}  # it is new


def test_a_study_whose_pixels_or_maps_expired_is_predicted_on_again_when_it_is_sent_again(room):
    """Its instances are still there, so nothing of it is new."""
    room.sweep({"pixels": Limit(age_s=30 * DAY_S)})
    for study in (OLD, NEW):
        room.held.receive([("", file) for file in instances(voxels()[:3], study=study, series=f"{study}.1")])
    with room.database.read() as session:
        states = dict(session.execute(select(Study.uid, Study.state)).all())
    assert states == {OLD: "receiving", NEW: "predicted"}


def test_results_that_expired_are_wanted_again_only_when_their_study_is_sent_again(room):
    room.sweep({"results": Limit(age_s=30 * DAY_S), "instances": Limit(age_s=30 * DAY_S)})
    room.deliveries.schedule_again(OLD)  # as when another prediction of the study is deleted
    room.deliveries.schedule()
    assert room.deliveries.find(9, prediction=room.ids[OLD]) == []
    room.held.receive([("", file) for file in instances(voxels()[:3], study=OLD, series=f"{OLD}.1")])
    room.deliveries.schedule()
    assert len(room.deliveries.find(9, prediction=room.ids[OLD])) == 1


def test_what_expired_can_be_deleted(room):
    room.sweep()
    room.store.delete(room.ids[OLD])
    with pytest.raises(NotFound):
        room.store.read(room.ids[OLD])
    assert room.fits()


def test_two_sweeps_at_once_delete_each_thing_once(tmp_path):
    room = Room(tmp_path / "var")
    limits = dict.fromkeys(KINDS, Limit(size=0))
    sweeps = [room.made(limits) for _ in range(4)]
    found = [sweep.look(room.now) for sweep in sweeps]
    deleted: list[str] = []

    def work(number: int) -> None:
        for one in found[number]:
            deleted.extend(one.kind.name for _ in sweeps[number].delete(one.kind, one.due))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(deleted) == sorted([*KINDS, *KINDS])
    assert len(room.audited()) == 8
    assert room.files() == set()
    assert room.fits()


@pytest.mark.parametrize("moment", ["before the file", "after the file"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_sweep_that_was_killed_is_completed_by_the_next_one(room, kind, moment):
    """The process dies at the deletion of the file, or between the file and the row."""

    class KilledError(BaseException):
        pass

    def die(*_, **__) -> None:
        raise KilledError

    sweep = room.made()
    with pytest.MonkeyPatch.context() as patched:
        if moment == "before the file":
            patched.setattr(Path, "unlink", die)
        else:
            patched.setattr("app.store.disk.instance_folder.InstanceFolder.flush", die)
            patched.setattr("app.retention.arrays.flush_folder", die)
        (found,) = (one for one in sweep.look(room.now) if one.kind.name == kind)
        with pytest.raises(KilledError):
            sweep.delete(found.kind, found.due)
    again = Room.__new__(Room)
    vars(again).update(vars(room))
    again.held, again.store = (
        Instances(room.folder / "instances", room.database),
        Store(room.folder / "predictions", room.database),
    )  # a start
    again.sweep()
    assert not any(OLD in Path(path).parts or room.ids[OLD] in path for path in room.files())
    assert not (room.folder / "set-aside").exists() or not any((room.folder / "set-aside").iterdir())
    assert list(again.held.find(OLD)) == []
    assert room.fits()
    assert {line["what"] for line in room.audited()} == {f"{name} expired" for name in KINDS}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files immutable")
def test_what_the_disk_does_not_delete_is_tried_once_by_each_process(room, caplog):
    file = room.folder / "predictions" / room.ids[OLD] / "voxels.npy"
    if subprocess.run(["chattr", "+i", file], check=False, capture_output=True).returncode:
        pytest.skip("this file system can't make files immutable")
    sweep = room.made({"pixels": Limit(age_s=DAY_S * 30)})
    try:
        for _ in range(3):
            (found,) = sweep.look(room.now)
            assert sweep.delete(found.kind, found.due) == []
    finally:
        subprocess.run(["chattr", "-i", file], check=True)
    assert caplog.text.count("can't be deleted") == 1
    assert room.sweep()["pixels"] == [room.ids[OLD]]
    assert room.fits()


def test_set_aside_is_left_alone(room):
    aside = room.folder / "set-aside" / "2026-01-01T00-00-00Z-0" / "instances" / OLD / ("0" * 64)
    aside.parent.mkdir(parents=True)
    aside.write_bytes(b"something")
    os.utime(aside, (0, 0))
    room.sweep(dict.fromkeys(KINDS, Limit(age_s=0, size=0)))
    assert aside.exists()
    assert room.files() == set()


def test_an_empty_store_has_nothing_due(tmp_path):
    database: Database = open_database("", tmp_path / "var")
    sweep = Sweep(kinds(database, tmp_path / "var", Deliveries(database, (), tmp_path)), EVERYTHING, tmp_path / "var")
    assert [found.due for found in sweep.look(2e9)] == [[], [], [], []]
