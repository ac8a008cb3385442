"""What is acknowledged is held, once, whoever sends it and whatever dies."""

import io
import os
import resource
import threading
import time

import numpy as np
import pydicom
import pytest
from sqlalchemy import select
from werkzeug.exceptions import NotFound

from app.store.database import Database, Study, sqlite_url
from app.store.instance_file import Failure
from app.store.instance_folder import ABANDONED_S
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
    assert [path.name for path in (tmp_path / "instances").rglob("*") if path.is_file()] == [".lock"]


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
    assert list((tmp_path / "instances" / ".incoming").iterdir()) == []


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


def test_a_start_sweeps_what_a_crash_left(held, tmp_path, database):
    held.receive(named([FILE]))
    folder = tmp_path / "instances"
    old, young, unlisted = folder / ".incoming" / "old", folder / ".incoming" / "young", folder / "2.25.1" / "ab"
    unlisted.parent.mkdir()
    for path in (old, young, unlisted):
        path.write_bytes(b"half")
    os.utime(old, (0, time.time() - ABANDONED_S - 1))
    restarted = Instances(folder, database)
    assert not old.exists()
    assert young.exists()
    assert not unlisted.parent.exists()
    assert [stream.read() for _, stream in restarted.files(STUDY)] == [FILE]


def test_series_are_counted(held):
    held.receive(named(instances(voxels()) + instances(voxels()[:3], series="2.25.80")))
    found = {series.example.series_uid: series.instances for series in held.series(STUDY)}
    assert found == {"2.25.8": SLICES, "2.25.80": 3}


def test_more_instances_than_are_fetched_at_one_time_are_all_found(held, monkeypatch):
    monkeypatch.setattr("app.store.instances.BATCH", 3)
    held.receive(named(instances(voxels()) + instances(voxels()[:4], "2.25.6", "2.25.5")))
    assert sorted(row.sop_uid for row in held.find(STUDY)) == sorted(f"2.25.8.{index + 1}" for index in range(SLICES))
    assert [series.example.study_uid for series in held.series()] == ["2.25.6", STUDY]
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
