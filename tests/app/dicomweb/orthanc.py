"""A real PACS beside our service, both in a network of their own: Orthanc listens on every address.

A test calls `beside_orthanc` with a module, whose `main` uses `running`. Orthanc is configured as docs/connect.md says,
but for the service's port.
"""

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

from tests.app.own_network import in_own_network, require

DOCS = Path(__file__).parents[3] / "docs"
CONFIGURATION, FORWARD = DOCS / "orthanc" / "orthanc.json", DOCS / "orthanc" / "forward.lua"
HTTP = "http://127.0.0.1:8042"
# The key that the configuration sends, and the port at which it looks for the service.
KEY, PORT = "write-a-long-random-key-here", "8000"
START_S = 30.0


class Orthanc:
    """Its REST API, as far as tests need it."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process

    def store(self, file: bytes) -> None:
        """As if a scanner had sent this instance."""
        self.ask("/instances", file)

    def ask(self, path: str, body: bytes | None = None) -> Any:
        with urlopen(Request(HTTP + path, body), timeout=10) as response:
            return json.load(response)


def beside_orthanc(module: str, *arguments: object) -> dict:
    """Run `python -m module` in a network of its own. Skips the test, except in CI, where Orthanc is missing."""
    require(shutil.which("Orthanc") is not None, "Orthanc isn't installed (Debian: orthanc, orthanc-dicomweb)")
    plugins = json.loads(CONFIGURATION.read_text())["Plugins"]
    require(all(Path(plugin).is_file() for plugin in plugins), "Orthanc's DICOMweb plugin isn't installed")
    return in_own_network(module, *arguments)


@contextmanager
def running(folder: Path, service_port: int) -> Iterator[Orthanc]:
    """Orthanc with its storage and log in a folder, gone when the block ends."""
    folder.mkdir()
    configuration = CONFIGURATION.read_text().replace(f"127.0.0.1:{PORT}", f"127.0.0.1:{service_port}")
    (folder / CONFIGURATION.name).write_text(configuration)
    shutil.copy(FORWARD, folder)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(["Orthanc", CONFIGURATION.name], cwd=folder, stdout=log, stderr=log)
    try:
        orthanc = Orthanc(process)
        wait_for(lambda: orthanc.ask("/system"), START_S)
        yield orthanc
    finally:
        process.terminate()
        process.wait(START_S)


def wait_for(ask, seconds: float) -> Any:
    """The first true answer; AssertionError if there is none in time."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if answer := ask():
                return answer
        except URLError:
            pass
        assert time.monotonic() < deadline
        time.sleep(0.1)
