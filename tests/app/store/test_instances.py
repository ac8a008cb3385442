"""What is acknowledged is held, once, whoever sends it and whatever dies."""

import io
import os
import resource
import shutil
import subprocess
import threading
import time

import numpy as np
import pydicom
import pytest
from sqlalchemy import select
from werkzeug.exceptions import NotFound, ServiceUnavailable

from app.store.database import Database, Study, sqlite_url
from app.store.disk.shared_folder import FileLost
from app.store.files.instance_file import Failure
from app.store.instances import Instances
from data_prep.selection.series import load_study
from tests.app.studies import PATIENT, SLICES, instances, voxels

STUDY = "2.25.7"


@pytest.fixture
def database(tmp_path) -> Database:
    return Database(sqlite_url(tmp_path / "service.db"))


@pytest.fixture
def held(tmp_path, database) -> Instances:
    return Instances(tmp_path / "instances", database)


def named(files):
    return [(f"part {number}", file) for number, file in enumerate(files)]


def changed(file: bytes, syntax: str | None = None, **attributes) -> bytes:
    """The same instance with other attributes (None: without) or another name of its transfer syntax."""
    dataset = pydicom.dcmread(io.BytesIO(file))
    for keyword, value in attributes.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    if "SOPClassUID" in attributes:
        dataset.file_meta.MediaStorageSOPClassUID = attributes["SOPClassUID"]
    content = io.BytesIO()
    dataset.save_as(content)
    return content.getvalue().replace(b"1.2.840.10008.1.2.1\0", (syntax or "1.2.840.10008.1.2.1").encode() + b"\0")


def files_below(folder) -> list[str]:
    """Every file without the locks."""
    return [path.name for path in folder.rglob("*") if path.is_file() and path.name != ".lock"]


def contents(held) -> list[bytes]:
    """Every file that is held, in the order of UIDs."""
    found = []
    for row in held.find():
        with held.open(row) as stream:
            found.append(stream.read())
    return found


def state(database: Database, uid: str = STUDY) -> tuple[str, float] | None:
    with database.read() as session:
        row = session.scalars(select(Study).where(Study.uid == uid)).one_or_none()
        return row and (row.state, row.received)


def test_what_is_received_is_held_byte_for_byte(held, database):
    files = instances(voxels())
    before = time.time()
    receipts = held.receive(named(files))
    assert [receipt.reason for receipt in receipts] == [None] * SLICES
    assert [receipt.sop_instance_uid for receipt in receipts] == [f"2.25.8.{index + 1}" for index in range(SLICES)]
    assert sorted(stream.read() for _, stream in held.files(STUDY)) == sorted(files)
    status, received = state(database)
    assert status == "receiving"
    assert before <= received <= time.time()


def test_a_study_goes_from_here_to_a_volume(held):
    held.receive(named(reversed(instances(voxels()))))
    assert (load_study(held.files(STUDY)).volume.voxels == voxels()).all()


def test_the_same_again_changes_nothing(held, database):
    files = instances(voxels())
    held.receive(named(files))
    before = state(database)
    assert all(receipt.reason is None for receipt in held.receive(named(files)))
    assert state(database) == before
    assert len(list(held.find(STUDY))) == SLICES


def test_another_senders_file_meta_information_makes_no_other_instance(held):
    file = instances(voxels())[0]
    dataset = pydicom.dcmread(io.BytesIO(file))
    dataset.file_meta.SourceApplicationEntityTitle = "SOMEBODY"
    other = io.BytesIO()
    dataset.save_as(other)
    assert other.getvalue() != file
    assert [receipt.reason for receipt in held.receive(named([file, other.getvalue()]))] == [None, None]


def test_another_instance_of_the_same_uid_is_a_duplicate(held):
    first, other = instances(voxels(0))[0], instances(voxels(1))[0]
    assert [receipt.reason for receipt in held.receive(named([first, other]))] == [None, Failure.DUPLICATE]
    assert [receipt.reason for receipt in held.receive(named([other]))] == [Failure.DUPLICATE]
    assert [stream.read() for _, stream in held.files(STUDY)] == [first]


