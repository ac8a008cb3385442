"""MPPS by pynetdicom as a modality (dcmtk has no client for it): what is kept, the statuses, and what follows."""

import time
from contextlib import contextmanager

import pytest
from pydicom.dataset import Dataset
from pynetdicom.ae import ApplicationEntity
from sqlalchemy import select, update

from app.dimse.contexts import PERFORMED_STEP
from app.dimse.performed_steps import UNUSED_S
from app.jobs.completeness import incomplete, performed
from app.store.database import PerformedStep, Study
from data_prep.deidentify.pseudonyms import Pseudonyms
from tests.app.dimse.archive import SENDER, holding
from tests.app.dimse.conftest import PLANES
from tests.app.studies import instances
from tests.app.trail_lines import trail_lines

pytestmark = pytest.mark.slow

# A PerformedSeriesSequence with something else than an item in it.
DAMAGED = b"\x40\0\x40\3SQ\0\0\xff\xff\xff\xff" + b"\x08\0\x50\0SH\2\0A1" * 4
KEY, NAME = "k" * 32, "Notkept"


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    files = [
        *instances(PLANES[:3], study="2.25.1", series="2.25.11"),
        *instances(PLANES[:3], study="2.25.2", series="2.25.21", ImagesInAcquisition=8),
        *instances(PLANES[:3], study="2.25.3", series="2.25.31"),
    ]
    with holding(tmp_path_factory.mktemp("archive"), files) as found:
        yield found


class Modality:
    """A modality that reports one step."""

    def __init__(self, opened, uid: str) -> None:
        self._opened, self._uid = opened, uid

    def begin(self, study: str = "2.25.1", **attributes) -> int:
        sent = Dataset()
        sent.PatientName, sent.PatientID = NAME, NAME
        sent.ScheduledStepAttributesSequence = [Dataset()]
        sent.ScheduledStepAttributesSequence[0].StudyInstanceUID = study
        sent.PerformedProcedureStepStatus = "IN PROGRESS"
        sent.PerformedSeriesSequence = []
        return self.create(changed(sent, attributes))

    def create(self, sent: Dataset | None) -> int:
        status, _ = self._opened.send_n_create(sent, PERFORMED_STEP, self._uid)
        return status.Status

    def tell(self, status: str | None, **attributes) -> Dataset:
        sent = Dataset()
        if status is not None:
            sent.PerformedProcedureStepStatus = status
        answer, _ = self._opened.send_n_set(changed(sent, attributes), PERFORMED_STEP, self._uid)
        return answer


def changed(sent: Dataset, attributes: dict) -> Dataset:
    for keyword, value in attributes.items():
        if value is None:
            delattr(sent, keyword)
        else:
            setattr(sent, keyword, value)
    return sent


def made(**images: int) -> list[Dataset]:
    """Items of a PerformedSeriesSequence: numbers of images by the ends of the series' UIDs, which begin with 2.25."""
    items = []
    for end, number in images.items():
        item, other = Dataset(), Dataset()
        item.SeriesInstanceUID = f"2.25.{end[1:]}"
        item.PatientName = NAME
        item.ReferencedImageSequence = [Dataset() for _ in range(number)]
        for index, reference in enumerate(item.ReferencedImageSequence):
            reference.ReferencedSOPClassUID = "1.2.840.10008.5.1.4.1.1.4"
            reference.ReferencedSOPInstanceUID = f"{item.SeriesInstanceUID}.{index + 1}"
        other.ReferencedSOPClassUID, other.ReferencedSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.66", "2.25.999"
        item.ReferencedNonImageCompositeSOPInstanceSequence = [other]
        items.append(item)
    return items


@contextmanager
def modality(archive, uid: str = "2.25.70"):
    """A step that nobody knows yet."""
    with archive.database.write() as session:
        for step in session.scalars(select(PerformedStep)):
            session.delete(step)
    entity = ApplicationEntity(SENDER)
    entity.add_requested_context(PERFORMED_STEP)
    opened = entity.associate("127.0.0.1", archive.port, ae_title="CRUCIATE")
    yield Modality(opened, uid)
    opened.release()


