"""Studies that come instance by instance: predicted on when quiet, again when more comes, and as often as it takes."""

import io
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from pydicom import dcmread
from sqlalchemy import select
from werkzeug.exceptions import NotFound, TooManyRequests

from app.contract.problems import OURS
from app.jobs.engine import Engine
from app.jobs.faults import LONGEST_PAUSE_S, TRIES
from app.jobs.intake import DECODERS, accept
from app.service.parts import EXTENSION, Service
from app.store.database import PerformedStep, Study
from data_prep.errors import UnsuitableStudy
from tests.app.conftest import Clock
from tests.app.studies import instances, voxels

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("own_readers")]

SOON_S = 30


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def service(make_app, clock) -> Service:
    """Nothing is predicted by itself here."""
    service = make_app(clock, clock, quiet_s=3600).extensions[EXTENSION]
    for work in service.rounds:
        work.stop()
    return service


def receive(service: Service, files: list[bytes]) -> None:
    receipts = service.instances.receive([("part", content) for content in files])
    assert [receipt.reason for receipt in receipts] == [None] * len(files)


def of_study(service: Service, uid: str) -> list[dict]:
    return service.store.answers(10, study_uid=uid)


def test_a_study_is_predicted_on_by_itself_once_it_is_quiet(make_app):
    service = make_app(quiet_s=0.2).extensions[EXTENSION]
    receive(service, instances(voxels(), study="2.25.1"))
    deadline = time.monotonic() + SOON_S
    while not (found := of_study(service, "2.25.1")) or found[0]["status"] == "queued":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert [answer["status"] for answer in found] == ["done"]
    assert found[0]["study"]["volume"]["slices"] == len(voxels())


