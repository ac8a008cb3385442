"""DICOM systems of others: dcmtk's storescp and dcmqrscp as processes, and pynetdicom's as a system that misbehaves."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset
from pynetdicom.ae import ApplicationEntity
from pynetdicom.presentation import AllStoragePresentationContexts

from tests.app.own_network import require

START_S, STOP_S = 20.0, 20.0
# pynetdicom leaves the socket of a failed connection to the garbage collector.
UNCLOSED = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def storescp(folder: Path, title: str, port: int, *options: object) -> Iterator[Path]:
    """A system that stores what it gets as files in a folder, as it gets them."""
    folder.mkdir()
    with _running("storescp", "+B", "-aet", title, "-od", folder, *options, port, port=port):
        yield folder


@contextmanager
def dcmqrscp(folder: Path, title: str, port: int) -> Iterator[None]:
    """An archive that can be searched."""
    (folder / "images").mkdir(parents=True)
    (folder / "configuration").write_text(
        f"NetworkTCPPort = {port}\nMaxPDUSize = 16384\nMaxAssociations = 8\n"
        "HostTable BEGIN\nHostTable END\nVendorTable BEGIN\nVendorTable END\n"
        f"AETable BEGIN\n{title} {folder / 'images'} RW (100, 1024mb) ANY\nAETable END\n"
    )
    with _running("dcmqrscp", "-c", folder / "configuration", port=port):
        yield


def run(program: str, port: int, title: str, *arguments: object, called: str = "CRUCIATE") -> Any:
    """One of dcmtk's clients."""
    command = [program, "-aet", title, "-aec", called, "127.0.0.1", str(port), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def files_in(folder: Path) -> dict[str, Dataset]:
    """The instances in a folder, by UID."""
    found = [pydicom.dcmread(path) for path in folder.iterdir() if path.is_file()]
    return {str(one.SOPInstanceUID): one for one in found}


@contextmanager
def answering(status: Any, *classes: str, **options: Any) -> Iterator[int]:
    """A system that answers every C-STORE with a status, or as a function says. Gives its port."""
    from pynetdicom import evt

    entity = ApplicationEntity("PACS")
    entity.supported_contexts = AllStoragePresentationContexts
    for one in classes:
        entity.remove_supported_context(one)
    store = status if callable(status) else (lambda event: status)
    server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, store)], **options)
    assert server is not None
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()


@contextmanager
def _running(program: str, *arguments: object, port: int) -> Iterator[None]:
    require(shutil.which(program) is not None, f"{program} isn't installed (Debian: dcmtk)")
    process = subprocess.Popen([program, *map(str, arguments)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(port, process)
        yield
    finally:
        process.kill()
        process.wait(STOP_S)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_S
    while True:
        assert process.poll() is None, os.fsdecode(process.args[0])
        assert time.monotonic() < deadline
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