def steps(archive) -> list[tuple[str, str, dict[str, int]]]:
    with archive.database.read() as session:
        return [(one.study_uid, one.state, one.series) for one in session.scalars(select(PerformedStep))]


def waiting(archive) -> set[str]:
    with archive.database.read() as session:
        return incomplete(session, ["2.25.1", "2.25.2", "2.25.3"])


def test_what_is_kept_of_a_step_are_uids_numbers_and_its_status(archive):
    with modality(archive) as step:
        assert step.begin() == 0x0000
        assert steps(archive) == [("2.25.1", "IN PROGRESS", {})]
        assert step.tell(None, PerformedSeriesSequence=made(x11=2)).Status == 0x0000
        assert steps(archive) == [("2.25.1", "IN PROGRESS", {"2.25.11": 2})]
        assert step.tell("COMPLETED", PerformedSeriesSequence=made(x11=3, x12=4)).Status == 0x0000
        assert steps(archive) == [("2.25.1", "COMPLETED", {"2.25.11": 3, "2.25.12": 4})]
    lines = [line for line in trail_lines(archive.data) if line["what"] in ("N-CREATE", "N-SET")]
    assert [line["outcome"] for line in lines[-3:]] == ["0000H"] * 3
    assert {line["peer"] for line in lines} == {SENDER}
    assert [file for file in archive.data.rglob("*") if file.is_file() and NAME.encode() in file.read_bytes()] == []


def test_a_study_is_incomplete_while_a_modality_works_and_until_its_images_are_here(archive):
    with modality(archive) as step:
        step.begin("2.25.1")
        assert waiting(archive) == {"2.25.1", "2.25.2"}
        step.tell("COMPLETED", PerformedSeriesSequence=made(x11=3))
    assert waiting(archive) == {"2.25.2"}
    with modality(archive) as step:
        step.begin("2.25.1")
        step.tell("COMPLETED", PerformedSeriesSequence=made(x11=4))
    assert waiting(archive) == {"2.25.1", "2.25.2"}
    with archive.database.read() as session:
        assert performed(session, "2.25.1") == {"2.25.11": 4}


def test_of_a_series_that_was_cut_short_no_more_is_awaited(archive):
    assert "2.25.2" in waiting(archive)  # its headers announce eight instances
    with modality(archive) as step:
        step.begin("2.25.2")
        step.tell("DISCONTINUED", PerformedSeriesSequence=made(x21=5))
    assert waiting(archive) == set()
    with archive.database.read() as session:
        assert performed(session, "2.25.2") == {}


def test_a_step_that_is_over_may_no_longer_be_updated(archive):
    with modality(archive) as step:
        step.begin()
        step.tell("DISCONTINUED", PerformedSeriesSequence=made(x11=3))
        answer = step.tell("COMPLETED", PerformedSeriesSequence=made(x11=9))
        assert (answer.Status, answer.ErrorID) == (0x0110, 0xA710)
        assert answer.ErrorComment == "Performed Procedure Step Object may no longer be updated"
        assert steps(archive) == [("2.25.1", "DISCONTINUED", {"2.25.11": 3})]


def test_a_step_is_created_once_and_must_be_known_to_be_changed(archive):
    with modality(archive) as step:
        assert step.tell("COMPLETED").Status == 0x0112
        assert [step.begin(), step.begin("2.25.3")] == [0x0000, 0x0111]
        assert steps(archive) == [("2.25.1", "IN PROGRESS", {})]


def without_study() -> list[Dataset]:
    return [Dataset()]


