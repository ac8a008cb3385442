"""Writes the audit trail: one file of JSON lines for each day (UTC), in `audit/` in the data folder.

Every line holds the sha256 of the line before it, also across files. The file `head` holds the sha256 of the last line
and the name of its file. A line that was changed, removed or inserted breaks this chain. The chain has no secret key:
it shows damage and careless edits. Whoever can write to the folder can write a new chain, so keep a copy elsewhere.

Lines hold no patient data: no name, number, UID or text that a client sent. A study's UID is written as its sha256.
"""

import fcntl
import getpass
import hashlib
import json
import logging
import os
import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from errno import ENOSPC
from pathlib import Path
from typing import TypedDict

from app.contract.json_text import Json, dumps

LOG = logging.getLogger(__name__)
FOLDER, HEAD = "audit", "head"
FILE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\.jsonl")
# What the first line holds instead of the sha256 of a line before it.
START = "0" * 64
# What is written down when old files are moved to another folder (app/audit/archive.py).
ARCHIVED = "audit archived"
# Bytes. No line is longer: every field is short.
LONGEST = 4096

# Lines that couldn't be written, by folder; the next line that can be written tells their number.
_lost: Counter[Path] = Counter()
_counting = threading.Lock()


class Who(TypedDict, total=False):
    """Who did something: key, user, peer and address of `record`."""

    key: str | None
    user: str | None
    peer: str | None
    address: str | None


def record(
    data: Path,
    what: str,
    outcome: int | str,
    *,
    key: str | None = None,
    user: str | None = None,
    peer: str | None = None,
    address: str | None = None,
    prediction: str | None = None,
    study: str | None = None,
    bundle: str | None = None,
    sha256: str | None = None,
    subject: str | None = None,
    reason: str | None = None,
    size: int | None = None,
    preambles: int | None = None,
) -> None:
    """Add a line. Several threads and processes may do so at one time.

    The line is with the operating system when this returns, but perhaps not yet on the disk: it outlives the process,
    not a power failure. If the line can't be written (a full disk), the log says so, nothing is raised, and the next
    line that can be written holds the number of lines lost.

    Args:
        data: The data folder.
        what: The act: `POST /v1/predictions`, `key created`.
        outcome: Its result: an HTTP status, or a word.
        key: Name of the API key.
        user: Name of the person, if it is known.
        peer: AE title of a DICOM system, as the operator's list of peers has it.
        address: Address of the client.
        prediction: Id of a prediction.
        study: StudyInstanceUID. Only its sha256 is written.
        bundle: Name of the bundle that predicted.
        sha256: The bundle's digest.
        subject: What the act was about, if it is none of these, such as the name of a new key.
        reason: Why something was deleted that nobody asked to delete.
        size: How many bytes it had; `bytes` in the line.
        preambles: How many files had a preamble that isn't blank. It may begin a program, and isn't kept.
    """
    line: Json = {"when": datetime.now(UTC).isoformat(timespec="milliseconds"), "what": what, "outcome": outcome}
    optional: Json = {
        "key": key,
        "user": user,
        "peer": peer,
        "address": address,
        "prediction": prediction,
        "study": study and hashlib.sha256(study.encode()).hexdigest(),
        "bundle": bundle,
        "sha256": sha256,
        "subject": subject,
        "reason": reason,
        "bytes": size,
        "preambles": preambles,
    }
    line |= {name: value for name, value in optional.items() if value is not None}
    with _counting:
        lost = _lost.pop(data, 0)
    try:
        _append(data / FOLDER, line | ({"lost": lost} if lost else {}))
    except OSError as error:
        with _counting:
            _lost[data] += lost + 1
        LOG.error("a line of the audit couldn't be written: %s", error.strerror or type(error).__name__)


def account() -> str | None:
    """The account of the operating system that runs this process, if it has a name: who gave a command."""
    try:
        return getpass.getuser()[:64]
    except (KeyError, OSError):
        return None


