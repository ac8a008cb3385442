"""What doesn't fit between the database and the data folder, and its repair.

A repair deletes no file, except what ended processes left unfinished, and metadata, which are made again.
"""

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import delete, select, update

from app.contract.json_text import Json, dumps_of_headers
from app.contract.problems import log_unexpected
from app.store.adoption import adopt
from app.store.database import Database, Instance, Prediction, Study, batched
from app.store.disk.instance_folder import InstanceFolder, blank_preamble, digest_of, files_in
from app.store.disk.metadata_file import is_useful, metadata_in
from app.store.disk.shared_folder import LOCK, SharedFolder, leftovers, locked
from app.store.files.instance_file import Memo, Refusal, read_header
from app.store.index import summaries
from app.store.index.renewal import drop_orphans, renew, renew_wholly, wrong
from app.store.opening import INSTANCES, PREDICTIONS
from app.store.predictions import unlisted
from app.store.queue import ARRIVING, DONE, QUEUED
from app.store.record import is_whole
from data_prep.dicom.archive import PREAMBLE


class Kind(StrEnum):
    """The kinds of findings, as they are printed."""

    UNLISTED = "files without a row"
    LOST = "rows without a file"
    DAMAGED = "files whose content isn't what their name or their row says"
    PREAMBLE = "files with a preamble that isn't blank"
    UNKNOWN = "folders of predictions without a row"
    INCOMPLETE = "predictions without their pixels or maps"
    LEFTOVER = "leftovers of processes that ended"
    ATTRIBUTES = "rows with other attributes than their file"
    METADATA = "metadata that are damaged, or whose file is gone"
    SEARCHED = "studies that searches don't find as they are"
    SUMMARIES = "predictions that the worklist doesn't show as they are"


# The paths of each kind, sorted. The path of a lost file is where it should be.
Findings = dict[Kind, list[Path]]


class Repaired(NamedTuple):
    """What was done.

    Attributes:
        listed: Files that have a row now.
        aside: Files, and folders of predictions, that were set aside.
    """

    listed: int
    aside: int


def check(database: Database, folder: Path) -> Findings:
    """Look at every row, and read every file of an instance. A service may be running meanwhile.

    Args:
        database: The database.
        folder: The data folder.
    """
    instances, predictions = (_shared(folder / name) for name in (INSTANCES, PREDICTIONS))
    with locked(instances):
        rows = _sizes(database, instances)
        files = set(files_in(instances))
        left = leftovers(instances)
        searched = _searched(database, instances)
    with locked(predictions):
        unknown, incomplete = unlisted(predictions, database), _incomplete(database, predictions)
        left += leftovers(predictions)
        summarised = _summarised(database, predictions)
    found: Findings = {
        Kind.UNLISTED: list(files - rows.keys()),
        Kind.LOST: list(rows.keys() - files),
        Kind.DAMAGED: [],
        Kind.PREAMBLE: [],
        Kind.UNKNOWN: unknown,
        Kind.INCOMPLETE: incomplete,
        Kind.LEFTOVER: [file for one in left for file in _files_of(one)],
        Kind.METADATA: [path for path in metadata_in(instances) if path.exists() and not is_useful(path)],
        Kind.SEARCHED: searched,
        Kind.SUMMARIES: summarised,
    }
    for path in files & rows.keys():
        if (kind := _fault(path, rows[path])) is not None:
            found[kind].append(path)
    found[Kind.ATTRIBUTES] = list(_outdated(database, instances, rows.keys() & files - {*found[Kind.DAMAGED]}))
    return {kind: sorted(paths) for kind, paths in found.items()}


def repair(database: Database, folder: Path, found: Findings) -> Repaired:
    """Repair what was found. A service may be running meanwhile, so each finding is looked at again.

    A file that the disk doesn't let us change stays as it is. Another check finds it again. A prediction without its
    arrays, on a study that the service holds, is computed again when the service runs.

    Args:
        database: The database.
        folder: The data folder.
        found: The findings of `check`.
    """
    instances, predictions = InstanceFolder(folder / INSTANCES), SharedFolder(folder / PREDICTIONS)
    with instances.alone():
        rows = _sizes(database, instances.path)
        damaged = [path for path in found[Kind.DAMAGED] if path in rows and _fault(path, rows[path]) is Kind.DAMAGED]
        aside = instances.set_files_aside(damaged) if damaged else 0
        for path in filter(Path.exists, found[Kind.PREAMBLE]):
            _blank(path)
        adopted = adopt(database, instances, filter(Path.exists, found[Kind.UNLISTED]))
        for path in {*found[Kind.LOST], *damaged}:
            if not path.exists():
                _forget_result(database, path)
        for path in found[Kind.METADATA]:
            if not is_useful(path):
                path.unlink(missing_ok=True)
        _renew(database, found[Kind.ATTRIBUTES], _searched(database, instances.path))
    with predictions.alone():
        if unknown := unlisted(predictions.path, database):
            aside += predictions.set_aside(unknown)
        _summarise(database, found[Kind.SUMMARIES])
    for path in found[Kind.INCOMPLETE]:
        _announce(database, path.name)
    return Repaired(adopted.listed, aside + adopted.aside)


def _shared(path: Path) -> Path:
    """A folder of the store, which is made if it doesn't exist."""
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    return path


