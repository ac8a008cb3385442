"""How long searches and metadata take as studies become more, beside Orthanc, in one run.

    python -m tests.bench.queries [--studies 200 2000] [--rounds 9] [--postgresql] [--first-only]

Ours are rows of studies with 4 series and 12 instances each, written into the database as receiving writes them, but
many at once and without files. Orthanc gets tiny instances of the same studies by its REST API. That takes minutes for
each thousand studies, so with `--first-only` it gets one instance of each. Then it has a twelfth of our instances,
which is in its favour. Both answer over loopback, in turn. Then a series of 192 instances is stored in both, and its
metadata are asked for.

Only ratios carry over to another machine. Orthanc must be installed (Debian: orthanc, orthanc-dicomweb).
"""

import argparse
import io
import json
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from http.client import HTTPConnection
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage
from sqlalchemy import Table, func, insert, select
from sqlalchemy.orm import Session

from app.client import RunningService, serving
from app.contract.json_text import Json
from app.store.database import Database, Instance
from app.store.index.entries import Member, columns_of, moment, study_attributes
from app.store.index.keys import Level
from app.store.index.renewal import wrong
from app.store.index.tables import FURTHER, INSTANCE, STUDY
from app.store.index.tables import SERIES as OF_SERIES
from app.store.opening import open_database
from data_prep.phantom.dicom_out import instance
from data_prep.phantom.knee import generate
from tests.app.postgres import postgresql

SIZES = (200, 2000)
SERIES, PER_SERIES = (("MR", "PD FS SAG"), ("MR", "T1 COR"), ("MR", "T2 AX"), ("SR", "Report")), 3
SLICES, PRIVATE = 192, 120
# Studies that are written in one transaction.
AT_ONCE = 500
GOAL_MS, MOST_RATIO = 50.0, 2.0
START_S = 30.0
# What is asked of both; {n} is a study in the middle.
SEARCHES = {
    "the newest 100 studies": "studies?limit=100",
    "PatientID": "studies?PatientID=P{n}",
    "AccessionNumber": "studies?AccessionNumber=A{n}",
    "StudyInstanceUID": "studies?StudyInstanceUID=2.25.{n}",
    "PatientName begins": "studies?PatientName=Name{n}*",
    "PatientName holds": "studies?PatientName=*{n}*",
    "StudyDescription holds, 100 of many": "studies?StudyDescription=*knee*&limit=100",
    "a year of StudyDate, 100 of many": "studies?StudyDate=20250101-20251231&limit=100",
    "ModalitiesInStudy, 100 of many": "studies?ModalitiesInStudy=MR&limit=100",
    "series of a study": "studies/2.25.{n}/series",
    "series by PatientID": "series?PatientID=P{n}",
    "instances of a study": "studies/2.25.{n}/instances",
    "instances by PatientID": "instances?PatientID=P{n}",
    "instances by SOPInstanceUID": "instances?SOPInstanceUID=2.25.{n}.1.1",
}

Ask = Callable[[str], tuple[int, bytes]]


