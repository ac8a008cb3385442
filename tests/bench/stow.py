"""How long a study takes to be acknowledged, beside an endpoint that only stores the parts (`tests.bench.bare`).

    python -m tests.bench.stow [--rounds 15]

dicomweb-client sends a study of 30 instances over loopback, in turn to our service and to the bare endpoint, both under
gunicorn as we configure it; the bare one once with and once without flushing each file to the disk, as ours does. Only
ratios carry over to another machine; they are taken round by round, since machines are noisy.
"""

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path

import numpy as np
from dicomweb_client import DICOMwebClient
from pydicom.dataset import FileDataset
from pydicom.uid import generate_uid

from app.client import serving
from data_prep.phantom.dicom_out import instance
from data_prep.phantom.knee import generate
from data_prep.phantom.scanner import PROFILES

INSTANCES = 30
# The first rounds meet cold caches.
WARM_UP = 3
# No study of a round is predicted on while the next one is sent.
PREDICTED_AFTER_S = "86400"
OURS, FLUSHING, CARELESS = "Cruciate", "bare, flushing", "bare, not flushing"


def main() -> None:
    parser = argparse.ArgumentParser(description="How long a study takes to be acknowledged.")
    parser.add_argument("--bundle", type=Path, default=Path("models/bundles/demo"))
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    study = _study()
    seconds: dict[str, list[float]] = defaultdict(list)
    with ExitStack() as running, tempfile.TemporaryDirectory(prefix="cruciate-") as scratch:
        ours = running.enter_context(serving(arguments.bundle, Path(scratch), CRUCIATE_QUIET_S=PREDICTED_AFTER_S))
        ours.wait_until_ready()
        ports = {OURS: ours.port}
        for name, flush in ((FLUSHING, "1"), (CARELESS, "0")):
            ports[name] = running.enter_context(_bare(Path(scratch), flush))
        clients = {name: DICOMwebClient(f"http://127.0.0.1:{port}/dicom-web") for name, port in ports.items()}
        for _ in range(WARM_UP + arguments.rounds):
            _renew(study)
            for name, client in clients.items():
                start = time.perf_counter()
                client.store_instances(study)
                seconds[name].append(time.perf_counter() - start)
    kept = {name: np.array(values[WARM_UP:]) for name, values in seconds.items()}
    size = sum(len(dataset.PixelData) for dataset in study) / 1e6
    print(f"Medians of {arguments.rounds} rounds, {INSTANCES} instances, {size:.1f} MB, by dicomweb-client:\n")
    for name, values in kept.items():
        ratio = np.median(kept[OURS] / values)
        print(f"{name:20}{1000 * np.median(values):9.1f} ms   Cruciate takes {ratio:5.2f} times as long")
    print("\nAt most 1.50 times the bare endpoint that flushes, as ours does.")


def _study() -> list[FileDataset]:
    """The first instances of a synthetic knee that has enough."""
    knees = (generate(seed, "healthy", profile) for seed in count() for profile in PROFILES)
    knee = next(knee for knee in knees if knee.scan.slices >= INSTANCES)
    return [instance(knee, index) for index in range(INSTANCES)]


def _renew(study: list[FileDataset]) -> None:
    """Make it a study that nobody has seen."""
    study_uid, series_uid = generate_uid(), generate_uid()
    for dataset in study:
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study_uid, series_uid
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()


@contextmanager
def _bare(scratch: Path, flush: str) -> Iterator[int]:
    """The bare endpoint's port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    folder = scratch / f"bare-{flush}"
    folder.mkdir()
    command = [sys.executable, "-m", "gunicorn", "--worker-class", "gthread", "--threads", "8"]
    command += ["--bind", f"127.0.0.1:{port}", "--log-level", "critical", "tests.bench.bare:app"]
    variables = {"BARE_FOLDER": str(folder), "BARE_FSYNC": flush}
    process = subprocess.Popen(command, env=os.environ | variables)
    try:
        while not _listens(port):
            time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


if __name__ == "__main__":
    main()
