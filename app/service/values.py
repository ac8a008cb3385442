"""The values of settings, read from the texts of environment variables.

Each function raises ValueError for a text that it can't use; the message follows the name of the variable. Values that
aren't texts are passed on.
"""

import os
import re
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from app.associations import address
from app.associations.address import Address, is_dicom
from app.ohif.ready_bundle import NotReady, ReadyBundle
from app.results import STANDARD, CodesError
from app.routing.rules import Rules, RulesError

# Scheme, host and port, as a browser sends them (RFC 6454 7).
ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]+)?")
# The database keeps a target's address in a column of this size.
TARGET_LENGTH = 255


def parts(text: str) -> tuple[str, ...]:
    """Comma-separated parts, without empty ones."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def listed(text: object) -> object:
    """The same for a value of any kind."""
    return parts(text) if isinstance(text, str) else text


def bundles(text: object) -> object:
    """Folders of bundles, separated like PATH, each of another name."""
    if not isinstance(text, str):
        return text
    folders = tuple(Path(part) for part in text.split(os.pathsep) if part)
    names = [folder.name for folder in folders]
    if not names or len(set(names)) < len(names):
        raise ValueError("must name at least one folder, and no two folders of the same name.")
    for folder in folders:
        if not (folder / "manifest.json").is_file():
            raise ValueError(f": {folder} isn't a bundle, it has no manifest.json.")
    return folders


def data(text: object) -> object:
    """A folder; `var` by default."""
    return text or Path("var")


def viewers(text: object) -> object:
    """Comma-separated origins of web pages."""
    if isinstance(text, str) and not all(map(ORIGIN.fullmatch, parts(text))):
        raise ValueError("must list origins like https://viewer.example:3000, without a path.")
    return listed(text)


def ohif(folder: object) -> object:
    """OHIF's ready bundle in a folder; None without a folder."""
    try:
        return (ReadyBundle(Path(folder)) if folder else None) if isinstance(folder, str) else folder
    except NotReady as error:
        raise ValueError(f": {error}") from None


def targets(text: object) -> object:
    """Addresses; never quoted, because they may hold passwords."""
    addresses = listed(text)
    if isinstance(addresses, tuple) and not all(map(_is_target, addresses)):
        raise ValueError(
            "must list addresses like https://user:password@pacs:8042/dicom-web, or "
            f"{address.EXAMPLE} (dicoms: with TLS)."
        )
    return addresses


def _is_target(url: str) -> bool:
    try:
        if is_dicom(url):
            return len(str(Address.parse(url))) <= TARGET_LENGTH
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # no port, no IPv6 address, or no AE title
        return False
    return bool(usable) and len(url) <= TARGET_LENGTH


def destinations(text: object) -> object:
    """Addresses of DICOM systems, each with another title: a peer names one by its title only."""
    if not isinstance(text, str):
        return text
    try:
        found = tuple(Address.parse(one) for one in parts(text))
    except ValueError:
        raise ValueError(f"must list addresses like {address.EXAMPLE} (dicoms: with TLS).") from None
    if len({one.title for one in found}) < len(found):
        raise ValueError("must not name an AE title twice.")
    return found


def rules(path: object) -> object:
    """Rules from a file; none without a file."""
    try:
        return (Rules.read(Path(path)) if path else Rules()) if isinstance(path, str) else path
    except RulesError as error:
        raise ValueError(f": {error}") from None


def codes(path: object) -> object:
    """A site's own codes from a file, over the standard ones."""
    try:
        return (STANDARD.overridden(Path(path)) if path else STANDARD) if isinstance(path, str) else path
    except CodesError as error:
        raise ValueError(f": {error}") from None


def time_zone(name: object) -> object:
    """A time zone by its name."""
    try:
        return ZoneInfo(name or "UTC") if isinstance(name, str) else name
    except (ValueError, OSError, ZoneInfoNotFoundError):
        raise ValueError("must be the name of a time zone, such as Asia/Tokyo.") from None


def database(url: str) -> str:
    """The URL, after its driver has been imported. It is never quoted, because it may hold a password."""
    try:
        if url:
            make_url(url).get_dialect().import_dbapi()
    except (ArgumentError, ImportError) as error:
        raise ValueError(f"isn't a URL, or its driver is missing ({type(error).__name__}).") from None
    return url


def peers(text: object) -> object:
    """Comma-separated pairs of AE title and address."""
    if not isinstance(text, str):
        return text
    pairs = frozenset((title, address) for title, _, address in (entry.rpartition("@") for entry in parts(text)))
    if not pairs or not all(title and address for title, address in pairs):
        raise ValueError("must list who may send, as TITLE@ADDRESS,TITLE@ADDRESS.")
    return pairs


def ae_title(title: str) -> str:
    """An AE title."""
    return address.ae_title(title)


def ae_titles(text: object) -> object:
    """Comma-separated AE titles."""
    return frozenset(map(address.ae_title, parts(text))) if isinstance(text, str) else text


def optional_file(path: object) -> object:
    """A file that can be read; None if it isn't named."""
    if not isinstance(path, str):
        return path
    if not path:
        return None
    try:
        with Path(path).open("rb"):
            return Path(path)
    except OSError as error:
        raise ValueError(f": {path} can't be read ({error.strerror}).") from None
