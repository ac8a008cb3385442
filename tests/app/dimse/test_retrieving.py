"""C-MOVE and C-GET with dcmtk's movescu, getscu and storescp, and with pynetdicom as a peer that misbehaves."""

import io
import socket
import threading
import time
from contextlib import contextmanager

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, MRImageStorage, RLELossless
from pynetdicom import evt
from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association
from pynetdicom.presentation import build_role

from app.dimse.contexts import STUDY_GET, STUDY_MOVE
from app.dimse.listener import ASSOCIATIONS
from tests.app.dimse.archive import DESTINATION, READER, SENDER, holding
from tests.app.dimse.conftest import PLANES, studies
from tests.app.partners import answering, files_in, run, storescp
from tests.app.studies import instances
from tests.app.trail_lines import digest, trail_lines

pytestmark = pytest.mark.slow

SOON_S = 20
STUDY = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": "2.25.1"}


def asked(**keys: str) -> list[str]:
    return [part for name, value in keys.items() for part in ("-k", f"{name}={value}")]


def stored(archive, study: str) -> dict[str, Dataset]:
    """What the archive holds of a study."""
    found = {}
    for row in archive.instances.find(study):
        with archive.instances.open(row) as stream:
            found[row.sop_uid] = pydicom.dcmread(stream)
    return found


def move(archive, destination: str = DESTINATION, title: str = READER, **keys: str):
    return run("movescu", archive.port, title, "-v", "-S", "-aem", destination, *asked(**STUDY | keys))


def get(archive, folder, *options: object, **keys: str) -> dict[str, Dataset]:
    """What getscu gets."""
    folder.mkdir()
    done = run("getscu", archive.port, READER, "-S", "+B", "-od", folder, *options, *asked(**STUDY | keys))
    assert done.returncode == 0, done.stderr
    return files_in(folder)


def wait_until(true) -> None:
    deadline = time.monotonic() + SOON_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("keys", "count"),
    [
        ({}, 5),
        ({"QueryRetrieveLevel": "SERIES", "SeriesInstanceUID": "2.25.12"}, 2),
        ({"QueryRetrieveLevel": "SERIES", "SeriesInstanceUID": "2.25.12\\2.25.11"}, 5),
        ({"QueryRetrieveLevel": "IMAGE", "SeriesInstanceUID": "2.25.12", "SOPInstanceUID": "2.25.12.2"}, 1),
        ({"StudyInstanceUID": "2.25.99"}, 0),
    ],
)
def test_what_is_moved_arrives_as_it_is_stored(archive, tmp_path, keys, count):
    with storescp(tmp_path / "there", DESTINATION, archive.destination) as folder:
        done = move(archive, **keys)
        assert done.returncode == 0, done.stderr
        arrived = files_in(folder)
    assert len(arrived) == count
    held = stored(archive, "2.25.1")
    assert all(one == held[uid] for uid, one in arrived.items())


def test_patient_root_and_the_patient_level(archive, tmp_path):
    with storescp(tmp_path / "there", DESTINATION, archive.destination) as folder:
        keys = asked(QueryRetrieveLevel="PATIENT", PatientID="A1")
        assert run("movescu", archive.port, READER, "-P", "-aem", DESTINATION, *keys).returncode == 0
        assert {str(one.StudyInstanceUID) for one in files_in(folder).values()} == {"2.25.1", "2.25.2"}


@pytest.mark.parametrize("options", [(), ("+xi",)], ids=["usual", "implicit only"])
def test_compressed_instances_are_unpacked_for_who_cannot(archive, tmp_path, options):
    with storescp(tmp_path / "there", DESTINATION, archive.destination, *options) as folder:
        assert move(archive, StudyInstanceUID="2.25.4").returncode == 0
        arrived = files_in(folder)
    assert len(arrived) == 2
    for uid, held in stored(archive, "2.25.4").items():
        assert held.file_meta.TransferSyntaxUID == RLELossless
        assert (arrived[uid].pixel_array == PLANES[int(uid[-1]) - 1]).all()
        if options:
            assert arrived[uid].file_meta.TransferSyntaxUID == ImplicitVRLittleEndian