FILE = instances(voxels())[0]


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        (b"", Failure.NOT_UNDERSTOOD),
        (b"PK\3\4" + bytes(500), Failure.NOT_UNDERSTOOD),
        (FILE[:-1000], Failure.NOT_UNDERSTOOD),
        (FILE[:600], Failure.NOT_UNDERSTOOD),
        (changed(FILE, PixelData=None), Failure.NOT_UNDERSTOOD),
        (changed(FILE, SeriesInstanceUID=None), Failure.VALIDATION),
        (changed(FILE, StudyInstanceUID=".."), Failure.VALIDATION),
        (changed(FILE, SeriesInstanceUID="1." * 40 + "1"), Failure.VALIDATION),
        (changed(FILE, SOPClassUID="1.2.840.10008.1.1"), Failure.SOP_CLASS),
        (changed(FILE, SOPClassUID="1.2.3.4"), Failure.SOP_CLASS),
        (changed(FILE, "1.2.840.10008.1.2.9"), Failure.TRANSFER_SYNTAX),
        (changed(FILE, Rows=5000), Failure.RESOURCES),
        (changed(FILE, StudyInstanceUID="2.25.70"), Failure.OTHER_STUDY),
        (FILE.replace(b"2.25.8.1", b"2.25.8.2", 1), Failure.VALIDATION),
    ],
)
def test_what_is_refused_says_why_and_leaves_nothing(held, database, tmp_path, file, reason):
    (receipt,) = held.receive([("part 0", file)], STUDY)
    assert (receipt.name, receipt.reason) == ("part 0", reason)
    assert receipt.text
    assert not any(value in receipt.text for value in PATIENT.values())
    assert list(held.find()) == []
    assert state(database) is None
    assert files_below(tmp_path / "instances") == []


def test_one_bad_file_stops_no_other(held):
    files = instances(voxels())
    receipts = held.receive(named([files[0], b"no DICOM", files[1]]), STUDY)
    assert [receipt.reason for receipt in receipts] == [None, Failure.NOT_UNDERSTOOD, None]


def test_a_full_disk_is_told_and_stops_no_other(held):
    """A file beyond what this process may write fails as it would on a full disk."""
    (large,) = instances(np.zeros((1, 1200, 1000), np.uint16), series="2.25.99")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, limits[1]))
    try:
        receipts = held.receive(named([large, FILE]))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [receipt.reason for receipt in receipts] == [Failure.RESOURCES, None]
    assert [stream.read() for _, stream in held.files(STUDY)] == [FILE]
    assert [receipt.reason for receipt in held.receive(named([large]))] == [None]


def test_a_sender_that_breaks_off_leaves_nothing(held, tmp_path):
    def breaking():
        yield from named(instances(voxels()))
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        held.receive(breaking())
    assert list(held.find()) == []
    assert files_below(tmp_path / "instances") == []


def test_results_of_ours_are_held_but_not_analysed(held, database):
    files = instances(voxels())
    held.receive(named(files))
    before = state(database)
    (result,) = instances(voxels()[:1], series="2.25.99")
    held.keep([result])
    assert state(database) == before
    assert [row.sop_uid for row in held.find() if row.ours] == ["2.25.99.1"]
    assert sorted(stream.read() for _, stream in held.files(STUDY)) == sorted(files)
    # A PACS that got it sends it back with the study, changed as PACS do.
    (receipt,) = held.receive(named([changed(result, InstitutionName="Somewhere")]))
    assert receipt.reason is None
    assert state(database) == before


def test_a_deleted_study_is_gone_and_may_come_again(held, tmp_path):
    held.receive(named(instances(voxels(), "2.25.6", "2.25.5")))
    held.receive(named(instances(voxels())))
    held.delete_study(STUDY)
    assert {row.study_uid for row in held.find()} == {"2.25.6"}
    assert not (tmp_path / "instances" / STUDY).exists()
    with pytest.raises(NotFound):
        held.delete_study(STUDY)
    assert held.receive(named([FILE]))[0].reason is None


def test_an_instance_that_is_just_being_deleted_is_not_found(held, database, monkeypatch):
    """Its file is gone and its row not yet: nobody is told that the file is lost."""
    held.receive(named(instances(voxels())))
    row = next(held.find(STUDY))
    gone, erase = threading.Event(), database.erase

    def slow_erase():
        gone.set()
        time.sleep(0.5)
        return erase()

    monkeypatch.setattr(database, "erase", slow_erase)
    deleting = threading.Thread(target=held.delete_study, args=(STUDY,))
    deleting.start()
    assert gone.wait(10)
    with pytest.raises(NotFound, match="deleted") as told:
        held.open(row)
    assert not isinstance(told.value, FileLost)
    deleting.join()


def test_more_instances_than_are_fetched_at_one_time_are_all_found(held, monkeypatch):
    monkeypatch.setattr("app.store.instances.BATCH", 3)
    held.receive(named(instances(voxels()) + instances(voxels()[:4], "2.25.6", "2.25.5")))
    assert sorted(row.sop_uid for row in held.find(STUDY)) == sorted(f"2.25.8.{index + 1}" for index in range(SLICES))
    assert all(receipt.reason is None for receipt in held.receive(named(instances(voxels()))))


def test_values_that_no_header_should_have_stay_out_of_the_database(held):
    strange = changed(FILE, StudyDescription="x" * 5000, InstanceNumber=77).replace(b"IS\2\x0077", b"IS\2\0no")
    held.receive(named([strange]))
    (row,) = held.find()
    assert {"00081030", "00200013"}.isdisjoint(row.attributes)
    assert row.attributes["00080060"] == {"vr": "CS", "Value": ["MR"]}