@contextmanager
def decoders_are_killed() -> Iterator[None]:
    """As a kernel does that has no memory left."""
    DECODERS.close()  # idle ones may be no children of this process
    over = threading.Event()

    def kill() -> None:
        while not over.wait(0.01):
            for children in Path("/proc/self/task").glob("*/children"):
                with suppress(OSError):
                    for child in children.read_text().split():
                        if "app.apart.callee" in Path(f"/proc/{child}/cmdline").read_text():
                            os.kill(int(child), signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        yield
    finally:
        over.set()
        killer.join()


def test_a_decoder_that_is_killed_is_not_the_studys_failure(service, clock):
    receive(service, instances(voxels(), study="2.25.1"))
    clock.added_s = 3601
    with decoders_are_killed():
        service.studies.predict_quiet()
    assert of_study(service, "2.25.1") == []
    clock.added_s += LONGEST_PAUSE_S
    service.studies.predict_quiet()
    (answer,) = of_study(service, "2.25.1")
    assert answer["status"] != "failed"


def test_a_study_that_still_comes_is_left_alone(service, clock):
    receive(service, instances(voxels(), study="2.25.1"))
    service.studies.predict_quiet()
    assert of_study(service, "2.25.1") == []
    clock.added_s = 3601
    service.studies.predict_quiet()
    assert len(of_study(service, "2.25.1")) == 1


def test_what_came_late_is_predicted_on_too_and_the_refusal_is_forgotten(service, clock):
    files = instances(voxels(), study="2.25.1")
    receive(service, files[:5])
    clock.added_s = 3601
    service.studies.predict_quiet()
    (refused,) = of_study(service, "2.25.1")
    assert (refused["status"], refused["problem"]["status"]) == ("failed", 422)
    assert "only 5 slices" in refused["problem"]["detail"]
    receive(service, files[5:])
    clock.added_s = 7300
    service.studies.predict_quiet()
    (answer,) = of_study(service, "2.25.1")
    assert answer["status"] != "failed"


def test_a_study_with_a_prediction_is_not_predicted_on_again_until_more_of_it_comes(service, clock, monkeypatch):
    accepted = []

    def counted(*arguments, **options):
        accepted.append(arguments)
        return accept(*arguments, **options)

    monkeypatch.setattr("app.jobs.studies.accept", counted)

    files = instances(voxels(), study="2.25.1")
    receive(service, files)
    clock.added_s = 3601
    for _ in range(3):
        service.studies.predict_quiet()
    receive(service, files)  # the same once more is nothing new
    service.studies.predict_quiet()
    assert len(accepted) == 1
    receive(service, instances(voxels(1), study="2.25.1", series="2.25.99", SeriesDescription="T1 SAG"))
    clock.added_s = 7300
    service.studies.predict_quiet()
    assert len(accepted) == 2


def test_of_two_knees_one_is_predicted_on_if_asked(service, clock):
    files = instances(voxels(), study="2.25.1")
    files += instances(voxels(1), study="2.25.1", series="2.25.99", Laterality="L")
    receive(service, files)
    clock.added_s = 3601
    service.studies.predict_quiet()
    (answer,) = of_study(service, "2.25.1")
    assert (answer["status"], answer["problem"]["status"]) == ("failed", 422)
    assert "?laterality=L" in answer["problem"]["detail"]
    predicted = service.studies.predict("2.25.1", laterality="L").answer.result(SOON_S)
    assert (predicted["study"]["laterality"], predicted["study"]["series_uid"]) == ("L", "2.25.99")
    assert [one["status"] for one in of_study(service, "2.25.1")] == ["done"]


def lesser(count: int | None = None) -> list[bytes]:
    """A series that the service doesn't prefer."""
    return instances(voxels(1), study="2.25.1", series="2.25.99", ScanOptions="", SeriesDescription="PD SAG")[:count]


def valid(service: Service) -> list[dict]:
    return [one for one in of_study(service, "2.25.1") if "superseded_by" not in one]


def test_a_study_follows_the_series_that_somebody_has_asked_for(service, clock):
    """What comes later belongs to the choice, and doesn't undo it."""
    receive(service, instances(voxels(), study="2.25.1") + lesser(-2))
    clock.added_s = 3601
    service.studies.predict_quiet()
    asked = service.studies.predict("2.25.1", series_uid="2.25.99").answer.result(SOON_S)
    assert asked["study"]["series_chosen_by"] == "request"
    receive(service, lesser()[-2:])
    clock.added_s = 7300
    service.studies.predict_quiet()
    assert wait_for(service, 3)
    (answer,) = valid(service)
    study = answer["study"]
    assert (study["series_uid"], study["volume"]["slices"]) == ("2.25.99", len(voxels()))
    assert (study["series_chosen_by"], answer["supersedes"]) == ("request", [asked["id"]])
    receive(service, instances(voxels(2), study="2.25.1", series="2.25.3", SeriesDescription="PD FS SAG"))
    clock.added_s = 11_000
    service.studies.predict_quiet()  # the same series, and nothing new in it
    time.sleep(0.5)
    assert [one["id"] for one in valid(service)] == [answer["id"]]


def wait_for(service: Service, count: int) -> bool:
    deadline = time.monotonic() + SOON_S
    while [one["status"] for one in of_study(service, "2.25.1")] != ["done"] * count:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return True


def test_a_series_that_is_refused_leaves_the_study_as_it_was(service, clock):
    """Whoever asks is told. The study still gets its own prediction."""
    receive(service, instances(voxels(), study="2.25.1") + lesser(3))
    with pytest.raises(UnsuitableStudy, match="only 3 slices"):
        service.studies.predict("2.25.1", series_uid="2.25.99")
    assert of_study(service, "2.25.1") == []
    clock.added_s = 3601
    service.studies.predict_quiet()
    assert wait_for(service, 1)


def test_a_choice_that_can_no_longer_be_followed_is_a_failure_beside_it(service, clock):
    receive(service, instances(voxels(), study="2.25.1") + lesser())
    clock.added_s = 3601
    asked = service.studies.predict("2.25.1", series_uid="2.25.99").answer.result(SOON_S)
    broken = instances(voxels(1), study="2.25.1", series="2.25.99", ImagePositionPatient=[-500, 0, 0])[0]
    receive(service, [renamed(broken)])
    clock.added_s = 7300
    service.studies.predict_quiet()
    by_status = {one["status"]: one for one in valid(service)}
    assert by_status["done"]["id"] == asked["id"]
    assert "2.25.99" in by_status["failed"]["problem"]["detail"]


def renamed(content: bytes) -> bytes:
    image = dcmread(io.BytesIO(content))
    image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = "2.25.99.500"
    written = io.BytesIO()
    image.save_as(written, enforce_file_format=True)
    return written.getvalue()


def test_an_instance_that_comes_while_a_prediction_runs_is_not_overlooked(service, monkeypatch):
    files = instances(voxels(), study="2.25.1")
    receive(service, files[:-1])
    submit = Engine.submit

    def meanwhile(engine, job):
        receive(service, files[-1:])
        return submit(engine, job)

    monkeypatch.setattr(Engine, "submit", meanwhile)
    service.studies.predict("2.25.1")
    with service.instances._database.read() as session:
        assert session.scalars(select(Study.state)).one() == "receiving"


def test_a_full_queue_loses_no_study(service, clock, monkeypatch):
    receive(service, instances(voxels(), study="2.25.1"))
    clock.added_s = 3601
    submit = Engine.submit

    def full(*_):
        raise TooManyRequests

    monkeypatch.setattr(Engine, "submit", full)
    service.studies.predict_quiet()
    assert of_study(service, "2.25.1") == []
    monkeypatch.setattr(Engine, "submit", submit)
    service.studies.predict_quiet()
    assert len(of_study(service, "2.25.1")) == 1


@pytest.mark.parametrize("set_by_s", [-7200, 7200])
def test_a_clock_that_is_set_changes_nothing(make_app, clock, set_by_s):
    """Neither does a study wait for the clock to come back, nor is it predicted on while it still comes."""
    counter = Clock()
    service = make_app(clock, counter, quiet_s=3600).extensions[EXTENSION]
    for work in service.rounds:
        work.stop()
    receive(service, instances(voxels(), study="2.25.1"))
    service.studies.predict_quiet()
    clock.added_s = set_by_s
    service.studies.predict_quiet()
    assert of_study(service, "2.25.1") == []
    counter.added_s = 3601
    service.studies.predict_quiet()
    assert len(of_study(service, "2.25.1")) == 1


def waiting_for_more(make_app, clock, counter) -> Service:
    """A study waits an hour if it is complete, and two hours if not."""
    service = make_app(clock, counter, quiet_s=3600, announced_wait_s=7200).extensions[EXTENSION]
    for work in service.rounds:
        work.stop()
    return service


def test_a_study_waits_for_the_instances_that_its_headers_announce(make_app, clock):
    service = waiting_for_more(make_app, clock, clock)
    files = instances(voxels(), study="2.25.1", ImagesInAcquisition=len(voxels()))
    receive(service, files[:9])
    clock.added_s = 3601
    service.studies.predict_quiet()
    assert of_study(service, "2.25.1") == []
    receive(service, files[9:])
    service.studies.predict_quiet()
    (answer,) = of_study(service, "2.25.1")
    assert answer["status"] != "failed"


def test_a_study_waits_for_the_images_that_its_modality_made_and_then_says_that_they_are_missing(make_app, clock):
    service = waiting_for_more(make_app, clock, clock)
    receive(service, instances(voxels(), study="2.25.1", series="2.25.11"))
    made = PerformedStep(uid="1.1", study_uid="2.25.1", state="COMPLETED", series={"2.25.11": 99}, begun=0.0)
    with service.instances._database.write() as session:
        session.add(made)
    clock.added_s = 3601
    service.studies.predict_quiet()
    assert of_study(service, "2.25.1") == []
    clock.added_s = 7201
    answer = service.studies.predict("2.25.1").answer.result(SOON_S)
    (told,) = [one["message"] for one in answer["warnings"] if one["code"] == "missing-slices"]
    assert f"the modality made 99 images of this series, and {len(voxels())} are here" in told


@pytest.mark.parametrize("set_by_s", [-7200, 7200])
def test_the_longest_wait_holds_across_a_restart_and_a_clock_that_is_set(make_app, clock, set_by_s):
    counter = Clock()
    service = waiting_for_more(make_app, clock, counter)
    receive(service, instances(voxels(), study="2.25.1", ImagesInAcquisition=19)[:9])
    service.studies.predict_quiet()
    clock.added_s = set_by_s
    counter.added_s = 7100
    service.studies.predict_quiet()
    assert of_study(service, "2.25.1") == []
    service.stop()
    clock.added_s = counter.added_s = 5000
    again = waiting_for_more(make_app, clock, counter)
    again.studies.predict_quiet()
    assert of_study(again, "2.25.1") == []
    counter.added_s = 7300
    again.studies.predict_quiet()
    assert len(of_study(again, "2.25.1")) == 1


def test_a_study_from_before_the_clock_was_set_back_is_predicted_on(make_app, clock):
    """Not even a service that starts after that waits longer."""
    clock.added_s = -7200
    counter = Clock()
    service = make_app(clock, counter, quiet_s=3600).extensions[EXTENSION]
    for work in service.rounds:
        work.stop()
    receive(service, instances(voxels(), study="2.25.1"))
    service.studies.predict_quiet()
    counter.added_s = 3601
    service.studies.predict_quiet()
    assert len(of_study(service, "2.25.1")) == 1


def test_a_fault_is_not_the_studys_failure_and_does_not_stop_the_other_studies(service, clock, monkeypatch):
    for uid in ("2.25.1", "2.25.2"):
        receive(service, instances(voxels(int(uid[-1])), study=uid, series=f"{uid}.8"))
    faulty = [OSError(5, "input/output error")]
    monkeypatch.setattr("app.jobs.studies.accept", fails_with(faulty))
    clock.added_s = 3601
    service.studies.predict_quiet()
    assert [len(of_study(service, uid)) for uid in ("2.25.1", "2.25.2")] == [0, 1]
    clock.added_s += 2
    service.studies.predict_quiet()
    assert len(of_study(service, "2.25.1")) == 1


def fails_with(errors: list[Exception]):
    """`accept`, which raises these errors first, the last one first."""

    def fails(*arguments, **options):
        if errors:
            raise errors.pop()
        return accept(*arguments, **options)

    return fails


def test_a_fault_of_the_program_is_tried_again_and_then_told_and_sending_again_begins_anew(service, clock, monkeypatch):
    files = instances(voxels(), study="2.25.1")
    receive(service, files)
    faulty = [RuntimeError("Quibble^Zebedee")] * TRIES
    monkeypatch.setattr("app.jobs.studies.accept", fails_with(faulty))
    clock.added_s = 3601
    for _ in range(TRIES):
        assert of_study(service, "2.25.1") == []
        clock.added_s += LONGEST_PAUSE_S
        service.studies.predict_quiet()
    (answer,) = of_study(service, "2.25.1")
    assert (answer["status"], answer["problem"]["type"]) == ("failed", OURS)
    assert "Quibble" not in str(answer)
    service.studies.predict_quiet()
    assert of_study(service, "2.25.1") == [answer]  # nobody has sent it again
    receive(service, files)
    clock.added_s += 7200
    service.studies.predict_quiet()
    (answer,) = of_study(service, "2.25.1")
    assert answer["status"] != "failed"


def test_a_refused_study_that_is_sent_again_is_not_tried_again(service, clock):
    files = instances(voxels()[:5], study="2.25.1")
    receive(service, files)
    clock.added_s = 3601
    service.studies.predict_quiet()
    refused = of_study(service, "2.25.1")
    receive(service, files)
    with service.instances._database.read() as session:
        assert session.scalars(select(Study.state)).one() == "predicted"
    assert of_study(service, "2.25.1") == refused


def test_a_study_that_never_came_is_not_found(service):
    with pytest.raises(NotFound, match="No instance of this study"):
        service.studies.predict("2.25.404")


@pytest.mark.parametrize("is_whole", [True, False])
def test_of_a_study_that_is_deleted_during_its_prediction_nothing_stays(service, monkeypatch, is_whole):
    files = instances(voxels(), study="2.25.1")
    receive(service, files if is_whole else files[:5])

    def meanwhile(*arguments, **options):
        try:
            return accept(*arguments, **options)
        finally:
            service.studies.forget("2.25.1")

    monkeypatch.setattr("app.jobs.studies.accept", meanwhile)
    with pytest.raises(NotFound, match="deleted"):
        service.studies.predict("2.25.1")
    assert of_study(service, "2.25.1") == []