@pytest.mark.parametrize(
    ("attributes", "status"),
    [
        ({"PerformedProcedureStepStatus": "COMPLETED"}, 0x0106),
        ({"PerformedProcedureStepStatus": "BEGUN"}, 0x0106),
        ({"PerformedProcedureStepStatus": ""}, 0x0121),
        ({"PerformedProcedureStepStatus": None}, 0x0120),
        ({"ScheduledStepAttributesSequence": None}, 0x0120),
        ({"ScheduledStepAttributesSequence": []}, 0x0121),
        ({"ScheduledStepAttributesSequence": without_study()}, 0x0121),
        ({"PerformedSeriesSequence": without_study()}, 0x0106),
    ],
)
def test_a_step_that_cannot_be_created(archive, attributes, status):
    with modality(archive) as step:
        assert step.begin(**attributes) == status
    assert steps(archive) == []


def test_a_request_without_a_data_set_or_with_a_damaged_one(archive, monkeypatch):
    with modality(archive) as step:
        assert step.create(None) == 0x0120
        assert step.begin() == 0x0000
        monkeypatch.setattr("pynetdicom.association.encode", lambda *_: DAMAGED)
        assert step.tell("COMPLETED").Status == 0x0110
        assert steps(archive) == [("2.25.1", "IN PROGRESS", {})]


def test_a_change_with_an_unknown_status_changes_nothing(archive):
    with modality(archive) as step:
        step.begin()
        assert step.tell("DONE", PerformedSeriesSequence=made(x11=3)).Status == 0x0106
    assert steps(archive) == [("2.25.1", "IN PROGRESS", {})]


@pytest.mark.parametrize(("images", "state"), [(3, "predicted"), (4, "receiving")])
def test_a_study_that_was_predicted_on_too_early_waits_again(archive, images, state):
    with archive.database.write() as session:
        session.execute(update(Study).where(Study.uid == "2.25.3").values(state="predicted", received=1.0))
    with modality(archive) as step:
        step.begin("2.25.3")
        step.tell("COMPLETED", PerformedSeriesSequence=made(x31=images))
    with archive.database.read() as session:
        study = session.scalars(select(Study).where(Study.uid == "2.25.3")).one()
    assert (study.state, study.received > 1.0) == (state, state == "receiving")


def test_a_step_goes_with_its_study(tmp_path):
    with holding(tmp_path, instances(PLANES[:1], study="2.25.1", series="2.25.11")) as archive:
        with modality(archive) as step:
            step.begin()
        archive.instances.delete_study("2.25.1")
        assert steps(archive) == []


def test_a_step_whose_study_never_came_is_forgotten_after_a_month(archive):
    old, now = time.time() - UNUSED_S - 1, time.time()
    with modality(archive) as step:
        with archive.database.write() as session:
            for uid, study, begun in (("1.1", "2.25.404", old), ("1.2", "2.25.404", now), ("1.3", "2.25.3", old)):
                session.add(PerformedStep(uid=uid, study_uid=study, state="COMPLETED", series={}, begun=begun))
        step.begin("2.25.1")
    with archive.database.read() as session:
        assert set(session.scalars(select(PerformedStep.uid))) == {"1.2", "1.3", "2.25.70"}


def test_uids_are_those_of_the_stored_instances_if_the_identity_may_not_stay(tmp_path):
    files = instances(PLANES[:3], study="2.25.1", series="2.25.11")
    variables = {"CRUCIATE_DEIDENTIFY": "basic", "CRUCIATE_DEIDENTIFY_KEY": KEY}
    with holding(tmp_path, files, **variables) as archive:
        with modality(archive) as step:
            assert step.begin("2.25.1") == 0x0000
            assert step.tell("COMPLETED", PerformedSeriesSequence=made(x11=4)).Status == 0x0000
        (row, *_) = archive.instances.find()
        assert steps(archive) == [(row.study_uid, "COMPLETED", {row.series_uid: 4})]
        assert row.study_uid == Pseudonyms(KEY.encode()).uid("2.25.1")
