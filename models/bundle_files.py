"""The files of a bundle: JSON, and the digests by which a changed file is found."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from models.colour_scale import ColourScale
from models.operating_point import OperatingPoint

MANIFEST = "manifest.json"
# Measured on validation exams. A bundle of an earlier version, or one with few such exams, doesn't have these files.
COLOUR_SCALE, OPERATING_POINT = "colour_scale.json", "operating_point.json"
# The folder of a bundle's localiser.
LOCALISER = "localiser"


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of each file, also in the localiser's folder, except the manifest."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / MANIFEST)
    return {path.relative_to(folder).as_posix(): sha256(path) for path in files}


def is_file(folder: Path, name: str, digest: str) -> bool:
    """Whether `name` is a plain file with this digest, in the folder or in its localiser's folder."""
    path = folder / name
    inside = name in (path.name, f"{LOCALISER}/{path.name}") and path.name not in ("", "..")
    return inside and path.is_file() and sha256(path) == digest


def sha256(path: Path) -> str:
    """The digest of a file, hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def read_json(path: Path) -> Any:
    """The content of a file. Raises OSError or ValueError if it can't be read."""
    return json.loads(path.read_text(encoding="utf-8"))


def write_json(path: Path, content: Any) -> None:
    """Write a file that people can read, too. Raises ValueError for a number that JSON can't hold."""
    path.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def write_measured(folder: Path, colour_scale: ColourScale | None, operating_point: OperatingPoint | None) -> None:
    """Write what was measured on validation exams. A file that is there already is replaced, or deleted for None."""
    for name, measured in ((COLOUR_SCALE, colour_scale), (OPERATING_POINT, operating_point)):
        if measured:
            write_json(folder / name, asdict(measured))
        else:
            (folder / name).unlink(missing_ok=True)