def files(folder: Path) -> list[Path]:
    """The files of lines, the oldest first."""
    return sorted(folder.glob("*.jsonl"))


def tells(data: Path, what: str) -> bool | None:
    """Whether a line tells of such an act; None if that isn't known: there is no trail, or a part of it is elsewhere.

    Damaged lines are passed over.
    """
    found = files(data / FOLDER)
    named, archived, is_whole = dumps(what).encode(), dumps(ARCHIVED).encode(), bool(found)
    for path in found:
        with path.open("rb") as stream:
            for line in stream:
                if named in line:
                    return True
                is_whole = is_whole and archived not in line
    return False if is_whole else None


@contextmanager
def locked(folder: Path, writing: bool) -> Iterator[int]:
    """A descriptor of the file `head`, locked. Raises FileNotFoundError if it is missing; a writer makes it."""
    if writing:
        for each in (folder.parent, folder):
            each.mkdir(parents=True, exist_ok=True, mode=0o700)
    head = os.open(folder / HEAD, os.O_RDWR | os.O_CREAT if writing else os.O_RDONLY, 0o600)
    try:
        fcntl.flock(head, fcntl.LOCK_EX if writing else fcntl.LOCK_SH)
        yield head
    finally:
        os.close(head)


def read_head(head: int) -> tuple[str, str]:
    """The sha256 of the last line, and the name of its file; `START` and an empty name if there is no line."""
    named, _, name = os.pread(head, LONGEST, 0).decode("ascii", "replace").partition(" ")
    return named or START, name if FILE.fullmatch(name) else ""


def digest(line: bytes) -> str:
    """The sha256 of a line without its end."""
    return hashlib.sha256(line).hexdigest()


def before(line: bytes) -> str | None:
    """The sha256 that a line holds of the line before it; None if the line isn't one of ours."""
    try:
        content = json.loads(line)
    except ValueError:
        return None
    return str(content["before"]) if isinstance(content, dict) and "before" in content else None


def archived(line: bytes) -> set[str]:
    """The sha256 of the last line that was moved elsewhere, if this line tells of that."""
    if dumps(ARCHIVED).encode() not in line or before(line) is None:
        return set()
    content = json.loads(line)
    return {str(content.get("sha256"))} if content.get("what") == ARCHIVED else set()


def continues(last: bytes, head: str) -> bool:
    """Whether `last` is the trail's last line: `head` names it, or the process ended before it had changed `head`."""
    return digest(last) == head or before(last) == head


def _append(folder: Path, line: Json) -> None:
    with locked(folder, writing=True) as head:
        named, name = read_head(head)
        # If the clock was set back, the latest file is used on: the names of files keep their order.
        path = folder / max(name, f"{line['when'][:10]}.jsonl")
        last = _last_line(path if path.exists() else folder / name)
        if named == START and not last:
            LOG.warning("a new audit trail begins: there was none in the data folder")
        # After a cut, `head` names a line that is gone. The new line follows it, so that the cut stays visible.
        line["before"] = digest(last) if continues(last, named) else named
        written = dumps(line).encode()
        _write(path, written)
        os.pwrite(head, f"{digest(written)} {path.name}".encode(), 0)


def _last_line(path: Path) -> bytes:
    """The last line; empty if there is none."""
    if not path.is_file():
        return b""
    with path.open("rb") as stream:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, size - LONGEST))
        return stream.read().removesuffix(b"\n").rpartition(b"\n")[2]


def _write(path: Path, line: bytes) -> None:
    """Append a line, or nothing. Raises OSError if the disk is full."""
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        size = os.fstat(descriptor).st_size
        # The rest of a line, after a power failure, stays a line of its own.
        ended = size == 0 or os.pread(descriptor, 1, size - 1) == b"\n"
        whole = (b"" if ended else b"\n") + line + b"\n"
        try:
            if os.write(descriptor, whole) < len(whole):
                raise OSError(ENOSPC, "only a part was written")
        except OSError:
            os.ftruncate(descriptor, size)
            raise
    finally:
        os.close(descriptor)
