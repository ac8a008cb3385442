"""Orthanc with its web viewer (Debian's orthanc-webviewer), on a port of this machine, without DICOM's own network."""

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

from tests.app.partners import free_port

START_S = 60.0
ANSWER_S = 60.0
# A series to which nothing came for so long is complete. Until then its page has a sign that moves.
STABLE_S = 1


class OrthancServer:
    """Its REST API.

    Attributes:
        origin: Its address.
    """

    def __init__(self, origin: str) -> None:
        self.origin = origin

    def read(self, path: str, body: bytes | None = None) -> bytes:
        """The answer to GET, or to POST if there is a body."""
        with urlopen(Request(self.origin + path, body), timeout=ANSWER_S) as response:
            return bytes(response.read())

    def store(self, file: bytes) -> None:
        """Store an instance."""
        self.read("/instances", file)

    def find(self, level: str, **query: str) -> str:
        """Orthanc's name of the only object with these attributes."""
        (found,) = json.loads(self.read("/tools/find", json.dumps({"Level": level, "Query": query}).encode()))
        return str(found)


@contextmanager
def orthanc(plugin: Path, folder: Path) -> Iterator[OrthancServer]:
    """Start Orthanc with a plugin and an empty storage in a folder; it ends with the block."""
    folder.mkdir()
    port = free_port()
    settings = {
        "HttpPort": port,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "DicomServerEnabled": False,
        "StableAge": STABLE_S,
        "StorageDirectory": str(folder / "storage"),
        "Plugins": [str(plugin.resolve())],
        "WebViewer": {"CachePath": str(folder / "cache")},
    }
    (folder / "orthanc.json").write_text(json.dumps(settings))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(["Orthanc", "orthanc.json"], cwd=folder, stdout=log, stderr=log)
    try:
        server = OrthancServer(f"http://127.0.0.1:{port}")
        _wait_for(server)
        yield server
    finally:
        process.terminate()
        process.wait(START_S)


def _wait_for(server: OrthancServer) -> None:
    deadline = time.monotonic() + START_S
    while True:
        try:
            server.read("/system")
            return
        except URLError:
            assert time.monotonic() < deadline, "Orthanc didn't start"
            time.sleep(0.2)