def test_compressed_instances_stay_compressed_for_who_can(archive, tmp_path):
    with storescp(tmp_path / "there", DESTINATION, archive.destination, "+xr") as folder:
        assert move(archive, StudyInstanceUID="2.25.4").returncode == 0
        arrived = files_in(folder)
    assert {one.file_meta.TransferSyntaxUID for one in arrived.values()} == {RLELossless}
    assert arrived == stored(archive, "2.25.4")


def test_what_is_got_is_as_it_is_stored(archive, tmp_path):
    assert get(archive, tmp_path / "got") == stored(archive, "2.25.1")
    series = get(archive, tmp_path / "series", QueryRetrieveLevel="SERIES", SeriesInstanceUID="2.25.11")
    assert sorted(series) == ["2.25.11.1", "2.25.11.2", "2.25.11.3"]
    unpacked = get(archive, tmp_path / "unpacked", StudyInstanceUID="2.25.4")
    assert [(one.pixel_array == PLANES[0]).all() for uid, one in unpacked.items() if uid == "2.25.41.1"] == [True]
    assert archive.left() == []


def test_a_peer_that_knows_implicit_vr_only_gets_it(archive):
    got = []

    def store(event) -> int:
        got.append((event.context.transfer_syntax, event.dataset))
        return 0x0000

    model = STUDY_GET
    with associated(archive, model, store, syntax=ImplicitVRLittleEndian) as opened:
        *_, (last, _) = opened.send_c_get(identifier(), model)
    assert (last.Status, *counts(last)) == (0x0000, 5, 0, 0)
    held = stored(archive, "2.25.1")
    assert {syntax for syntax, _ in got} == {ImplicitVRLittleEndian}
    assert all(one == held[one.SOPInstanceUID] for _, one in got)


def test_a_file_without_the_usual_meta_information_is_sent_too(tmp_path):
    """Senders of DICOMweb may leave the instance's UIDs out of it."""
    (file,) = instances(PLANES[:1], study="2.25.1", series="2.25.11")
    dataset = pydicom.dcmread(io.BytesIO(file))
    for keyword in ("MediaStorageSOPClassUID", "MediaStorageSOPInstanceUID"):
        delattr(dataset.file_meta, keyword)
    content = io.BytesIO()
    pydicom.dcmwrite(content, dataset, enforce_file_format=False)
    with holding(tmp_path, [content.getvalue()]) as archive:
        (got,) = get(archive, tmp_path / "got").values()
    assert got == dataset


def test_what_was_sent_is_in_the_audit_trail(archive, tmp_path):
    before = len(trail_lines(archive.data))
    get(archive, tmp_path / "got")
    with storescp(tmp_path / "there", DESTINATION, archive.destination):
        move(archive)
    peer = {"peer": READER, "address": "127.0.0.1", "study": digest("2.25.1"), "outcome": "5 of 5 sent"}
    assert trail_lines(archive.data)[before:] == [
        {"what": "C-GET", **peer},
        {"what": "C-MOVE", **peer, "subject": DESTINATION},
    ]


@pytest.mark.parametrize("destination", ["NOBODY", READER], ids=["an unknown title", "the peer itself"])
def test_nothing_goes_to_who_is_not_configured(archive, destination):
    before = len(trail_lines(archive.data))
    refused = move(archive, destination)
    assert "Unknown" in refused.stderr + refused.stdout  # A801H
    assert trail_lines(archive.data)[before:] == [
        {"what": "C-MOVE", "outcome": "A801H", "peer": READER, "address": "127.0.0.1"}
    ]


def test_who_may_only_send_gets_nothing(archive, tmp_path):
    with storescp(tmp_path / "there", DESTINATION, archive.destination) as folder:
        assert move(archive, title=SENDER).returncode != 0
        assert files_in(folder) == {}


