"""What the operator decides, from environment variables and nowhere else."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self, cast, get_args
from urllib.parse import urlsplit

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from app.results import STANDARD, Codes, CodesError, MapValues

# Scheme, host and port, as a browser sends them (RFC 6454 7).
ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]+)?")


class SettingsError(ValueError):
    """A variable that makes no sense, with the reason in one sentence."""


@dataclass(frozen=True)
class Settings:
    """Each field is the variable CRUCIATE_<FIELD>.

    bundles: folders of the bundles to serve (separated like PATH); the first one answers when a client names none.
    data: folder of studies and results. It holds data of patients: keep it as you keep images.
    database: URL of the database (SQLAlchemy's form); a file in `data` without one.
    api_keys: comma-separated; with none, only this machine may be served.
    max_body_mb: largest request body in megabytes.
    queue: studies that may wait or be computed at one time.
    wait_s: how long a POST waits for its answer before it becomes a 202.
    targets: DICOMweb addresses, comma-separated, that every result is sent to; user and password may stand in them.
    map_values: how the map that lies beside a study and is sent to targets is stored, uint16 or float32.
    codes: file of a site's own codes in DICOM results (docs/results.md).
    viewers: origins (https://host:port), comma-separated, whose pages a browser may let read answers.
    quiet_s: a study that comes instance by instance is judged when nothing more of it has come for so long.
    """

    bundles: tuple[Path, ...] = (Path("models/bundles/demo"),)
    data: Path = Path("var")
    database: str = field(default="", repr=False)
    api_keys: tuple[str, ...] = field(default=(), repr=False)
    max_body_mb: int = 512
    queue: int = 16
    wait_s: float = 60.0
    quiet_s: float = 15.0
    targets: tuple[str, ...] = field(default=(), repr=False)
    viewers: tuple[str, ...] = ()
    map_values: MapValues = "uint16"
    codes: Codes = field(default=STANDARD, repr=False)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read and check every variable; SettingsError names the first one that's wrong."""

        def number(name: str, default: float, low: float, high: float) -> float:
            text = environment.get(name, str(default))
            try:
                value = float(text)
            except ValueError:
                value = float("nan")
            if not low <= value <= high:
                raise SettingsError(f"{name} must be a number from {low:g} to {high:g}, not {text!r}.")
            return value

        bundles = cls.bundles
        if "CRUCIATE_BUNDLES" in environment:
            bundles = tuple(Path(part) for part in environment["CRUCIATE_BUNDLES"].split(os.pathsep) if part)
        names = [folder.name for folder in bundles]
        if not names or len(set(names)) < len(names):
            raise SettingsError("CRUCIATE_BUNDLES must name at least one folder, and no two folders of the same name.")
        for folder in bundles:
            if not (folder / "manifest.json").is_file():
                raise SettingsError(f"CRUCIATE_BUNDLES: {folder} isn't a bundle, it has no manifest.json.")
        keys = environment.get("CRUCIATE_API_KEYS", "")
        if not (keys.isascii() and keys.isprintable()):
            raise SettingsError("CRUCIATE_API_KEYS must be printable ASCII, as HTTP headers are.")
        return cls(
            bundles=bundles,
            data=Path(environment.get("CRUCIATE_DATA") or cls.data),
            database=_database(environment.get("CRUCIATE_DATABASE", "")),
            api_keys=_listed(keys),
            max_body_mb=int(number("CRUCIATE_MAX_BODY_MB", cls.max_body_mb, 1, 4096)),
            queue=int(number("CRUCIATE_QUEUE", cls.queue, 1, 1000)),
            wait_s=number("CRUCIATE_WAIT_S", cls.wait_s, 0, 600),
            targets=_targets(environment.get("CRUCIATE_TARGETS", "")),
            viewers=_viewers(environment.get("CRUCIATE_VIEWERS", "")),
            map_values=_map_values(environment.get("CRUCIATE_MAP_VALUES", cls.map_values)),
            codes=_codes(environment.get("CRUCIATE_CODES", "")),
            quiet_s=number("CRUCIATE_QUIET_S", cls.quiet_s, 0, 86_400),
        )


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _viewers(text: str) -> tuple[str, ...]:
    viewers = _listed(text)
    if not all(ORIGIN.fullmatch(viewer) for viewer in viewers):
        raise SettingsError("CRUCIATE_VIEWERS must list origins like https://viewer.example:3000, without a path.")
    return viewers


def _map_values(text: str) -> MapValues:
    if text not in get_args(MapValues):
        raise SettingsError(f"CRUCIATE_MAP_VALUES must be {' or '.join(get_args(MapValues))}.")
    return cast(MapValues, text)


def _targets(text: str) -> tuple[str, ...]:
    """Addresses, never quoted, because they may hold passwords."""
    targets = _listed(text)
    if not all(urlsplit(target).scheme in ("http", "https") and urlsplit(target).hostname for target in targets):
        raise SettingsError("CRUCIATE_TARGETS must list addresses that begin with http:// or https://.")
    return targets


def _codes(path: str) -> Codes:
    try:
        return STANDARD.overridden(Path(path)) if path else STANDARD
    except CodesError as error:
        raise SettingsError(f"CRUCIATE_CODES: {error}") from None


def _database(url: str) -> str:
    """The URL, once its driver could be imported; it is never quoted, because it may hold a password."""
    try:
        if url:
            make_url(url).get_dialect().import_dbapi()
    except (ArgumentError, ImportError) as error:
        raise SettingsError(f"CRUCIATE_DATABASE is no URL, or lacks its driver ({type(error).__name__}).") from None
    return url
