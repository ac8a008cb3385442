"""Checks the chain of the audit trail."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol, Self

from app.audit.trail import FOLDER, HEAD, START, archived, before, continues, digest, files, locked, read_head


class Remembered(Protocol):
    """A line that is known from elsewhere (app/audit/anchors.py)."""

    @property
    def digest(self) -> str:
        """sha256 of the line."""

    @property
    def lines(self) -> int:
        """How many lines there were up to it."""

    @property
    def when(self) -> str:
        """When it was remembered."""


@dataclass(frozen=True)
class Verdict:
    """What a check found.

    Attributes:
        lines: The number of lines.
        last: sha256 of the last line. Who notes it elsewhere can tell later whether the trail up to here is the same.
        faults: Where the chain breaks, one sentence for each place.
    """

    lines: int
    last: str
    faults: tuple[str, ...]


class Line(NamedTuple):
    """A line of the trail.

    Attributes:
        file: Name of its file.
        number: Its number in the file, or in what was read of it, from 1.
        line: Its bytes, without the end of the line.
        end: Where it ends in the file, in bytes.
    """

    file: str
    number: int
    line: bytes
    end: int

    @property
    def before(self) -> str | None:
        """See `app.audit.trail.before`."""
        return before(self.line)


class Snapshot(NamedTuple):
    """The trail at one moment. Lines that are written later are left out.

    Attributes:
        head: sha256 of the last line, as the file `head` says.
        sizes: Bytes of each file, the oldest first.
    """

    head: str
    sizes: dict[Path, int]

    @classmethod
    def of(cls, folder: Path) -> Self:
        """The present trail. Raises FileNotFoundError if there is no file `head`."""
        with locked(folder, writing=False) as descriptor:
            return cls(read_head(descriptor)[0], {path: path.stat().st_size for path in files(folder)})


def verify(data: Path, remembered: Sequence[Remembered] = (), archives: Sequence[Path] = (), upto: str = "") -> Verdict:
    """Read the whole trail in a data folder. Lines that are written meanwhile are left out.

    Args:
        data: The data folder.
        remembered: Lines that must be there.
        archives: Folders with files that were moved out of it (app/audit/archive.py).
        upto: Name of the last file to read; empty for all. The end of the trail isn't checked then.
    """
    try:
        now = Snapshot.of(data / FOLDER)
    except FileNotFoundError:
        gone = (f"There is no file {FOLDER}/{HEAD} in the data folder.", *_missing(remembered, set()))
        return Verdict(0, START, gone)
    faults, count, last, expected = [], 0, b"", START
    missed, begun, vouched = {one.digest for one in remembered}, START, {START}
    moved = {path: path.stat().st_size for folder in archives for path in files(folder)}
    sizes = {path.name: (path, size) for path, size in (moved | now.sizes).items() if not upto or path.name <= upto}
    for found in lines_from(dict(sizes[name] for name in sorted(sizes))):
        place = f"{found.file}, line {found.number}"
        if (named := found.before) is None:
            faults.append(f"{place} isn't a line of the audit: it was changed, or cut short by a power failure.")
        elif count == 0:
            begun = named
        elif named != expected:
            faults.append(f"{place} doesn't follow the line before it: that one was changed or removed.")
        count, last, expected = count + 1, found.line, digest(found.line)
        missed.discard(expected)
        vouched |= archived(found.line)
    if begun not in vouched:
        faults.insert(0, f"{min(sizes)}, line 1 doesn't follow the line before it: that one was changed or removed.")
    if upto:
        return Verdict(count, expected, tuple(faults))
    if not (continues(last, now.head) if count else now.head == START):
        faults.append(f"The last lines are missing or were changed: the file {HEAD} names another last line.")
    faults += _missing(remembered, {one.digest for one in remembered} - missed)
    return Verdict(count, expected, tuple(faults))


def lines_from(sizes: dict[Path, int], file: str = "", start: int = 0) -> Iterator[Line]:
    """The lines of files, the oldest first.

    Args:
        sizes: Bytes of each file that are read.
        file: Name of the first file that is read.
        start: Where reading begins in it, in bytes.
    """
    for path, size in sizes.items():
        if path.name < file:
            continue
        with path.open("rb") as stream:
            stream.seek(start if path.name == file else 0)
            for number, line in enumerate(stream, start=1):
                if stream.tell() > size:
                    break
                yield Line(path.name, number, line.removesuffix(b"\n"), stream.tell())


def _missing(remembered: Sequence[Remembered], found: set[str]) -> list[str]:
    return [
        f"Lines are missing or were changed: on {one.when}, the database has seen {one.lines} lines, and the last of "
        "them is gone."
        for one in remembered
        if one.digest not in found
    ]
