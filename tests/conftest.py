"""What several test files share: volumes of known content, pretrained weights, the real knee."""

import gc
import importlib
import os
import socket
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

# Before anything is imported that has threads: each test process has a core of its own at best, and more threads wait
# for each other.
os.environ.update(
    dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OPENCV_FOR_THREADS_NUM", "TF_NUM_INTRAOP_THREADS"), "1")
    if "PYTEST_XDIST_WORKER" in os.environ
    else {}
)
# Before anything imports Keras: TensorFlow says on standard error what machine it runs on.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import pytest
from filelock import FileLock
from hypothesis import settings

from data_prep.phantom.cohort import Cohort
from data_prep.volume import Volume

# Imports make millions of objects that stay: looking for garbage among them takes seconds.
gc.disable()

ROOT = Path(__file__).parents[1]
# What an exact explanation promises: its maps and bias add up to the logit within this, relative to the logit.
COMPLETENESS = 1e-4
# Bytes that name a test.
LONGEST_NAME = 10
START_S = 60.0  # a scheduler or worker on a busy machine
UMASK = os.umask(0o022)
os.umask(UMASK)

# Machines are slow at times, which is no fault of ours; and a run that fails can be run again.
settings.register_profile("cruciate", deadline=None, derandomize=True)
settings.load_profile("cruciate")


def pytest_configure(config: pytest.Config) -> None:
    """Import `models` before any test imports Keras: it chooses TensorFlow's kernels.

    The process that only hands tests to others needs neither, and starts in seconds less.
    """
    if hasattr(config, "workerinput") or not config.getoption("numprocesses", None):
        importlib.import_module("models")
    else:
        gc.enable()


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Bodies aren't names of tests: what was packed has the time in it, and processes must collect the same names."""
    return argname if isinstance(val, bytes) and len(val) > LONGEST_NAME else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow tests first: a process that started a slow file last would keep the others waiting.

    Making the knees takes ten seconds, so whoever needs them is slow.
    """
    for item in items:
        if "knees" in getattr(item, "fixturenames", ()):
            item.add_marker("slow")
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


def pytest_collection_finish() -> None:
    """Modules and tests live as long as the process: the garbage collector needn't look at them again and again."""
    gc.freeze()
    gc.enable()


@pytest.fixture(autouse=True)
def _umask() -> Iterator[None]:
    """A command that a test calls in this process may change its umask; the next test has the former one again."""
    yield
    os.umask(UMASK)


def _folder(variable: str) -> Path:
    """The folder that a variable names; its tests are skipped without it, the report says so."""
    if not os.environ.get(variable):
        pytest.skip(f"{variable} is not set")
    return Path(os.environ[variable])


@pytest.fixture(scope="session")
def weights_folder() -> Path:
    """Pretrained weights, see the README."""
    return _folder("CRUCIATE_WEIGHTS")


@pytest.fixture(scope="session")
def real_knee() -> dict[str, bytes]:
    """The files of a real scanner's knee series by name, see the README."""
    with tarfile.open(_folder("CRUCIATE_REAL_KNEE") / "ge-mr750-mese.tar.xz") as archive:
        return {member.name: archive.extractfile(member).read() for member in archive if member.isfile()}


@pytest.fixture(scope="session")
def knees(tmp_path_factory) -> Path:
    """Twelve synthetic exams as DICOM with their truth and `exams.csv`: 5 for training, 3 validation, 4 test.

    All test processes of a run read the same files; the first one that needs them writes them.
    """
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    knees = folder / "knees"
    with FileLock(folder / "knees.lock"):
        if not knees.exists():
            unfinished = folder / "knees.unfinished"
            Cohort(seed=7, val=0.25, test=0.25).write(unfinished, exams=12, jobs=2)
            unfinished.rename(knees)
    return knees


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """A Dask scheduler and two workers, each a process of its own, on loopback."""
    from distributed import Client  # takes a second to import, and few need it

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    scheduler = ["scheduler", "--host", address, "--no-dashboard", "--no-show"]
    worker = ["worker", address, "--nthreads", "1", "--no-dashboard", "--no-nanny", "--host", "127.0.0.1"]
    commands = [[sys.executable, "-m", "dask", *part] for part in (scheduler, worker, worker)]
    processes = [subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL) for command in commands]
    try:
        with Client(address, timeout=START_S) as client:
            client.wait_for_workers(2, timeout=START_S)
        yield address
    finally:
        # A worker that is asked to end first looks for its scheduler, for a minute and more.
        for process in processes:
            process.kill()
            process.wait(START_S)


def make_volume(voxels: np.ndarray, spacing_mm: tuple[float, float, float] = (3.0, 0.5, 0.5), **rest) -> Volume:
    """A sagittal volume (front at the left, head up, slices from right to left) around given voxels."""
    slices = len(voxels)
    return Volume(
        voxels=np.asarray(voxels, np.float32),
        spacing_mm=spacing_mm,
        directions=np.array([[0.0, 1.0, 0.0], [0.0, 0.0, -1.0]]),
        positions_mm=np.stack([-spacing_mm[0] * np.arange(slices), np.zeros(slices), np.zeros(slices)], axis=1),
        sop_uids=tuple(f"2.25.1.{index}" for index in range(slices)),
        study_uid="2.25.1",
        series_uid="2.25.2",
        **rest,
    )
