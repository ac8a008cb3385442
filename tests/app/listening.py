"""A DIMSE listener in a process of its own, and dcmtk's clients."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import warm

START_S, STOP_S = 30.0, 30.0
PEERS = "SCANNER@127.0.0.1, OTHER@192.0.2.1"


@contextmanager
def listening(scratch: Path, **variables: str) -> Iterator[tuple[int, Path]]:
    """Start a listener on the data folder `var`, and stop it when the block ends. Gives its port and its log.

    Skips the test, except in CI, if Debian's dcmtk isn't installed.
    """
    if not shutil.which("storescu") and not os.environ.get("CI"):
        pytest.skip("dcmtk isn't installed")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    ours = {"CRUCIATE_DIMSE_PEERS": PEERS, "CRUCIATE_DIMSE_PORT": str(port), "CRUCIATE_DATA": str(scratch / "var")}
    log = scratch / "dimse.log"
    log.touch()
    process = warm.Forked(["-m", "app.dimse"], os.environ | ours | variables, log, log)
    try:
        deadline = time.monotonic() + START_S
        while "listens" not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        yield port, log
    finally:
        process.terminate()
        status = process.wait(STOP_S)
    assert status == 0


def client(program: str, port: int, *files: Path, title: str = "SCANNER", called: str = "CRUCIATE", option: str = ""):
    """Run one of dcmtk's clients."""
    options = [option] if option else []
    command = [program, *options, "-aet", title, "-aec", called, "127.0.0.1", str(port), *map(str, files)]
    return subprocess.run(command, capture_output=True, text=True, timeout=START_S, check=False)


def write(folder: Path, files: list[bytes]) -> list[Path]:
    """The files of a client."""
    folder.mkdir()
    paths = [folder / f"{index}.dcm" for index in range(len(files))]
    for path, content in zip(paths, files, strict=True):
        path.write_bytes(content)
    return paths
