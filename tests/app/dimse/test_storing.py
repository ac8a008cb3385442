"""DIMSE with dcmtk's echoscu and storescu, as a hospital's systems send."""

import os
import socket
import struct
import time
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest

from app.http.limiting import WRONG_KEYS
from app.service.condition import KEPT_S
from app.store.instances import Instances
from app.store.opening import open_database
from data_prep.selection.series import load_study
from tests import warm
from tests.app.dimse.archive import holding
from tests.app.listening import PEERS, START_S, client, listening, write
from tests.app.studies import PATIENT, instances, voxels
from tests.app.trail_lines import digest, trail_lines

pytestmark = pytest.mark.slow


@pytest.fixture
def door(tmp_path, request, caplog):
    """A listener: its port and its log. A test may give it more variables."""
    variables = {"CRUCIATE_DIMSE_PEERS": PEERS, "CRUCIATE_DIMSE_READERS": ""} | getattr(request, "param", {})
    with holding(tmp_path, [], **variables) as archive:
        yield archive.port, SimpleNamespace(read_text=lambda: caplog.text)


@pytest.fixture
def process(tmp_path):
    """The same as a process of its own, as an operator starts it."""
    with listening(tmp_path) as port_and_log:
        yield port_and_log


def held(folder: Path) -> list[str]:
    return [row.sop_uid for row in Instances(folder / "instances", open_database("", folder)).find()]


def test_an_echo_is_answered(door):
    assert client("echoscu", door[0]).returncode == 0


def test_a_study_that_a_scanner_sends_is_held_pixel_by_pixel(process, tmp_path):
    port, log = process
    files = instances(voxels(), study="2.25.1")
    sent = client("storescu", port, *write(tmp_path / "sent", files))
    assert sent.returncode == 0, sent.stderr
    ours = Instances(tmp_path / "var" / "instances", open_database("", tmp_path / "var"))
    assert (load_study(ours.files("2.25.1")).volume.voxels == voxels()).all()
    incoming = (tmp_path / "var" / "instances" / ".incoming").rglob("*")
    assert [path for path in incoming if path.is_file() and path.name != ".lock"] == []
    assert not any(value in log.read_text() for value in PATIENT.values())


def test_what_is_no_image_is_kept_too(door, tmp_path):
    port, _ = door
    other = instances(voxels()[:1], SOPClassUID="1.2.840.10008.5.1.4.1.1.88.11")  # Basic Text SR
    sent = client("storescu", port, *write(tmp_path / "sent", other))
    assert sent.returncode == 0, sent.stderr
    assert len(held(tmp_path / "var")) == 1


@pytest.mark.parametrize(
    "door",
    [{"CRUCIATE_DEIDENTIFY": "basic", "CRUCIATE_DEIDENTIFY_KEY": "a secret of this test alone, long enough"}],
    indirect=True,
)
def test_only_a_de_identified_study_is_held_if_this_is_wanted(door, tmp_path):
    port, log = door
    sent = client("storescu", port, *write(tmp_path / "sent", instances(voxels(), study="2.25.1")))
    assert sent.returncode == 0, sent.stderr
    files = [path for path in (tmp_path / "var").rglob("*") if path.is_file()]
    assert len(held(tmp_path / "var")) == 14
    words = [value.encode() for value in PATIENT.values()]
    assert [path for path in files if any(word in path.read_bytes() for word in words)] == []
    assert not any(value in log.read_text() for value in PATIENT.values())


@pytest.mark.parametrize("who", [{"title": "STRANGER"}, {"title": "OTHER"}, {"called": "SOMEBODY"}])
def test_who_is_not_on_the_list_stores_nothing(door, tmp_path, who):
    port, _ = door
    refused = client("storescu", port, *write(tmp_path / "sent", instances(voxels()[:1])), **who)
    assert refused.returncode != 0
    assert "Rejected" in refused.stderr
    assert held(tmp_path / "var") == []


def test_a_broken_instance_is_refused_and_the_others_are_kept(door, tmp_path):
    port, log = door
    bad, good = instances(voxels()[:2], study="2.25.1")
    paths = write(tmp_path / "sent", [bad.replace(b"2.25.1", b"abc..1"), good])
    client("storescu", port, *paths, option="--no-halt")
    assert len(held(tmp_path / "var")) == 1
    assert "refused" in log.read_text()


def test_what_a_peer_stores_is_in_the_audit_trail(door, tmp_path):
    """One line for each association, study and status; the title is the one on the operator's list."""
    port, _ = door
    first, second = (instances(voxels()[:3], study=study, series=f"{study}.1") for study in ("2.25.1", "2.25.2"))
    broken = first[0].replace(b"2.25.1", b"abc..1")
    client("storescu", port, *write(tmp_path / "sent", [*first, broken, broken, *second]), option="--no-halt")
    client("storescu", port, *write(tmp_path / "again", first))
    client("echoscu", port)
    from_peer = {"what": "C-STORE", "peer": "SCANNER", "address": "127.0.0.1"}
    refused, *stored = sorted(trail_lines(tmp_path / "var"), key=lambda line: line.get("study", ""))
    assert refused == from_peer | {"outcome": "A900H"}
    of_first, of_second = ({**from_peer, "outcome": "0000H", "study": digest(uid)} for uid in ("2.25.1", "2.25.2"))
    assert len(stored) == 3
    assert [stored.count(line) for line in (of_first, of_second)] == [2, 1]


