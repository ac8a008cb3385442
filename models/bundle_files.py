"""What bundles of classifiers and of segmenters share: their files, and how it is found out that one was changed.

JSON files, the digests of all files in the manifest, the versions that made them, and the golden volume.
"""

import hashlib
import importlib.metadata
import json
import platform
import sys
from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from data_prep.volume import Volume
from models.colour_scale import ColourScale
from models.operating_point import OperatingPoint

MANIFEST = "manifest.json"
# The exact answer for the golden volume, which is computed again when a bundle is loaded.
GOLDEN = "golden.json"
# On another processor, the same float32 network differs only by rounding; a wrong weight or recipe differs much more.
GOLDEN_TOLERANCE = 1e-3
RECORDED_PACKAGES = ("keras", "numpy", "scipy", "opencv-python-headless", "pydicom")
# Measured on validation exams. A bundle of an earlier version, or one with few such exams, doesn't have these files.
COLOUR_SCALE, OPERATING_POINT = "colour_scale.json", "operating_point.json"
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


def check_golden(folder: Path, name: str, answer: npt.ArrayLike) -> None:
    """Raise BundleError if a bundle's answer for the golden volume isn't the one of this name in its file."""
    golden, answered = np.array(read_json(folder / GOLDEN)[name]), np.array(answer)
    same = golden.shape == answered.shape
    if not same or not np.allclose(answered, golden, rtol=GOLDEN_TOLERANCE, atol=GOLDEN_TOLERANCE):
        raise BundleError(f"{folder.name}: the golden volume gives {answered.tolist()}, not {golden.tolist()}")


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


def golden_volume() -> Volume:
    """A small volume of crossing waves that never changes.

    It doesn't show a knee, but it goes through every step from the recipe to the logits.
    """
    depth, row, column = np.meshgrid(np.arange(16), np.arange(160), np.arange(144), indexing="ij")
    waves = np.sin(depth / 2) + np.cos(row / 9) * np.sin(column / 7 + depth) + np.sin((row + column) / 23)
    return Volume(
        voxels=(500 + 200 * waves).astype(np.float32),
        spacing_mm=(3.5, 0.7, 0.75),
        directions=np.array([[0.0, 1.0, 0.0], [0.0, 0.0, -1.0]]),
        positions_mm=np.stack([-3.5 * np.arange(16), np.zeros(16), np.zeros(16)], axis=1),
        sop_uids=tuple(f"2.25.{index}" for index in range(16)),
        study_uid="2.25",
        series_uid="2.25",
    )


def versions() -> dict[str, str]:
    """Versions of Python, of Keras' backend (a module of that name), and of packages."""
    backend = keras.backend.backend()
    packages = {package: importlib.metadata.version(package) for package in RECORDED_PACKAGES}
    return {"python": platform.python_version(), backend: sys.modules[backend].__version__, **packages}
