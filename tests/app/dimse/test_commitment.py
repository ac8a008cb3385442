"""Storage commitment asked for by pynetdicom (dcmtk has no client for it), answered here and there."""

import queue
import threading
from contextlib import contextmanager

import pytest
from pydicom.dataset import Dataset
from pynetdicom import evt
from pynetdicom.ae import ApplicationEntity

from app.dimse.contexts import COMMITMENT, COMMITMENT_INSTANCE, may_commit, supported
from app.service.settings import Settings
from tests.app.dimse.archive import READER, SENDER, holding
from tests.app.dimse.conftest import PLANES
from tests.app.studies import instances
from tests.app.trail_lines import trail_lines

pytestmark = pytest.mark.slow

SOON_S = 20
MR, CT = "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.2"


def request(*references: tuple[str, str]) -> Dataset:
    asked = Dataset()
    asked.TransactionUID = "2.25.777"
    asked.ReferencedSOPSequence = [Dataset() for _ in references]
    for item, (class_uid, uid) in zip(asked.ReferencedSOPSequence, references, strict=True):
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = class_uid, uid
    return asked


class Reports:
    """What a peer is told."""

    def __init__(self) -> None:
        self.told: queue.Queue[tuple[int, Dataset]] = queue.Queue()
        self.handlers = [(evt.EVT_N_EVENT_REPORT, self.take)]

    def take(self, event):
        self.told.put((event.event_type, event.event_information))
        return 0x0000, None

    def next(self) -> tuple[int, Dataset]:
        return self.told.get(timeout=SOON_S)


@contextmanager
def asking(archive, reports: Reports, title: str = SENDER):
    entity = ApplicationEntity(title)
    entity.add_requested_context(COMMITMENT)
    opened = entity.associate("127.0.0.1", archive.port, ae_title="CRUCIATE", evt_handlers=reports.handlers)
    yield opened
    if opened.is_established:
        opened.release()


def ask(opened, asked: Dataset | None, action: int = 1) -> int:
    class_uid, uid = COMMITMENT, COMMITMENT_INSTANCE
    status, _ = opened.send_n_action(asked, action, class_uid, uid)
    return status.Status


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    with holding(tmp_path_factory.mktemp("archive"), instances(PLANES[:3], study="2.25.1", series="2.25.11")) as found:
        yield found


def test_what_is_held_is_told_on_the_same_association(archive):
    reports = Reports()
    with asking(archive, reports) as opened:
        assert ask(opened, request((MR, "2.25.11.1"), (MR, "2.25.11.2"))) == 0x0000
        kind, report = reports.next()
    assert kind == 1
    assert (report.TransactionUID, report.RetrieveAETitle) == ("2.25.777", "CRUCIATE")
    assert [item.ReferencedSOPInstanceUID for item in report.ReferencedSOPSequence] == ["2.25.11.1", "2.25.11.2"]
    assert "FailedSOPSequence" not in report


def test_what_is_not_held_is_told_with_the_reason(archive):
    reports = Reports()
    (archive.data / "instances" / "2.25.1" / next(archive.instances.find(sop_uid="2.25.11.3")).digest).unlink()
    with asking(archive, reports) as opened:
        wanted = (MR, "2.25.11.1"), (MR, "2.25.99.1"), (CT, "2.25.11.2"), (MR, "2.25.11.3")
        assert ask(opened, request(*wanted)) == 0x0000
        kind, report = reports.next()
    assert kind == 2
    assert [item.ReferencedSOPInstanceUID for item in report.ReferencedSOPSequence] == ["2.25.11.1"]
    failed = {item.ReferencedSOPInstanceUID: item.FailureReason for item in report.FailedSOPSequence}
    assert failed == {"2.25.99.1": 0x0112, "2.25.11.2": 0x0119, "2.25.11.3": 0x0112}


def test_a_peer_that_has_left_is_told_on_an_association_of_ours(tmp_path):
    """As modalities do: they ask, release, and listen."""
    reports = Reports()
    theirs = ApplicationEntity(SENDER)
    theirs.add_supported_context(COMMITMENT, scu_role=False, scp_role=True)
    server = theirs.start_server(("127.0.0.1", 0), block=False, evt_handlers=reports.handlers)
    port = server.server_address[1]
    variables = {"CRUCIATE_DIMSE_DESTINATIONS": f"dicom://{SENDER}@127.0.0.1:{port}"}
    with holding(tmp_path, instances(PLANES[:1], study="2.25.1", series="2.25.11"), **variables) as archive:
        with asking(archive, Reports()) as opened:
            assert ask(opened, request((MR, "2.25.11.1"))) == 0x0000
        kind, report = reports.next()
        server.shutdown()
    assert (kind, len(report.ReferencedSOPSequence)) == (1, 1)


def test_a_peer_that_cannot_be_told_is_written_down(archive):
    with asking(archive, Reports()) as opened:
        assert ask(opened, request((MR, "2.25.11.1"))) == 0x0000
        opened.abort()
    for thread in threading.enumerate():
        if thread.name == "commitment":
            thread.join(SOON_S)
    line = {"what": "N-EVENT-REPORT", "outcome": "not delivered", "peer": SENDER, "address": "127.0.0.1"}
    assert trail_lines(archive.data)[-1] == line


@pytest.mark.parametrize(("asked", "action", "status"), [(None, 1, 0x0115), (Dataset(), 1, 0x0115), (None, 2, 0x0123)])
def test_a_request_that_asks_for_nothing(archive, asked, action, status):
    if asked is not None:
        asked.TransactionUID = "2.25.777"
    with asking(archive, Reports()) as opened:
        assert ask(opened, asked, action) == status


def test_garbage_is_an_invalid_argument(archive, monkeypatch):
    monkeypatch.setattr("pynetdicom.association.encode", lambda *_: b"\xff\xfe\x00\x01" * 8)
    with asking(archive, Reports(), READER) as opened:
        assert ask(opened, request((MR, "1.2.3"))) == 0x0115


@pytest.mark.parametrize(
    ("chosen", "offered"),
    [
        ({}, True),
        ({"keep_instances_days": 5.0, "retention": "dry-run"}, True),
        ({"keep_pixels_days": 5.0, "retention": "on"}, True),
        ({"keep_instances_days": 5.0, "retention": "on"}, False),
        ({"keep_instances_mb": 5.0, "retention": "on"}, False),
        ({"deidentify": "basic-retain-uids", "deidentify_key": "k" * 32}, False),
    ],
)
def test_nothing_is_promised_that_will_not_be_kept(chosen, offered):
    assert may_commit(Settings(**chosen)) == offered
    assert (COMMITMENT in {one.abstract_syntax for one in supported(offered)}) == offered
