"""How many instances of a study are here, beside how many its headers announce."""

import pytest

from app.jobs.completeness import incomplete
from app.store.database import Database, sqlite_url
from app.store.instances import Instances
from tests.app.studies import instances, voxels

STUDY = "2.25.7"


@pytest.fixture
def database(tmp_path) -> Database:
    return Database(sqlite_url(tmp_path / "service.db"))


@pytest.fixture
def receive(tmp_path, database):
    held = Instances(tmp_path / "instances", database)

    def receive(*files: bytes) -> Instances:
        assert [one.reason for one in held.receive(("", file) for file in files)] == [None] * len(files)
        return held

    return receive


def waits(database: Database) -> bool:
    with database.read() as session:
        return incomplete(session, [STUDY, "2.25.404"]) == {STUDY}


@pytest.mark.parametrize(
    "keyword", ["NumberOfSeriesRelatedInstances", "ImagesInAcquisition", "NumberOfStudyRelatedInstances"]
)
def test_a_study_is_incomplete_until_as_many_are_here_as_a_header_names(database, receive, keyword):
    files = instances(voxels()[:6], **{keyword: 6})
    receive(*files[:5])
    assert waits(database)
    receive(*files[:5])
    assert waits(database)
    receive(files[5])
    assert not waits(database)


def test_the_number_of_a_series_counts_for_it_alone(database, receive):
    receive(*instances(voxels()[:3], ImagesInAcquisition=4), *instances(voxels()[:3], series="2.25.9"))
    assert waits(database)


def test_the_number_of_a_study_counts_for_all_series(database, receive):
    announcing = {"NumberOfStudyRelatedInstances": 6}
    receive(*instances(voxels()[:3], **announcing), *instances(voxels()[:3], series="2.25.9", **announcing))
    assert not waits(database)


def test_results_of_ours_are_no_received_instances(database, receive):
    held = receive(*instances(voxels()[:3], NumberOfStudyRelatedInstances=4))
    held.keep(instances(voxels()[:1], series="2.25.99"))
    assert waits(database)


def test_the_largest_number_counts(database, receive):
    receive(*instances(voxels()[:2], ImagesInAcquisition=2))
    receive(*instances(voxels()[2:3], series="2.25.9", ImagesInAcquisition=4))
    receive(*instances(voxels()[3:5], series="2.25.9.1", ImagesInAcquisition=2))
    assert waits(database)


@pytest.mark.parametrize("number", ["no", "-3", "0", "999999999"])
def test_a_number_that_cannot_be_right_announces_nothing(database, receive, number):
    (file,) = instances(voxels()[:1], series="2.25.9", ImagesInAcquisition=12)
    assert file.count(b"IS\2\00012") == 1
    receive(file.replace(b"IS\2\00012", b"IS" + len(_even(number)).to_bytes(2, "little") + _even(number)))
    assert not waits(database)


def _even(text: str) -> bytes:
    return text.encode() + b" " * (len(text) % 2)


def test_nothing_is_known_of_a_study_that_is_deleted(database, receive):
    held = receive(*instances(voxels()[:3], ImagesInAcquisition=4))
    held.delete_study(STUDY)
    receive(*instances(voxels()[:3]))
    assert not waits(database)