@contextmanager
def associated(archive, model: str, store=None, syntax: str = ExplicitVRLittleEndian):
    """A peer that may store, as C-GET needs."""
    entity = ApplicationEntity(READER)
    entity.dimse_timeout = 5
    entity.add_requested_context(model)
    entity.add_requested_context(MRImageStorage, syntax)
    roles = [build_role(MRImageStorage, scp_role=True)]
    handlers = [(evt.EVT_C_STORE, store)] if store else []
    opened = entity.associate("127.0.0.1", archive.port, ae_title="CRUCIATE", ext_neg=roles, evt_handlers=handlers)
    try:
        yield opened
    finally:
        if opened.is_established:
            opened.release()


def identifier(**keys: str) -> Dataset:
    dataset = Dataset()
    dataset.update(STUDY | keys)
    return dataset


def counts(status: Dataset) -> tuple[int, ...]:
    """Completed, failed and warning sub-operations."""
    names = ("Completed", "Failed", "Warning")
    return tuple(int(status[f"NumberOf{name}Suboperations"].value) for name in names)


def test_sub_operations_are_counted(archive, tmp_path):
    """One instance is refused, one stored with a warning."""
    answers = iter([0xA900, 0xB000, 0x0000, 0x0000, 0x0000])
    with associated(archive, STUDY_GET, lambda event: next(answers)) as opened:
        *pending, (last, failed) = opened.send_c_get(identifier(), STUDY_GET)
    assert [status.NumberOfRemainingSuboperations for status, _ in pending] == [4, 3, 2, 1, 0]
    assert (last.Status, *counts(last)) == (0xB000, 3, 1, 1)
    assert failed.FailedSOPInstanceUIDList == "2.25.11.1"


def test_a_file_that_is_lost_is_a_failed_sub_operation(tmp_path):
    with holding(tmp_path, studies()) as archive:
        row = next(archive.instances.find(sop_uid="2.25.11.2"))
        (archive.data / "instances" / "2.25.1" / row.digest).unlink()
        with associated(archive, STUDY_GET, lambda event: 0x0000) as opened:
            *_, (last, failed) = opened.send_c_get(identifier(), STUDY_GET)
        assert (last.Status, *counts(last)) == (0xB000, 4, 1, 0)
        assert failed.FailedSOPInstanceUIDList == "2.25.11.2"


def test_a_cancelled_request_ends_at_once(archive):
    def cancel(event) -> int:
        event.assoc.send_c_cancel(1, query_model=STUDY_GET)
        return 0x0000

    with associated(archive, STUDY_GET, cancel) as opened:
        *_, (last, _) = opened.send_c_get(identifier(), STUDY_GET, msg_id=1)
    assert last.Status == 0xFE00
    assert (last.NumberOfCompletedSuboperations, last.NumberOfRemainingSuboperations) == (1, 4)


@pytest.mark.parametrize(
    "keys", [{"StudyInstanceUID": ""}, {"StudyInstanceUID": "*"}, {"QueryRetrieveLevel": "SERIES"}]
)
def test_nobody_gets_everything_by_mistake(archive, keys):
    for model, send, status in (
        (STUDY_GET, "send_c_get", 0xA900),
        (STUDY_MOVE, "send_c_move", 0xC514),
    ):
        with associated(archive, model, lambda event: 0x0000) as opened:
            arguments = (
                (identifier(**keys), DESTINATION, model) if send == "send_c_move" else (identifier(**keys), model)
            )
            ((answer, _),) = getattr(opened, send)(*arguments)
        assert answer.Status == status


def test_a_peer_that_leaves_midway_leaves_nothing_behind(archive):
    def leave(event) -> int:
        event.assoc.abort()
        return 0x0000

    with associated(archive, STUDY_GET, leave) as opened:
        list(opened.send_c_get(identifier(), STUDY_GET))
    wait_until(lambda: not archive.associations())
    assert archive.left() == []
    assert run("echoscu", archive.port, READER).returncode == 0
    wait_until(lambda: trail_lines(archive.data)[-1]["outcome"] == "0 of 5 sent")


def test_a_destination_that_leaves_midway_leaves_nothing_behind(archive):
    with storescp(archive.scratch / "leaving", DESTINATION, archive.destination, "--abort-during"):
        assert move(archive).returncode != 0
    wait_until(lambda: not archive.associations())
    assert archive.left() == []


