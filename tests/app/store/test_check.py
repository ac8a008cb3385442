"""`python -m app.store check` finds everything that doesn't fit, and repairs what can be repaired."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from sqlalchemy import insert, select, update

from app.audit import record
from app.search.asked import conditions
from app.search.finding import find
from app.store.__main__ import main
from app.store.check import Kind, check
from app.store.database import Database, Instance, Prediction, Study, sqlite_url
from app.store.disk.instance_folder import InstanceFolder
from app.store.disk.metadata_file import beside
from app.store.index.keys import Level, keys_for
from app.store.index.renewal import renew, renew_wholly
from app.store.index.summaries import OF_PATIENT, SUMMARY
from app.store.instances import Instances
from app.store.job import Job
from app.store.keys import KeyRing
from app.store.opening import open_database
from app.store.predictions import Store
from app.store.queue import Queue
from data_prep.network_input.footprint import Footprint
from data_prep.selection.series import Selection
from tests.app.studies import PATIENT, instances, voxels
from tests.conftest import make_volume

pytestmark = pytest.mark.slow

STUDY = "2.25.7"
FILES = instances(voxels())


class Full(NamedTuple):
    """A store with a study, a result of ours and an answered prediction.

    Attributes:
        file: A received file.
        prediction: The folder of the prediction.
    """

    folder: Path
    database: Database
    file: Path
    prediction: Path


@pytest.fixture
def full(tmp_path, monkeypatch) -> Full:
    folder = tmp_path / "var"
    monkeypatch.setenv("CRUCIATE_DATA", str(folder))
    database = open_database("", folder)
    held, store = Instances(folder / "instances", database), Store(folder / "predictions", database)
    held.receive((str(number), file) for number, file in enumerate(FILES))
    held.keep(instances(voxels()[:1], series="2.25.99"))
    volume = replace(make_volume(np.ones((3, 6, 5), np.float32)), study_uid=STUDY)
    job = Job.of(Selection(volume, ()), "bundle", 1)
    store.put(job)
    store.finish(
        job.id,
        {"id": job.id, "status": "done"},
        np.zeros((2, 2, 2, 2), np.float32),
        Footprint(volume.shape, (1, 3), (0, 6), (0, 5)),
    )
    file = next(path for path in (folder / "instances" / STUDY).iterdir())
    return Full(folder, database, file, folder / "predictions" / job.id)


def found(full: Full) -> dict[Kind, int]:
    return {kind: len(paths) for kind, paths in check(full.database, full.folder).items() if paths}


def damage(full: Full, kind: Kind) -> None:
    if kind is Kind.UNLISTED:
        with full.database.write() as session:
            session.connection().exec_driver_sql("DELETE FROM instance")
            renew(session, STUDY)
    elif kind is Kind.LOST:
        full.file.unlink()
    elif kind is Kind.DAMAGED:
        full.file.write_bytes(full.file.read_bytes()[:-1] + b"\xff")
    elif kind is Kind.PREAMBLE:
        full.file.write_bytes(b"\x7fELF".ljust(128, b"x") + full.file.read_bytes()[128:])
    elif kind is Kind.UNKNOWN:
        shutil.copytree(full.prediction, full.prediction.with_name("0" * 32))
    elif kind is Kind.INCOMPLETE:
        (full.prediction / "maps.npy").unlink()
    elif kind is Kind.ATTRIBUTES:
        with full.database.write() as session:
            session.execute(update(Instance).where(Instance.digest == full.file.name).values(attributes={}))
    elif kind is Kind.METADATA:
        beside(full.file).write_bytes(b"no metadata")
    elif kind is Kind.SEARCHED:
        with full.database.write() as session:
            session.connection().exec_driver_sql("DELETE FROM instance_entry")
    elif kind is Kind.SUMMARIES:
        with full.database.write() as session:
            session.connection().exec_driver_sql("DELETE FROM summary")
    else:
        left = full.folder / "instances" / ".incoming" / "0123"
        left.mkdir()
        (left / "half").write_bytes(b"half")


def test_a_store_in_order_is_well(full, capsys):
    assert found(full) == {}
    assert main(["check", "--list"]) == 0
    assert capsys.readouterr().out == "All is well.\n"
    assert main(["check", "--repair"]) == 0


COUNTS = {Kind.UNLISTED: len(FILES) + 1}


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_is_found_and_a_check_changes_nothing(full, kind, capsys):
    damage(full, kind)
    before = sorted(full.folder.rglob("*"))
    assert found(full) == {kind: COUNTS.get(kind, 1)}
    assert main(["check"]) == 1
    out = capsys.readouterr().out
    assert out == f"{COUNTS.get(kind, 1)} {kind}\n"
    assert main(["check", "--list"]) == 1
    out = capsys.readouterr().out
    assert out.count("\n    ") == COUNTS.get(kind, 1)
    assert str(full.folder) not in out
    assert not any(value in out for value in PATIENT.values())
    assert sorted(full.folder.rglob("*")) == before


@pytest.mark.parametrize("kind", sorted(set(Kind) - {Kind.LOST, Kind.DAMAGED, Kind.INCOMPLETE}))
def test_what_can_be_repaired_is_repaired(full, kind, capsys):
    damage(full, kind)
    assert main(["check", "--repair"]) == 0
    assert capsys.readouterr().out.endswith("All is well.\n")
    assert found(full) == {}
    assert len(list(Instances(full.folder / "instances", full.database).find(STUDY))) == len(FILES) + 1


@pytest.mark.parametrize(
    "values", [{"status": "queued"}, {"patient_name": "N"}, {"superseded": True}, {"unhealthy": 0.5}]
)
def test_a_summary_that_says_something_else_is_made_anew(full, values):
    with full.database.write() as session:
        session.execute(update(SUMMARY).values(values))
    assert found(full) == {Kind.SUMMARIES: 1}
    assert main(["check", "--repair"]) == 0
    with full.database.read() as session:
        row = session.execute(select(SUMMARY)).one()
    assert row.status == "done"
    assert not any(getattr(row, name) == value for name, value in values.items())


def test_a_summary_without_a_prediction_is_deleted(full):
    with full.database.write() as session:
        row = session.execute(select(SUMMARY)).one()._asdict()
        session.execute(insert(SUMMARY), [row | {"prediction": "0" * 32}])
    assert found(full) == {Kind.SUMMARIES: 1}
    assert main(["check", "--repair"]) == 0
    with full.database.read() as session:
        assert session.scalars(select(SUMMARY.c.prediction)).all() == [full.prediction.name]


def test_what_is_arriving_needs_no_summary_and_keeps_the_last_one(full):
    """A failed prediction is sent again."""
    queue = Queue(full.database, 10)
    for seed in (2, 3):
        volume = replace(make_volume(np.full((3, 6, 5), seed, np.float32)), study_uid=f"2.25.7{seed}")
        job = Job.of(Selection(volume, ()), "bundle", 1)
        if seed == 3:
            Store(full.folder / "predictions", full.database).put(job)
            Store(full.folder / "predictions", full.database).finish(job.id, {"id": job.id, "status": "failed"})
        assert queue.enter(job, "lease", ["bundle"]) is None
    assert Kind.SUMMARIES not in found(full)


def test_what_retention_empties_is_in_order(full):
    """A synthetic knee stays one when its origins have expired."""
    with full.database.write() as session:
        session.execute(update(Prediction).values(pixels_expired=True, origins=[]))
        session.execute(update(SUMMARY).values(OF_PATIENT | {"synthetic": True}))
    assert Kind.SUMMARIES not in found(full)


def test_what_earlier_versions_did_not_keep_is_read_from_the_files(full):
    """And searches find it then."""
    damage(full, Kind.ATTRIBUTES)
    by_name = {key.name: key for key in keys_for(Level.INSTANCE)}
    number = [(by_name["Rows"], "96")]
    with full.database.write() as session:
        renew_wholly(session, STUDY)
    before = len(find(full.database, Level.INSTANCE, conditions(number), 100))
    assert main(["check", "--repair"]) == 0
    assert len(find(full.database, Level.INSTANCE, conditions(number), 100)) == before + 1 == len(FILES) + 1


def test_metadata_that_are_whole_stay(full):
    folder = InstanceFolder(full.folder / "instances")
    folder.keep_metadata({(STUDY, full.file.name): b'{"00080060": {"vr": "CS"}}'})
    beside(full.file).with_name(f"{'0' * 64}.metadata-1.gz").write_bytes(beside(full.file).read_bytes())
    beside(full.file).with_name(f"{full.file.name}.metadata-0.gz").write_bytes(beside(full.file).read_bytes())
    assert found(full) == {Kind.METADATA: 2}
    assert main(["check", "--repair"]) == 0
    assert folder.metadata(STUDY, full.file.name) == b'{"00080060": {"vr": "CS"}}'


@pytest.mark.parametrize("kind", [Kind.LOST, Kind.DAMAGED])
def test_a_file_that_is_lost_waits_for_its_sender(full, kind, capsys):
    damage(full, kind)
    assert main(["check", "--repair"]) == 1
    assert "1 rows without a file" in capsys.readouterr().out
    assert found(full) == {Kind.LOST: 1}
    assert len(list((full.folder / "set-aside").rglob(full.file.name))) == (kind is Kind.DAMAGED)
    held = Instances(full.folder / "instances", full.database)
    held.receive(
        (str(number), file) for number, file in enumerate([*FILES, *instances(voxels()[:1], series="2.25.99")])
    )
    assert main(["check"]) == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files immutable")
@pytest.mark.parametrize("kind", [Kind.DAMAGED, Kind.PREAMBLE, Kind.UNKNOWN])
def test_what_the_disk_does_not_let_us_change_is_told(full, kind, capsys):
    damage(full, kind)
    fixed = full.prediction.with_name("0" * 32) if kind is Kind.UNKNOWN else full.file
    if subprocess.run(["chattr", "+i", fixed], check=False, capture_output=True).returncode:
        pytest.skip("this file system can't make files immutable")
    try:
        assert main(["check", "--repair"]) == 1
    finally:
        subprocess.run(["chattr", "-i", fixed], check=True)
    assert capsys.readouterr().out.endswith(f"1 {kind}\n")
    main(["check", "--repair"])
    assert kind not in found(full)


def test_a_result_that_is_lost_is_made_again_by_the_service(full):
    held = Instances(full.folder / "instances", full.database)
    (result,) = (row for row in held.find() if row.ours)
    with full.database.write() as session:
        session.connection().exec_driver_sql("UPDATE prediction SET published = 1")
    (full.folder / "instances" / STUDY / result.digest).unlink()
    assert main(["check", "--repair"]) == 0
    with full.database.read() as session:
        assert session.scalars(select(Prediction.published)).all() == [False]


def test_a_prediction_without_its_maps_is_computed_again_if_its_study_is_held(full):
    damage(full, Kind.INCOMPLETE)
    with full.database.write() as session:
        session.connection().exec_driver_sql("UPDATE study SET state = 'predicted'")
    assert main(["check", "--repair"]) == 1
    with full.database.read() as session:
        assert session.scalars(select(Study.state)).all() == ["receiving"]


def test_what_cannot_be_listed_is_set_aside(full, capsys):
    folder = full.folder / "instances"
    strange = [
        folder / STUDY / "note.txt",
        folder / "x",
        folder / "2.25.1" / full.file.name,
        folder / STUDY / ("0" * 64),
    ]
    (folder / "2.25.1").mkdir()
    for path in strange:
        path.write_bytes(FILES[0])
    other = instances(voxels(1))[0]  # another instance with a UID that is held
    elsewhere = Instances(full.folder / "other" / "instances", Database(sqlite_url(full.folder / "other.db")))
    elsewhere.receive([("", other)])
    (row,) = elsewhere.find()
    shutil.copy(full.folder / "other" / "instances" / STUDY / row.digest, folder / STUDY / row.digest)
    assert main(["check", "--repair"]) == 0
    assert f"{len(strange) + 1} files or folders were set aside" in capsys.readouterr().out
    assert len([path for path in (full.folder / "set-aside").rglob("*") if path.is_file()]) == len(strange) + 1
    assert not (folder / "2.25.1").exists()


def test_a_folder_and_another_database_are_joined_on_purpose(full, monkeypatch, capsys):
    monkeypatch.setenv("CRUCIATE_DATABASE", sqlite_url(full.folder / "another.db"))
    assert main(["check"]) == 1
    assert "don't belong together" in capsys.readouterr().out
    assert main(["check", "--repair"]) == 0
    database = open_database(sqlite_url(full.folder / "another.db"), full.folder)
    held = Instances(full.folder / "instances", database)
    assert {row.sop_uid for row in held.find()} == {
        *(f"2.25.8.{index + 1}" for index in range(len(FILES))),
        "2.25.99.1",
    }
    assert (next((full.folder / "set-aside").rglob("voxels.npy")).parent.name) == full.prediction.name
    assert main(["check"]) == 0


@pytest.mark.parametrize("trail", ["lost", "without keys", "with keys"])
def test_a_new_database_does_not_open_the_service_if_the_former_one_had_keys(full, trail, monkeypatch, capsys):
    """Keys are lost with the database. The audit tells whether there were any; without it, nobody knows."""
    shutil.rmtree(full.folder / "audit", ignore_errors=True)
    if trail != "lost":
        record(full.folder, "key created" if trail == "with keys" else "GET /x", "done")
    monkeypatch.setenv("CRUCIATE_DATABASE", sqlite_url(full.folder / "new.db"))
    assert main(["check", "--repair"]) == 0
    is_closed = trail != "without keys"
    assert ("Requests need one." in capsys.readouterr().out) == is_closed
    ring = KeyRing(open_database(sqlite_url(full.folder / "new.db"), full.folder))
    assert ring.required() == is_closed


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"CRUCIATE_DATA": "nowhere"}, "There is no data folder nowhere"),
        ({"CRUCIATE_DATABASE": "no url, password"}, "can't be opened"),
        ({"CRUCIATE_DATABASE": "postgresql+pg8000://u:password@h/d"}, "can't be opened"),
        ({"CRUCIATE_DATABASE": "postgresql+nodriver://u:password@h/d"}, "can't be opened"),
    ],
)
def test_a_store_that_cannot_be_opened_is_told(full, monkeypatch, capsys, variables, said):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert main(["check"]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert "password" not in error


@pytest.mark.slow
def test_the_command_runs_beside_a_service_that_receives(full):
    """A check finds nothing in what is received meanwhile, and repairs nothing away."""
    held = Instances(full.folder / "instances", full.database)
    command = [sys.executable, "-m", "app.store", "check", "--repair"]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ)
    number = 0
    while running.poll() is None:
        number += 1
        held.receive([("", file) for file in instances(voxels()[:2], f"2.25.6{number}", f"2.25.5{number}")])
        held.delete_study(f"2.25.6{number - 1}") if number % 3 == 0 else None
    assert running.returncode == 0, running.stdout.read()
    running.stdout.close()
    assert found(full) == {}
    assert not (full.folder / "set-aside").exists()
