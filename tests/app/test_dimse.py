"""DIMSE with dcmtk's echoscu and storescu, as a hospital's systems send."""

import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from app.dimse import VERIFICATION
from app.service.condition import KEPT_S
from app.service.settings import DimseSettings, SettingsError
from app.store.instances import Instances
from app.store.opening import open_database
from data_prep.selection.series import load_study
from tests.app.studies import PATIENT, instances, voxels

pytestmark = pytest.mark.slow

START_S, STOP_S = 30.0, 30.0
PEERS = "SCANNER@127.0.0.1, OTHER@192.0.2.1"


@pytest.fixture(scope="module")
def dcmtk() -> None:
    if not shutil.which("storescu") and not os.environ.get("CI"):
        pytest.skip("dcmtk isn't installed")


@pytest.fixture
def door(dcmtk, tmp_path, request):
    """A listening process: its port and its log. A test may give it more variables."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    variables = {
        "CRUCIATE_DIMSE_PEERS": PEERS,
        "CRUCIATE_DIMSE_PORT": str(port),
        "CRUCIATE_DATA": str(tmp_path / "var"),
        **getattr(request, "param", {}),
    }
    log = tmp_path / "dimse.log"
    with log.open("w") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "app.dimse"], env=os.environ | variables, stdout=stream, stderr=stream
        )
    deadline = time.monotonic() + START_S
    while "listens" not in log.read_text():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)
    yield port, log
    process.send_signal(signal.SIGTERM)
    assert process.wait(STOP_S) == 0


def client(program: str, port: int, *files: Path, title: str = "SCANNER", called: str = "CRUCIATE", option: str = ""):
    options = [option] if option else []
    command = [program, *options, "-aet", title, "-aec", called, "127.0.0.1", str(port), *map(str, files)]
    return subprocess.run(command, capture_output=True, text=True, timeout=START_S, check=False)


def write(folder: Path, files: list[bytes]) -> list[Path]:
    folder.mkdir()
    paths = [folder / f"{index}.dcm" for index in range(len(files))]
    for path, content in zip(paths, files, strict=True):
        path.write_bytes(content)
    return paths


def held(folder: Path) -> list[str]:
    return [row.sop_uid for row in Instances(folder / "instances", open_database("", folder)).find()]


def test_an_echo_is_answered(door):
    assert client("echoscu", door[0]).returncode == 0


def test_a_study_that_a_scanner_sends_is_held_pixel_by_pixel(door, tmp_path):
    port, log = door
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
    command = [sys.executable, "-m", "app.dimse"]
    ended = subprocess.run(
        command, env=os.environ | variables, capture_output=True, text=True, timeout=START_S, check=False
    )
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


def test_no_log_quotes_a_peer(door, tmp_path):
    """Marked bytes in titles, protocol units, commands and data sets."""
    port, log = door
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


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({}, "CRUCIATE_DIMSE_PEERS"),
        ({"CRUCIATE_DIMSE_PEERS": "SCANNER"}, "CRUCIATE_DIMSE_PEERS"),
        ({"CRUCIATE_DIMSE_PEERS": PEERS, "CRUCIATE_DIMSE_PORT": "x"}, "CRUCIATE_DIMSE_PORT"),
        ({"CRUCIATE_DIMSE_PEERS": PEERS, "CRUCIATE_DIMSE_TITLE": "x" * 17}, "CRUCIATE_DIMSE_TITLE"),
    ],
)
def test_a_door_without_a_list_stays_shut(variables, said):
    with pytest.raises(SettingsError, match=said):
        DimseSettings.from_environment(variables)