def _sizes(database: Database, folder: Path) -> dict[Path, int]:
    """The size that each listed file should have, in bytes."""
    with database.read() as session:
        rows = session.execute(select(Instance.study_uid, Instance.digest, Instance.size))
        return {folder / study_uid / digest: size for study_uid, digest, size in rows}


def _searched(database: Database, folder: Path) -> list[Path]:
    """The folders of studies whose entries for searches aren't those of their rows."""
    with database.read() as session:
        return [folder / uid for uid in wrong(session)]


def _summarised(database: Database, folder: Path) -> list[Path]:
    """The folders of predictions whose summary isn't that of their row, and of summaries without a row."""
    with database.read() as session:
        return [folder / id_ for id_ in summaries.wrong(session)]


def _summarise(database: Database, folders: Sequence[Path]) -> None:
    """Make these summaries anew, unless the prediction is arriving meanwhile."""
    for path in folders:
        with database.alone() as session:
            arriving = select(Prediction.id).where(Prediction.id == path.name, Prediction.status == ARRIVING)
            if session.scalar(arriving) is None:
                summaries.summarise(session, path.name)


def _outdated(database: Database, folder: Path, whole: set[Path]) -> Iterator[Path]:
    """The files of which the rows don't have all attributes that this version keeps, or have others."""
    memo: Memo = {}
    places = select(Instance.study_uid, Instance.digest, Instance.attributes)
    with database.read() as session:
        uids = session.scalars(select(Instance.sop_uid).order_by(Instance.sop_uid)).all()
    for batch in batched(uids):
        with database.read() as session:
            rows = session.execute(places.where(Instance.sop_uid.in_(batch))).all()
        for study_uid, digest, attributes in rows:
            path = folder / study_uid / digest
            if path in whole and _attributes(path, memo) not in (None, attributes):
                yield path


def _attributes(path: Path, memo: Memo) -> Json | None:
    """What is kept of a file, as the database gives it back; None if the file can't be read."""
    try:
        with path.open("rb") as stream:
            kept: Json = json.loads(dumps_of_headers(read_header(stream, memo).attributes(memo)))
            return kept
    except (OSError, Refusal):
        return None


def _renew(database: Database, outdated: Sequence[Path], searched: Iterable[Path]) -> None:
    """Write the attributes of files into their rows, and make anew what searches read of these and other studies."""
    memo: Memo = {}
    for path in outdated:
        if (attributes := _attributes(path, memo)) is not None:
            where = Instance.study_uid == path.parent.name, Instance.digest == path.name
            with database.write() as session:
                session.execute(update(Instance).where(*where).values(attributes=attributes))
    with database.write() as session:
        drop_orphans(session)
    for study_uid in {*(path.parent.name for path in outdated), *(path.name for path in searched)}:
        with database.write() as session:
            renew_wholly(session, study_uid)


def _incomplete(database: Database, folder: Path) -> list[Path]:
    """Predictions whose arrays are missing or damaged. Those that are arriving or have failed need none.

    Arrays that have expired aren't missing.
    """
    maps = Prediction.footprint.is_not(None) & ~Prediction.maps_expired
    wanted = select(Prediction.id, ~Prediction.pixels_expired, maps).where(Prediction.status.in_((QUEUED, DONE)))
    with database.read() as session:
        rows = session.execute(wanted).all()
    return [folder / id_ for id_, has_pixels, has_maps in rows if not is_whole(folder / id_, has_pixels, has_maps)]


def _fault(path: Path, size: int) -> Kind | None:
    """What is wrong with a listed file; `size` is in bytes."""
    try:
        with path.open("rb") as stream:
            start = read_header(stream).start
            if stream.seek(0, 2) != size or digest_of(stream, start) != path.name:
                return Kind.DAMAGED
            stream.seek(0)
            return Kind.PREAMBLE if any(stream.read(PREAMBLE)) else None
    except FileNotFoundError:  # deleted meanwhile
        return None
    except (OSError, Refusal):
        return Kind.DAMAGED


def _files_of(leftover: Path) -> Iterator[Path]:
    """The files of a leftover, without its lock."""
    if leftover.is_dir():
        yield from (path for path in leftover.rglob("*") if not path.is_dir() and path.name != LOCK)
    else:
        yield leftover


def _blank(path: Path) -> None:
    try:
        blank_preamble(path)
    except OSError as error:
        log_unexpected(error)


def _forget_result(database: Database, path: Path) -> None:
    """Delete the row of a lost file if it is a result of this service, which then makes it again."""
    study_uid, digest = path.parts[-2:]
    result = delete(Instance).where(Instance.study_uid == study_uid, Instance.digest == digest, Instance.ours)
    with database.write() as session:
        if session.scalar(result.returning(Instance.sop_uid)) is not None:
            renew(session, study_uid)
            session.execute(update(Prediction).where(Prediction.study_uid == study_uid).values(published=False))


def _announce(database: Database, prediction: str) -> None:
    """Let the service predict again on a prediction's study, if it holds this study."""
    study = select(Prediction.study_uid).where(Prediction.id == prediction).scalar_subquery()
    with database.write() as session:
        session.execute(update(Study).where(Study.uid == study).values(state="receiving", received=time.time()))
