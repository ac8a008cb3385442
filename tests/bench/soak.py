"""Whether memory and disk stay flat while studies come at 80 % of what the service can do, with retention on.

    python -m tests.bench.soak [--minutes 30] [--bundle models/bundles/demo]

First it measures how many studies the service answers in a second when several clients send as fast as they can. Then
it sends distinct studies at 80 % of this rate. Three of four go to /v1/predictions, the fourth by STOW-RS, and its
prediction is asked for. Exit status 1 if something isn't flat after the first minutes, or an answer is missing.
"""

import argparse
import itertools
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from io import BytesIO
from json import dumps, loads
from pathlib import Path
from typing import NamedTuple
from zipfile import ZIP_STORED, ZipFile

import numpy as np
from pydicom.dataset import FileDataset

from app.client import RunningService, serving
from data_prep.phantom.dicom_out import instance
from data_prep.phantom.knee import generate
from data_prep.phantom.scanner import PROFILES
from tests.bench.process_tree import folder_mb, memory_mb

SLICES = 24
SENDERS = 4
LOAD = 0.8
# Seconds that the saturated rate is measured, and seconds before it.
MEASURED_S, WARM_UP_S = 20.0, 10.0
# Seconds between two samples, and how many of them are printed as one line.
SAMPLE_S, PRINTED = 2.0, 5
# Room for twenty studies, and for five of those that come by STOW-RS: the limits are reached in the first minutes.
LIMITS_MB = {"PIXELS": 200.0, "MAPS": 0.06, "INSTANCES": 25.0, "RESULTS": 25.0}
# The first minutes, and at most this part of a short run, aren't judged.
FIRST_S, FIRST_PART = 300.0, 0.4
# What counts as flat: how far the mean of the second half may lie above that of the first, and the largest value over
# the least. Disk is a saw: studies come all the time, and the oldest go every few seconds.
RISE = 0.15
SPREAD = {"memory": 1.25, "disk": 2.5}
UID = "2.25.1000000000"
BOUNDARY = "0123456789abcdef"


class Sample(NamedTuple):
    """Seconds since the beginning, megabytes, and answers so far."""

    at_s: float
    memory_mb: float
    disk_mb: float
    database_mb: float
    audit_mb: float
    answers: int


class Studies:
    """Studies that no service has seen: one synthetic knee under ever new UIDs and with another pixel."""

    def __init__(self) -> None:
        knees = (generate(seed, "healthy", PROFILES[1]) for seed in itertools.count())
        knee = next(knee for knee in knees if knee.scan.slices == SLICES)
        self._files = [self._file(instance(knee, index), index) for index in range(SLICES)]

    @staticmethod
    def uid(number: int) -> str:
        """The UID of a study."""
        return f"2.25.{1_000_000_000 + number}"

    def files(self, number: int) -> list[bytes]:
        """A study's files."""
        uid = self.uid(number).encode()
        files = [file.replace(UID.encode(), uid) for file in self._files]
        files[0] = files[0][:-4] + (number % 30_000).to_bytes(2, "little") + files[0][-2:]  # its last pixel but one
        return files

    @staticmethod
    def _file(dataset: FileDataset, index: int) -> bytes:
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = UID, f"{UID}.1"
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"{UID}.1.{index}"
        file = BytesIO()
        dataset.save_as(file, enforce_file_format=True)
        return file.getvalue()