def test_receivers_and_deleters_at_once_leave_no_row_without_its_file(held):
    """Two send the same study again and again, a third deletes it."""
    files, stop = instances(voxels())[:4], threading.Event()

    def send():
        while not stop.is_set():
            assert all(receipt.reason is None for receipt in held.receive(named(files)))

    senders = [threading.Thread(target=send) for _ in range(2)]
    for sender in senders:
        sender.start()
    for _ in range(20):
        while not list(held.find()):
            time.sleep(0.001)
        held.delete_study(STUDY)
    stop.set()
    for sender in senders:
        sender.join()
    assert sorted(stream.read() for _, stream in held.files(STUDY)) == sorted(files)


@pytest.mark.parametrize("damage", ["missing", "cut short", "its study's folder missing"])
def test_a_lost_file_is_told_and_written_again_when_it_is_sent_again(held, database, tmp_path, damage):
    held.receive(named(instances(voxels())[:3]))
    row = next(held.find())
    file = tmp_path / "instances" / STUDY / row.digest
    if damage == "missing":
        file.unlink()
    elif damage == "cut short":
        file.write_bytes(FILE[:700])
    else:
        shutil.rmtree(file.parent)
    with pytest.raises(FileLost, match="Send the instance again"):
        held.open(row)
    assert all(receipt.reason is None for receipt in held.receive(named(instances(voxels())[:3])))
    assert contents(held) == instances(voxels())[:3]
    assert state(database)[0] == "receiving"


def test_a_file_with_other_meta_information_repairs_one_that_is_lost(held, tmp_path):
    held.receive(named([FILE]))
    (row,) = held.find()
    (tmp_path / "instances" / STUDY / row.digest).unlink()
    dataset = pydicom.dcmread(io.BytesIO(FILE))
    dataset.file_meta.SourceApplicationEntityTitle = "SOMEBODY"
    other = io.BytesIO()
    dataset.save_as(other)
    held.receive(named([other.getvalue()]))
    (row,) = held.find()
    assert (row.size, contents(held)) == (len(other.getvalue()), [other.getvalue()])


def test_files_that_the_database_does_not_know_stay_and_are_listed_again(held, tmp_path, caplog):
    """A database from before, or another one: nothing is deleted."""
    files = instances(voxels()) + instances(voxels()[:2], "2.25.6", "2.25.5")
    held.receive(named(files))
    other = Instances(tmp_path / "instances", Database(sqlite_url(tmp_path / "other.db")))
    assert sorted(stream.read() for uid in (STUDY, "2.25.6") for _, stream in other.files(uid)) == sorted(files)
    assert {row.sop_uid for row in other.find()} == {row.sop_uid for row in held.find()}
    assert f"{len(files)} were listed, 0 set aside" in caplog.text
    assert STUDY not in caplog.text
    assert other.receive(named(files[:1]))[0].reason is None


def test_missing_files_are_counted_at_the_start(held, tmp_path, database, caplog):
    held.receive(named(instances(voxels())[:3]))
    shutil.rmtree(tmp_path / "instances" / STUDY)
    Instances(tmp_path / "instances", database)
    assert "the files of 3 instances are missing" in caplog.text


@pytest.mark.parametrize("preamble", [b"\x7fELF\2\1\1", b"MZ\x90\0", b"II*\0", b"#!/bin/sh\n"])
def test_a_preamble_that_is_a_program_is_not_kept(held, preamble):
    (receipt,) = held.receive(named([preamble.ljust(128, b"x") + FILE[128:]]))
    assert receipt.reason is None
    assert contents(held) == [FILE]
    assert held.receive(named([FILE]))[0].reason is None  # the digest is the same


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files immutable")
@pytest.mark.parametrize("what", ["file", "folder", "result"])
def test_a_study_that_the_disk_does_not_delete_is_still_listed(held, tmp_path, what):
    held.receive(named(instances(voxels())[:3]))
    held.keep(instances(voxels()[:1], series="2.25.99"))
    folder = tmp_path / "instances" / STUDY
    (result,) = (row for row in held.find() if row.ours)
    fixed = {"folder": folder, "file": next(folder.iterdir()), "result": folder / result.digest}[what]
    if subprocess.run(["chattr", "+i", fixed], check=False, capture_output=True).returncode:
        pytest.skip("this file system can't make files immutable")
    try:
        with pytest.raises(ServiceUnavailable, match="delete again"):
            held.delete_results(STUDY) if what == "result" else held.delete_study(STUDY)
    finally:
        subprocess.run(["chattr", "-i", fixed], check=True)
    assert len(list(held.find())) == 4
    held.delete_study(STUDY)
    assert list(held.find()) == []
    assert not folder.exists()
