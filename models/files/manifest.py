"""The files of a folder that is loaded only if they are all as its manifest says.

Bundles of classifiers and of segmenters both are such folders.
"""

import hashlib
import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

MANIFEST = "manifest.json"
# The folder of a bundle's localiser.
LOCALISER = "localiser"


class BundleError(ValueError):
    """A folder can't be used as a bundle; the message gives the reason in one sentence."""


def check_free(folder: Path, replace: bool = False) -> None:
    """Check that a bundle may be written to a folder.

    Files that the manifest of a bundle doesn't name belong to the user: they are never deleted.

    Args:
        folder: The folder; it needn't exist.
        replace: Whether a bundle in the folder may be replaced.

    Raises:
        BundleError: If the folder holds other files, or a bundle that may not be replaced.
    """
    if not folder.exists():
        return
    if not folder.is_dir() or folder.is_mount():
        raise BundleError(f"{folder} isn't a folder that can be replaced; name another one")
    if not any(folder.iterdir()):
        return
    try:
        known = {MANIFEST, *(name.partition("/")[0] for name in read_json(folder / MANIFEST)["files"])}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise BundleError(f"{folder} holds other files, but no bundle; name another folder, or empty it") from None
    if others := sorted(path.name for path in folder.iterdir() if path.name not in known):
        raise BundleError(f"{folder} holds files that aren't the bundle's ({', '.join(others)}); move them first")
    if not replace:
        raise BundleError(f"{folder} holds a bundle already; name another folder, or replace it with --force")


def read_manifest(folder: Path, schemas: Collection[int]) -> dict[str, Any]:
    """The manifest of a bundle whose files are all as it says.

    Args:
        folder: The bundle's folder.
        schemas: The schemas that the caller reads.

    Raises:
        BundleError: There is no manifest, it has another schema, or a file isn't the one that it describes.
    """
    try:
        manifest: dict[str, Any] = read_json(folder / MANIFEST)
        schema = manifest["schema"]
        changed = [name for name, digest in manifest["files"].items() if not is_file(folder, name, digest)]
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise BundleError(f"{folder.name}: no readable manifest.json ({error!r})") from error
    if schema not in schemas:
        read = " and ".join(map(str, schemas))
        raise BundleError(f"{folder.name}: schema {schema}, but this version reads {read}")
    if changed:
        raise BundleError(f"{folder.name}: not the files that the manifest describes: {', '.join(changed)}")
    return manifest


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