class Client:
    """Sends studies and counts what came back.

    Attributes:
        statuses: How often each status came, or the name of an error.
        ids: The ids of the answers.
    """

    def __init__(self, service: RunningService, studies: Studies) -> None:
        self._service, self._studies = service, studies
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self.statuses: Counter[int | str] = Counter()
        self.ids: set[str] = set()

    def send(self) -> None:
        """Send the next study, and wait for its answer."""
        with self._lock:
            number = next(self._numbers)
        try:
            status, body = self._by_stow(number) if number % 4 == 0 else self._at_once(number)
        except (OSError, HTTPException) as error:
            status, body = type(error).__name__, b"{}"
        with self._lock:
            self.statuses[status] += 1
            if status in (200, 201):
                self.ids.add(loads(body)["id"])

    def _at_once(self, number: int) -> tuple[int | str, bytes]:
        body = BytesIO()
        with ZipFile(body, "w", ZIP_STORED) as archive:
            for index, file in enumerate(self._studies.files(number)):
                archive.writestr(f"{index}.dcm", file)
        return self._service.request("POST", "/v1/predictions", body.getvalue(), {"Content-Type": "application/zip"})

    def _by_stow(self, number: int) -> tuple[int | str, bytes]:
        head = f"--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode()
        body = b"".join(head + file + b"\r\n" for file in self._studies.files(number)) + f"--{BOUNDARY}--".encode()
        related = {"Content-Type": f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'}
        status, answer = self._service.request("POST", "/dicom-web/studies", body, related)
        if status != 200:
            return status, answer
        named = dumps({"study_uid": self._studies.uid(number)}).encode()
        return self._service.request("POST", "/v1/predictions", named, {"Content-Type": "application/json"})


def saturated_rate(client: Client, warm_up_s: float, measured_s: float) -> float:
    """Studies in a second, if several clients send as fast as they can."""
    over = threading.Event()

    def send_on() -> None:
        while not over.is_set():
            client.send()

    with ThreadPoolExecutor(SENDERS) as pool:
        for _ in range(SENDERS):
            pool.submit(send_on)
        time.sleep(warm_up_s)
        begin, before = time.monotonic(), client.statuses.total()
        time.sleep(measured_s)
        rate = (client.statuses.total() - before) / (time.monotonic() - begin)
        over.set()
    return rate


def load(client: Client, rate: float, seconds: float, sample: Callable[[float], None]) -> float:
    """Send at a rate. `sample` is called every `SAMPLE_S`. Gives how many seconds late the last study was sent."""
    begin, turns, lock = time.monotonic(), itertools.count(), threading.Lock()
    late_s = 0.0

    def send_on() -> None:
        nonlocal late_s
        while True:
            with lock:
                due_s = next(turns) / rate
            if due_s >= seconds:
                return
            time.sleep(max(0.0, begin + due_s - time.monotonic()))
            late_s = time.monotonic() - begin - due_s
            client.send()

    with ThreadPoolExecutor(2 * SENDERS) as pool:
        for _ in range(2 * SENDERS):
            pool.submit(send_on)
        while (at_s := time.monotonic() - begin) < seconds:
            sample(at_s)
            time.sleep(min(SAMPLE_S, max(0.1, seconds - at_s)))
    return late_s


class Verdict(NamedTuple):
    """How flat a row of values is.

    Attributes:
        rise: How far the mean of the second half lies above that of the first, in parts of the latter.
        spread: The largest value over the least.
        most: The largest spread that counts as flat.
    """

    rise: float
    spread: float
    most: float

    @classmethod
    def of(cls, values: list[float], most: float) -> "Verdict":
        """The verdict on values in order of time."""
        half = len(values) // 2
        rise = float(np.mean(values[half:]) / np.mean(values[:half])) - 1
        return cls(rise, max(values) / min(values), most)

    @property
    def flat(self) -> bool:
        """Whether that counts as flat. Falling is no fault."""
        return self.rise <= RISE and self.spread <= self.most


def judged(samples: list[Sample]) -> list[Sample]:
    """The samples without the first minutes."""
    first_s = min(FIRST_S, FIRST_PART * samples[-1].at_s)
    return [sample for sample in samples if sample.at_s >= first_s]


def lost(service: RunningService, ids: set[str]) -> set[str]:
    """Those answers that the service doesn't have any more."""
    held: set[str] = set()
    link: str | None = "/v1/predictions?status=done&limit=500"
    while link is not None:
        page = loads(service.ask("GET", link))
        held |= {one["id"] for one in page["predictions"]}
        link = page["next"]
    return ids - held


def soak(
    bundle: Path,
    minutes: float,
    room: float = 1.0,
    warm_up_s: float = WARM_UP_S,
    measured_s: float = MEASURED_S,
    spread: Mapping[str, float] = SPREAD,
) -> bool:
    """Run it, print what came out, and say whether it is as it should be.

    Args:
        bundle: The bundle to serve.
        minutes: How long to send at 80 %.
        room: The limits in parts of `LIMITS_MB`.
        warm_up_s: Seconds of sending as fast as possible before that is measured.
        measured_s: Seconds of measuring it.
        spread: What counts as flat, see `SPREAD`.
    """
    samples: list[Sample] = []
    limits = {f"CRUCIATE_KEEP_{kind}_MB": str(room * mb) for kind, mb in LIMITS_MB.items()}
    with tempfile.TemporaryDirectory(prefix="cruciate-") as scratch:
        variables = {"CRUCIATE_RETENTION": "on", "CRUCIATE_RESERVE_MB": "0", "CRUCIATE_QUIET_S": "3600"} | limits
        with serving(bundle, Path(scratch), **variables) as service:
            service.wait_until_ready()
            client, data = Client(service, Studies()), Path(scratch) / "var"

            def sample(at_s: float) -> None:
                database_mb = sum(path.stat().st_size for path in data.glob("cruciate.db*") if path.exists()) / 1e6
                memory, disk, audit = memory_mb(service.process.pid), folder_mb(data), folder_mb(data / "audit")
                samples.append(Sample(at_s, memory, disk, database_mb, audit, client.statuses.total()))
                if len(samples) % PRINTED == 1:
                    print("{:8.0f} s{:10.0f}{:10.1f}{:10.2f}{:10.3f}{:10}".format(*samples[-1]), flush=True)

            rate = saturated_rate(client, warm_up_s, measured_s)
            print(f"saturated: {rate:.2f} studies in a second; sending {LOAD * rate:.2f} for {minutes:g} minutes\n")
            print(f"{'':10}{'memory MB':>10}{'disk MB':>10}{'database':>10}{'audit':>10}{'answers':>10}")
            late_s = load(client, LOAD * rate, 60 * minutes, sample)
            gone = lost(service, client.ids)
    return _report(samples, client, gone, late_s, spread)


def _report(samples: list[Sample], client: Client, gone: set[str], late_s: float, spread: Mapping[str, float]) -> bool:
    kept = judged(samples)
    verdicts = {
        name: Verdict.of([getattr(sample, f"{name}_mb") for sample in kept], most) for name, most in spread.items()
    }
    print()
    for name, verdict in verdicts.items():
        said = "flat" if verdict.flat else "NOT FLAT"
        print(f"{name:8} rises by {100 * verdict.rise:5.1f} %, largest over least {verdict.spread:.2f}: {said}")
    answered = samples[-1].answers - samples[0].answers
    for name in ("database", "audit"):
        grown = getattr(samples[-1], f"{name}_mb") - getattr(samples[0], f"{name}_mb")
        print(f"{name:8} grows by {1000 * grown / max(answered, 1):.1f} kB for each study")
    print(f"answers  {dict(client.statuses)}, lost: {len(gone)}; the last one was sent {late_s:.1f} s late")
    answers_right = not gone and set(client.statuses) <= {200, 201} and len(client.ids) == client.statuses.total()
    return answers_right and all(verdict.flat for verdict in verdicts.values())


def main() -> int:
    """Returns the exit status."""
    parser = argparse.ArgumentParser(description="Whether memory and disk stay flat under load.")
    parser.add_argument("--bundle", type=Path, default=Path("models/bundles/demo"))
    parser.add_argument("--minutes", type=float, default=30.0)
    arguments = parser.parse_args()
    return 0 if soak(arguments.bundle, arguments.minutes) else 1


if __name__ == "__main__":
    sys.exit(main())