def main() -> None:
    parser = argparse.ArgumentParser(description="How long searches take, beside Orthanc.")
    parser.add_argument("--studies", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--bundle", type=Path, default=Path("models/bundles/demo"))
    parser.add_argument("--postgresql", action="store_true", help="ours in PostgreSQL (Debian: postgresql), not SQLite")
    parser.add_argument("--first-only", action="store_true", help="Orthanc gets one instance of each study")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cruciate-") as scratch, _database(arguments.postgresql) as url:
        database, variables = open_database(url, Path(scratch, "var")), {"CRUCIATE_DATABASE": url} if url else {}
        with (
            serving(arguments.bundle, Path(scratch), **variables) as service,
            _orthanc(Path(scratch, "orthanc")) as port,
        ):
            service.wait_until_ready()
            held = 0
            for size in sorted(arguments.studies):
                _fill(database, held, size)
                _load(port, held, size, arguments.first_only)
                held = size
                _searched(_asks(service, port), size, arguments.rounds)
            _metadata(service, port, arguments.rounds)
        database.close()


def _database(is_postgresql: bool) -> AbstractContextManager[str]:
    """The URL of a PostgreSQL of this run's own; empty for SQLite."""
    return postgresql() if is_postgresql else nullcontext("")


def _searched(asks: dict[str, Ask], size: int, rounds: int) -> None:
    print(f"\n{size} studies: medians of {rounds} rounds, ms\n")
    print(f"{'':40}{'Cruciate':>10}{'Orthanc':>10}{'ratio':>8}")
    slowest = 0.0
    for name, form in SEARCHES.items():
        path = form.format(n=size // 2)
        ours, theirs = (1000 * np.median(times) for times in _timed(asks, path, rounds))
        slowest = max(slowest, float(ours))
        print(f"{name:40}{ours:10.1f}{theirs:10.1f}{ours / theirs:8.2f}")
    print(f"\nThe slowest of ours takes {slowest:.1f} ms; the goal is less than {GOAL_MS:g} ms.")


def _timed(asks: dict[str, Ask], path: str, rounds: int) -> list[list[float]]:
    """Seconds of each round for each system, in turn. The first round isn't counted."""
    seconds: dict[str, list[float]] = {name: [] for name in asks}
    for _ in range(rounds + 1):
        for name, ask in asks.items():
            start = time.perf_counter()
            status, content = ask(path)
            seconds[name].append(time.perf_counter() - start)
            if status != 200 or not json.loads(content):
                raise SystemExit(f"{name} answered {status} to {path}")
    return [times[1:] for times in seconds.values()]


def _asks(service: RunningService, port: int) -> dict[str, Ask]:
    return {"Cruciate": _asking(service.port, "/dicom-web/"), "Orthanc": _asking(port, "/dicom-web/")}


def _metadata(service: RunningService, port: int, rounds: int) -> None:
    """Metadata of a series of `SLICES` instances."""
    files = list(_large_series())
    for file in files:
        service.ask("POST", "/dicom-web/studies", file, {"Content-Type": "application/dicom"})
        _post(port, file)
    path, asks = "studies/2.25.9999999/series/2.25.9999999.1/metadata", _asks(service, port)
    start = time.perf_counter()
    _, content = asks["Cruciate"](path)
    first = time.perf_counter() - start
    ours, theirs = (1000 * np.median(times) for times in _timed(asks, path, rounds))
    print(f"\nMetadata of {SLICES} instances, {len(content) / 1e6:.1f} MB, ms\n")
    print(f"{'just after they were stored':40}{1000 * first:10.1f}")
    print(f"{'later':40}{ours:10.1f}{theirs:10.1f}{ours / theirs:8.2f}")


def _fill(database: Database, first: int, stop: int) -> None:
    """Our rows of studies, and their entries as `renewal` makes them, many at once."""
    for start in range(first, stop, AT_ONCE):
        with database.write() as session:
            tables: dict[Table, list[dict[str, Any]]] = {}
            for number in range(start, min(start + AT_ONCE, stop)):
                for table, row in _entries(number):
                    tables.setdefault(table, []).append(row)
            for table, rows in tables.items():
                session.execute(insert(table), rows)
            _count_on(session)
    with database.read() as session:
        assert wrong(session) == []


def _count_on(session: Session) -> None:
    """PostgreSQL counts ids by itself, and doesn't see those that are written."""
    if session.get_bind().dialect.name == "postgresql":
        for table in (STUDY, OF_SERIES, INSTANCE):
            latest = select(func.max(table.c.id)).scalar_subquery()
            session.execute(select(func.setval(func.pg_get_serial_sequence(table.name, "id"), latest)))


def _entries(number: int) -> Iterator[tuple[Table, dict[str, Any]]]:
    """Everything of one study; the ids of entries are counted from the number of the study."""
    study_id, rows = number + 1, list(_rows(number))
    examples = rows[::PER_SERIES]
    members = [Member(one["series_uid"], one["sop_uid"], PER_SERIES, False, 0.0, one["attributes"]) for one in examples]
    attributes = study_attributes(members)
    own = {"uid": f"2.25.{number}", "example": members[-1].example, "series": len(members), "instances": len(rows)}
    yield (
        STUDY,
        {"id": study_id, **own, "moment": moment(attributes, 0.0), "stored": 0.0, "attributes": attributes}
        | _columns(Level.STUDY, attributes),
    )
    yield FURTHER, {"key": "ModalitiesInStudy", "owner": study_id, "place": 1, "value": "SR"}
    for place, one in enumerate(members):
        series = {"id": len(SERIES) * number + place + 1, "study_id": study_id, "uid": one.uid, "example": one.example}
        yield OF_SERIES, series | {"instances": PER_SERIES} | _columns(Level.SERIES, one.attributes)
    for place, row in enumerate(rows):
        yield Instance.__table__, row
        series_id = len(SERIES) * number + place // PER_SERIES + 1
        yield INSTANCE, {"series_id": series_id, "uid": row["sop_uid"]} | _columns(Level.INSTANCE, row["attributes"])


def _columns(level: Level, attributes: Json) -> dict[str, str | None]:
    return columns_of(level, attributes)[0]


def _rows(number: int) -> Iterator[dict[str, Any]]:
    for place, values in enumerate(_instances(number)):
        yield {
            "sop_uid": values["SOPInstanceUID"],
            "study_uid": values["StudyInstanceUID"],
            "series_uid": values["SeriesInstanceUID"],
            "digest": f"{number:032}{place:032}",
            "size": 1000,
            "attributes": dict(_element(keyword, value) for keyword, value in values.items()),
            "ours": False,
            "stored": time.time(),
            "metadata_due": False,
        }


def _instances(number: int) -> Iterator[dict[str, str | int]]:
    """The attributes of each instance of a study."""
    for series, (modality, description) in enumerate(SERIES, start=1):
        for one in range(1, PER_SERIES + 1):
            yield _values(number, series, one) | {"Modality": modality, "SeriesDescription": description}


def _values(number: int, series: int, one: int) -> dict[str, str | int]:
    study = f"2.25.{number}"
    return {
        "SOPClassUID": MRImageStorage,
        "SOPInstanceUID": f"{study}.{series}.{one}",
        "StudyInstanceUID": study,
        "SeriesInstanceUID": f"{study}.{series}",
        "StudyDate": f"{2006 + number % 20}{1 + number % 12:02}{1 + number % 28:02}",
        "StudyTime": f"{number % 24:02}{number % 60:02}00",
        "AccessionNumber": f"A{number}",
        "StudyID": f"S{number}",
        "StudyDescription": ("MR Knee left", "MR KNEE right", "MR Shoulder")[number % 3],
        "PatientName": f"Name{number}^A",
        "PatientID": f"P{number}",
        "PatientBirthDate": "19610304",
        "PatientSex": "FM"[number % 2],
        "ReferringPhysicianName": f"Doctor{number % 97}",
        "Modality": "MR",
        "SeriesNumber": series,
        "SeriesDescription": "PD FS SAG",
        "BodyPartExamined": "KNEE",
        "InstanceNumber": one,
        "Rows": 1,
        "Columns": 1,
        "SamplesPerPixel": 1,
        "BitsAllocated": 8,
    }


def _element(keyword: str, value: str | int) -> tuple[str, dict[str, object]]:
    vr = dictionary_VR(keyword)
    return f"{tag_for_keyword(keyword):08X}", {"vr": vr, "Value": [{"Alphabetic": value} if vr == "PN" else value]}


def _load(port: int, first: int, stop: int, first_only: bool) -> None:
    """The instances of each study, for Orthanc."""
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    for number in range(first, stop):
        for values in islice(_instances(number), 1 if first_only else None):
            _post(port, _tiny(values), connection)
    connection.close()


def _tiny(values: dict[str, str | int]) -> bytes:
    dataset = Dataset()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    dataset.PhotometricInterpretation, dataset.PixelRepresentation = "MONOCHROME2", 0
    dataset.BitsStored, dataset.HighBit = 8, 7
    dataset.PixelData = bytes(2)
    return _written(dataset)


def _large_series() -> Iterator[bytes]:
    """Instances of a synthetic knee with as many attributes as scanners write."""
    knee = generate(1, "healthy")
    for number in range(SLICES):
        dataset = instance(knee, number % knee.scan.slices)
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "2.25.9999999", "2.25.9999999.1"
        dataset.SOPInstanceUID = f"2.25.9999999.1.{number + 1}"
        dataset.InstanceNumber = number + 1
        block = dataset.private_block(0x0043, "BENCH", create=True)
        for one in range(PRIVATE):
            block.add_new(one, "LO", f"value {one} of {number if one % 4 == 0 else 'all'}")
        yield _written(dataset)


def _written(dataset: Dataset) -> bytes:
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    content = io.BytesIO()
    dataset.save_as(content, enforce_file_format=True)
    return content.getvalue()


def _asking(port: int, prefix: str) -> Ask:
    """Asks over a new connection each time, because servers close idle ones."""

    def ask(path: str) -> tuple[int, bytes]:
        connection = HTTPConnection("127.0.0.1", port, timeout=120)
        try:
            url = prefix + quote(path, safe="/?&=%*-,.")
            connection.request("GET", url, headers={"Accept": "application/dicom+json"})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    return ask


def _post(port: int, file: bytes, connection: HTTPConnection | None = None) -> None:
    own = connection or HTTPConnection("127.0.0.1", port, timeout=60)
    own.request("POST", "/instances", file)
    response = own.getresponse()
    response.read()
    if response.status != 200:
        raise SystemExit(f"Orthanc answered {response.status} to an instance")


@contextmanager
def _orthanc(folder: Path) -> Iterator[int]:
    """An Orthanc with its DICOMweb plugin on free ports. Gives the port of HTTP."""
    folder.mkdir()
    http, dicom = _free_port(), _free_port()
    configuration = {
        "Name": "BENCH",
        "HttpPort": http,
        "DicomPort": dicom,
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "RemoteAccessAllowed": False,
        "Plugins": ["/usr/share/orthanc/plugins/libOrthancDicomWeb.so"],
        "DicomWeb": {"Enable": True},
    }
    (folder / "orthanc.json").write_text(json.dumps(configuration))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(["Orthanc", "orthanc.json"], cwd=folder, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + START_S
        while not _listens(http):
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit("Orthanc doesn't start")
            time.sleep(0.1)
        yield http
    finally:
        process.terminate()
        process.wait(START_S)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


if __name__ == "__main__":
    main()
