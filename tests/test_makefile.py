"""Targets of the Makefile that people and supervisors rely on."""

import signal
import subprocess
import time
from pathlib import Path

import pytest

SERVER = """#!/bin/sh
echo "$PORT $CRUCIATE_BUNDLES ${CRUCIATE_OHIF:-none} $$" > "$(dirname "$0")/started"
exec sleep 60
"""


@pytest.mark.parametrize(("target", "viewer"), [("serve", "none"), ("ohif", "build/viewers/ohif-1.2.3/dist")])
def test_sigterm_to_make_ends_the_server(tmp_path, target, viewer):
    (tmp_path / "gunicorn").write_text(SERVER)
    (tmp_path / "gunicorn").chmod(0o755)
    ready = [f"--old-file={one}" for one in ("none/.run", "build/viewers/ohif-1.2.3/dist/index.html")]
    choices = ["VENV=none", f"BIN={tmp_path}", "PORT=8123", "BUNDLE=some", "OHIF=1.2.3"]
    command = ["make", *ready, target, *choices]
    with subprocess.Popen(command) as make:
        try:
            written = waited_for(tmp_path / "started").split()
            make.send_signal(signal.SIGTERM)
            make.wait(10)
            assert written[:3] == ["8123", "some", viewer]
            assert gone(written[3])
        finally:
            make.kill()


def waited_for(path) -> str:
    for _ in range(200):
        if path.exists() and (text := path.read_text()).endswith("\n"):
            return text
        time.sleep(0.05)
    raise AssertionError("the server wasn't started within 10 s")


def gone(pid: str) -> bool:
    """Whether the process ends within 5 s. In a container it may remain as a zombie: nobody removes it."""
    for _ in range(100):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.05)
    return False
