"""Checks the chain of the audit trail."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from app.audit.trail import FOLDER, HEAD, START, before, continues, digest, files, locked, read_head


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


def verify(data: Path) -> Verdict:
    """Read the whole trail in a data folder. Lines that are written meanwhile are left out."""
    folder = data / FOLDER
    try:
        with locked(folder, writing=False) as descriptor:
            (head, _), sizes = read_head(descriptor), {path: path.stat().st_size for path in files(folder)}
    except FileNotFoundError:
        return Verdict(0, START, (f"There is no file {FOLDER}/{HEAD} in the data folder.",))
    faults, count, last, expected = [], 0, b"", START
    for place, line in _lines(sizes):
        if (named := before(line)) is None:
            faults.append(f"{place} isn't a line of the audit: it was changed, or cut short by a power failure.")
        elif named != expected:
            faults.append(f"{place} doesn't follow the line before it: that one was changed or removed.")
        count, last, expected = count + 1, line, digest(line)
    if not (continues(last, head) if count else head == START):
        faults.append(f"The last lines are missing or were changed: the file {HEAD} names another last line.")
    return Verdict(count, expected, tuple(faults))


def _lines(sizes: dict[Path, int]) -> Iterator[tuple[str, bytes]]:
    for path, size in sizes.items():
        with path.open("rb") as stream:
            for number, line in enumerate(stream, start=1):
                if stream.tell() > size:
                    break
                yield f"{path.name}, line {number}", line.removesuffix(b"\n")