def test_a_destination_that_has_left_is_not_awaited_again(archive, monkeypatch):
    """pynetdicom may learn of it only after the next instance was sent, and would wait for its answer."""
    tries = []
    monkeypatch.setattr(Association, "send_c_store", lambda *arguments, **options: tries.append(1) or Dataset())
    with storescp(archive.scratch / "left", DESTINATION, archive.destination):
        assert move(archive).returncode != 0
    assert len(tries) == 1
    wait_until(lambda: not archive.associations())


@pytest.fixture
def hurried(archive, monkeypatch) -> None:
    """Who doesn't answer an association request, or doesn't send one, is given up after a second."""
    monkeypatch.setattr("app.dimse.retrieving.SILENCE_S", 0.5)
    monkeypatch.setattr(archive.listener._server.ae, "_acse_timeout", 1)


@pytest.mark.usefixtures("hurried")
def test_a_destination_that_says_nothing_is_given_up(archive):
    over = threading.Event()
    with holding_silence(archive.destination, over):
        refused = move(archive)
    assert refused.returncode != 0
    assert over.is_set()
    wait_until(lambda: not archive.associations())


@contextmanager
def holding_silence(port: int, over: threading.Event):
    """A system that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", port)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                while connection.recv(4096):
                    pass
            over.set()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield
        thread.join(SOON_S)


@pytest.mark.parametrize("model", [STUDY_GET, STUDY_MOVE])
def test_garbage_for_an_identifier(archive, monkeypatch, model):
    monkeypatch.setattr("pynetdicom.association.encode", lambda *_: b"\xff\xfe\x00\x01" * 8)
    with associated(archive, model) as opened:
        moves = model == STUDY_MOVE
        sent = opened.send_c_move(identifier(), DESTINATION, model) if moves else opened.send_c_get(identifier(), model)
        answers = list(sent)
    assert answers[-1][0].Status in (0xA900, 0xC514)
    monkeypatch.undo()
    assert run("echoscu", archive.port, READER).returncode == 0


def test_an_endless_identifier_ends_the_association(archive, monkeypatch):
    monkeypatch.setattr("pynetdicom.association.encode", lambda *_: bytes(5 << 20))
    with associated(archive, STUDY_GET) as opened:
        answers = list(opened.send_c_get(identifier(), STUDY_GET))
        assert [status for status, _ in answers] == [Dataset()]
        wait_until(lambda: opened.is_aborted)
    wait_until(lambda: not archive.associations())


@pytest.mark.usefixtures("hurried")
def test_an_endless_pdu_is_not_read(archive):
    """Its length alone ends the connection: none of its 4 GB has come."""
    with socket.create_connection(("127.0.0.1", archive.port)) as peer:
        peer.sendall(b"\x01\x00\xff\xff\xff\xff")
        peer.settimeout(SOON_S)
        assert peer.recv(1) == b""
    wait_until(lambda: not archive.associations())


def test_no_more_associations_than_there_may_be(archive):
    entity = ApplicationEntity(READER)
    entity.add_requested_context("1.2.840.10008.1.1")
    opened = [entity.associate("127.0.0.1", archive.port, ae_title="CRUCIATE") for _ in range(ASSOCIATIONS)]
    assert all(one.is_established for one in opened)
    assert entity.associate("127.0.0.1", archive.port, ae_title="CRUCIATE").is_rejected
    for one in opened:
        one.release()
    wait_until(lambda: not archive.associations())
    assert run("echoscu", archive.port, READER).returncode == 0


def test_a_destination_that_refuses_is_counted(tmp_path):
    files = instances(PLANES[:2], study="2.25.1")
    model = STUDY_MOVE
    with answering(0xA700) as port:
        destinations = {"CRUCIATE_DIMSE_DESTINATIONS": f"dicom://PACS@127.0.0.1:{port}"}
        with holding(tmp_path, files, **destinations) as archive, associated(archive, model) as opened:
            *_, (last, _) = opened.send_c_move(identifier(), "PACS", model)
    assert (last.Status, *counts(last)) == (0xA702, 0, 2, 0)