def test_who_may_not_send_is_in_the_audit_trail_but_not_without_end(door, tmp_path):
    port, _ = door
    for _ in range(WRONG_KEYS.amount + 5):
        client("echoscu", port, title="QUIBBLE")
    line = {"what": "A-ASSOCIATE", "outcome": "rejected", "address": "127.0.0.1"}
    assert trail_lines(tmp_path / "var") == [line] * WRONG_KEYS.amount


@pytest.mark.parametrize("wrong", ["database", "owner"])
def test_a_store_that_does_not_fit_keeps_the_door_shut(tmp_path, wrong):
    data = tmp_path / "var"
    Instances(data / "instances", open_database("", data)).receive([("", file) for file in instances(voxels()[:2])])
    variables = {"CRUCIATE_DIMSE_PEERS": PEERS, "CRUCIATE_DIMSE_PORT": "0", "CRUCIATE_DATA": str(data)}
    if wrong == "database":
        variables["CRUCIATE_DATABASE"] = f"sqlite:///{tmp_path / 'another.db'}"
    elif os.geteuid() == 0:
        os.chown(data, 12345, 12345)
    else:
        pytest.skip("only root can give a folder away")
    ended = warm.run("-m", "app.dimse", environment=os.environ | variables, timeout=START_S)
    assert ended.returncode == 2
    assert ended.stderr.startswith("The DIMSE listener can't start: The data folder ")
    assert ended.stderr.count("\n") == 1
    assert len([path for path in (data / "instances").glob("[!.]*/*") if path.is_file()]) == 2


@pytest.mark.parametrize("door", [{"CRUCIATE_RESERVE_MB": "1000000"}], indirect=True)
def test_below_the_reserve_of_the_disk_an_instance_is_refused_for_want_of_resources(door, tmp_path):
    port, log = door
    assert client("echoscu", port).returncode == 0
    sent = client("storescu", port, *write(tmp_path / "sent", instances(voxels()[:1])), option="-v")
    assert "OutOfResources" in sent.stdout + sent.stderr
    assert "disk is full" in log.read_text()
    assert held(tmp_path / "var") == []


def test_a_disk_that_has_room_again_takes_instances_again(door, tmp_path):
    port, _ = door
    folder = tmp_path / "var" / "instances"
    folder.rename(tmp_path / "elsewhere")
    paths = write(tmp_path / "sent", instances(voxels()[:1]))
    assert client("storescu", port, *paths).returncode != 0
    (tmp_path / "elsewhere").rename(folder)
    time.sleep(KEPT_S)
    assert client("storescu", port, *paths).returncode == 0


def test_idle_connections_of_strangers_keep_no_peer_out(door):
    """As many as there may be associations, and more; each is closed at once."""
    port, _ = door
    strangers = [socket.create_connection(("127.0.0.1", port), START_S, ("127.0.0.2", 0)) for _ in range(20)]
    assert client("echoscu", port).returncode == 0
    for stranger in strangers:
        with suppress(ConnectionResetError):
            assert stranger.recv(1) == b""
        stranger.close()


MARK = b"Qu1bble"
VERIFICATION = "1.2.840.10008.1.1"  # the SOP class of C-ECHO (PS3.4 A.4)


def request(title: bytes = b"SCANNER", called: bytes = b"CRUCIATE") -> bytes:
    """An A-ASSOCIATE-RQ (PS3.8 9.3.2) for C-ECHO."""
    context = b"\x30\0\0\x11" + VERIFICATION.encode() + b"\x40\0\0\x11" + b"1.2.840.10008.1.2"
    items = b"\x10\0\0\x15" + b"1.2.840.10008.3.1.1.1" + struct.pack(">BxHBxxx", 0x20, len(context) + 4, 1) + context
    items += b"\x50\0\0\x08\x51\0\0\x04\0\0\x40\0"
    body = b"\0\1\0\0" + called.ljust(16)[:16] + title.ljust(16)[:16] + bytes(32) + items
    return struct.pack(">BxI", 1, len(body)) + body


def data(content: bytes, flags: int) -> bytes:
    """A P-DATA-TF (PS3.8 9.3.5) with one value."""
    value = struct.pack(">IBB", len(content) + 2, 1, flags) + content
    return struct.pack(">BxI", 4, len(value)) + value


def test_no_log_quotes_a_peer(process, tmp_path):
    """Marked bytes in titles, protocol units, commands and data sets."""
    port, log = process
    marked = MARK.decode()
    (good,) = instances(voxels()[:1], study="2.25.3", PatientName=marked, SeriesDescription=marked)
    bad = [
        good.replace(b"2.25.3", MARK[:6]),
        good[:600] + MARK * 50,
        good.replace(b"1.2.840.10008.5.1.4.1.1.4", MARK * 3),
    ]
    client("storescu", port, *write(tmp_path / "sent", [good, *bad]), option="--no-halt")
    for names in ({"title": marked}, {"called": marked}):
        client("echoscu", port, **names)
    said = [
        MARK * 20,
        b"\1\0\0\0\0\x20" + MARK * 10,
        request(title=MARK),
        request(called=MARK),
        request().replace(VERIFICATION.encode(), MARK + b"1234567890"),
        request() + MARK * 20,
        request() + data(MARK * 10, 3),
        request() + data(MARK * 10, 2),
        request() + b"\7\0\0\0\0\4" + MARK[:4],
    ]
    for one in said:
        with socket.create_connection(("127.0.0.1", port), START_S) as peer:
            peer.sendall(one)
            peer.settimeout(0.3)
            with suppress(OSError):
                while peer.recv(1 << 10):
                    pass
    assert client("echoscu", port).returncode == 0
    text = log.read_text(errors="replace")
    assert "was refused" in text
    assert marked.lower() not in text.lower()
    assert "Traceback" not in text
