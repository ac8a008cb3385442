"""The Dockerfile's own steps, in an empty folder, as the user that it names: its service starts and can write."""

import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.request import urlopen

import pytest

from tests.conftest import ROOT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user"),
]

# Whoever isn't root can stand for the user `cruciate`.
NOBODY = 65534
# What needs a container or the network: the account, and the packages, which this environment has already.
LEFT_OUT = ("apt-get", "useradd", "pip install")
START_S = 120.0
KEY = "a key of our own that is long enough"
# This environment may lie in root's folders: the service may read everything, but writes only as its user.
AS_NOBODY = (
    *("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"),
    *("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"),
)


class Image(NamedTuple):
    """What the steps made.

    Attributes:
        home: The folder that stands for WORKDIR.
        variables: The values of ENV.
        volumes: The paths of VOLUME, below `home`.
        command: CMD.
    """

    home: Path
    variables: dict[str, str]
    volumes: list[Path]
    command: list[str]


def steps() -> list[tuple[str, str]]:
    """Instructions and their arguments, in order."""
    text = re.sub(r"\\\n", " ", (ROOT / "Dockerfile").read_text())
    return [tuple(line.split(maxsplit=1)) for line in text.splitlines() if line and not line.startswith("#")]


def built(root: Path) -> Image:
    """Take each step as a container engine would."""
    home, workdir, user = root / "home", "", 0
    home.mkdir()
    os.chown(home, NOBODY, NOBODY)
    variables, volumes, command = {}, [], []
    for instruction, argument in steps():
        if instruction == "WORKDIR":
            workdir = argument
        elif instruction == "COPY":
            source, target = argument.split()
            copy = shutil.copytree if (ROOT / source).is_dir() else shutil.copy
            copy(ROOT / source, home / target)
        elif instruction == "USER":
            assert argument == "cruciate"
            user = NOBODY
        elif instruction == "RUN" and not any(part in argument for part in LEFT_OUT):
            subprocess.run(argument, shell=True, check=True, cwd=home, user=user, group=user, extra_groups=[])
        elif instruction == "ENV":
            variables |= dict(part.split("=", 1) for part in shlex.split(argument))
        elif instruction == "VOLUME":
            volumes.append(home / Path(argument).relative_to(workdir))
            volumes[-1].mkdir(exist_ok=True)  # root's, if no step has made it
        elif instruction == "CMD":
            command = eval(argument, {"__builtins__": {}})
    variables = {name: value.replace(workdir, str(home)) for name, value in variables.items()}
    return Image(home, variables, volumes, command)


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    folder = Path(tempfile.mkdtemp(prefix="cruciate-image-"))
    folder.chmod(0o755)
    yield built(folder)
    shutil.rmtree(folder)


def test_each_volume_belongs_to_the_user_who_serves(image):
    """An engine makes a missing folder for root, and nobody else could write to it."""
    assert image.volumes == [image.home / "var"]
    for volume in image.volumes:
        status = volume.stat()
        assert (status.st_uid, status.st_mode & 0o777) == (NOBODY, 0o700)
    assert image.variables["CRUCIATE_DATA"] == str(image.home / "var")


def test_its_service_starts_as_that_user(image):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    ours = {
        "CRUCIATE_API_KEYS": "a key of our own that is long enough",
        "CRUCIATE_BUNDLES": "models/bundles/demo",
        "HOME": str(image.home),
    }
    environment = os.environ | image.variables | ours | {"PORT": str(port), "PYTHONDONTWRITEBYTECODE": "1"}
    gunicorn, *arguments = image.command
    command = [*AS_NOBODY, sys.executable, "-m", gunicorn, *arguments]
    process = subprocess.Popen(command, cwd=image.home, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + START_S
        while not alive(port):
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.1)
        made = image.home / "var" / "cruciate.db"
        assert made.stat().st_uid == NOBODY
    finally:
        process.terminate()
        process.communicate()


def alive(port: int) -> bool:
    """Whether the service answers."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as response:
            return response.status == 200
    except OSError:
        return False


def test_compose_mounts_the_same_folder_and_uses_files_that_exist():
    compose = (ROOT / "deploy" / "compose.yaml").read_text()
    assert re.findall(r'"data:(\S+)"', compose) == [dict(steps())["VOLUME"]]
    for path in re.findall(r"- \./(\S+?):", compose):
        assert (ROOT / "deploy" / path).is_file()
    template = (ROOT / "deploy" / "nginx" / "cruciate.conf.template").read_text()
    for name in set(re.findall(r"\$\{([A-Z_]+)\}", template)):
        assert f"      {name}: " in compose, name
