"""The operator's settings of the service and of the DIMSE listener. They come from environment variables only."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    InstanceOf,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from app.results import STANDARD, Codes, CodesError, MapValues
from app.service.access import Network, header, networks, own_keys
from app.store.keys import Scope

# Scheme, host and port, as a browser sends them (RFC 6454 7).
ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]+)?")
AE_TITLE_LENGTH = 16  # PS3.5 6.2
# The database keeps a target's address in a column of this size.
TARGET_LENGTH = 255


class SettingsError(ValueError):
    """A variable can't be used. The message gives the reason in one sentence."""


class FromEnvironment(BaseModel):
    """Settings. Each field is read from the variable `prefix` + FIELD.

    Messages quote numbers only, because other values may be secret.
    """

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)
    prefix: ClassVar[str]

    @classmethod
    def variable(cls, field: str) -> str:
        """The name of a field's variable."""
        return cls.prefix + field.upper()

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read and check every variable. Raises SettingsError, which names the first variable that is wrong."""
        given = {field: cls.variable(field) for field in cls.model_fields if cls.variable(field) in environment}
        try:
            return cls.model_validate({field: environment[variable] for field, variable in given.items()})
        except ValidationError as error:
            fault = error.errors(include_url=False)[0]
            field = str(fault["loc"][0])
            raise SettingsError(cls.variable(field) + cls._wrong(field, fault)) from None

    @classmethod
    def _wrong(cls, field: str, fault: Any) -> str:
        """What is wrong with a field; this text follows the name of the variable."""
        if "error" in fault.get("ctx", {}) and fault["type"] == "value_error":
            said = str(fault["ctx"]["error"])
            return said if said.startswith(":") else f" {said}"
        bounds = {type(bound).__name__: bound for bound in cls.model_fields[field].metadata}
        if {"Ge", "Le"} <= bounds.keys():
            return f" must be a number from {bounds['Ge'].ge:g} to {bounds['Le'].le:g}, not {fault['input']!r}."
        if fault["type"] == "literal_error":
            return f" must be {fault['ctx']['expected'].replace(chr(39), '')}."
        return " is missing." if fault["type"] == "missing" else f" can't be used: {fault['msg']}."


def _listed(text: object) -> object:
    """Comma-separated parts, without empty ones."""
    return tuple(part.strip() for part in text.split(",") if part.strip()) if isinstance(text, str) else text


def _bundles(text: object) -> object:
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


def _data(text: object) -> object:
    return text or Path("var")


def _viewers(text: object) -> object:
    viewers = _listed(text)
    if isinstance(text, str) and not all(ORIGIN.fullmatch(viewer) for viewer in _listed_texts(viewers)):
        raise ValueError("must list origins like https://viewer.example:3000, without a path.")
    return viewers


def _targets(text: object) -> object:
    """Addresses; never quoted, because they may hold passwords."""
    targets = _listed(text)
    if not all(map(_is_target, _listed_texts(targets))):
        raise ValueError("must list addresses like https://user:password@pacs:8042/dicom-web.")
    return targets


def _is_target(address: str) -> bool:
    try:
        parts = urlsplit(address)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # no port, or no IPv6 address
        return False
    return bool(usable) and len(address) <= TARGET_LENGTH


def _listed_texts(texts: object) -> tuple[str, ...]:
    return texts if isinstance(texts, tuple) else ()


def _codes(path: object) -> object:
    try:
        return (STANDARD.overridden(Path(path)) if path else STANDARD) if isinstance(path, str) else path
    except CodesError as error:
        raise ValueError(f": {error}") from None


def _database(url: str) -> str:
    """The URL, after its driver has been imported. It is never quoted, because it may hold a password."""
    try:
        if url:
            make_url(url).get_dialect().import_dbapi()
    except (ArgumentError, ImportError) as error:
        raise ValueError(f"isn't a URL, or its driver is missing ({type(error).__name__}).") from None
    return url


def _peers(text: object) -> object:
    if not isinstance(text, str):
        return text
    peers = frozenset((title, address) for title, _, address in (entry.rpartition("@") for entry in _split(text)))
    if not peers or not all(title and address for title, address in peers):
        raise ValueError("must list who may send, as TITLE@ADDRESS,TITLE@ADDRESS.")
    return peers


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _ae_title(title: str) -> str:
    if not (title.isascii() and title.isprintable() and 0 < len(title.strip()) <= AE_TITLE_LENGTH):
        raise ValueError("must have 1 to 16 printable ASCII characters.")
    return title.strip()


class Settings(FromEnvironment):
    """Settings of the service. Each field is the variable CRUCIATE_<FIELD>."""

    model_config = ConfigDict(use_attribute_docstrings=True)
    prefix: ClassVar[str] = "CRUCIATE_"

    bundles: Annotated[tuple[Path, ...], BeforeValidator(_bundles)] = (Path("models/bundles/demo"),)
    """Folders of the bundles to serve, separated like PATH; the first one is used if a client names no bundle."""
    data: Annotated[Path, BeforeValidator(_data)] = Path("var")
    """Folder of studies and results. It holds patient data: protect it as you protect images."""
    database: Annotated[str, BeforeValidator(_database)] = Field(default="", repr=False)
    """URL of the database (SQLAlchemy's form); if empty, a file in `data`."""
    api_keys: Annotated[tuple[str, ...], BeforeValidator(own_keys)] = Field(default=(), repr=False)
    """API keys, comma-separated, with every scope; without any key, the service is available on this machine only."""
    trusted_proxies: Annotated[tuple[Network, ...], BeforeValidator(networks)] = ()
    """Addresses and networks, comma-separated, of the proxies whose X-Forwarded-For and `user_header` are believed."""
    user_header: Annotated[str, BeforeValidator(header)] = ""
    """Header in which a trusted proxy names the user; such requests need no key."""
    user_scopes: Annotated[tuple[Scope, ...], BeforeValidator(_listed)] = ("read",)
    """What such a user may do, comma-separated: read, predict, store, review, admin."""
    key_rate: int = Field(default=0, ge=0, le=100_000)
    """Requests that may come with one key in a minute; 0: any number."""
    key_share: float = Field(default=1.0, ge=0.01, le=1)
    """The part of the queue that studies of one key may fill."""
    max_body_mb: int = Field(default=512, ge=1, le=4096)
    """Largest request body in megabytes."""
    queue: int = Field(default=16, ge=1, le=1000)
    """Studies that may wait or be computed at one time."""
    wait_s: float = Field(default=60.0, ge=0, le=600)
    """How many seconds a POST waits for its answer before it returns 202."""
    quiet_s: float = Field(default=15.0, ge=0, le=86_400)
    """Prediction on a received study starts when no more instances have come for this many seconds."""
    targets: Annotated[tuple[str, ...], BeforeValidator(_targets)] = Field(default=(), repr=False)
    """DICOMweb addresses, comma-separated, that every result is sent to; they may contain user and password."""
    reserve_mb: int = Field(default=500, ge=0, le=1_000_000)
    """Megabytes that must be free on the disk of `data`; with less, nothing is accepted, but studies can be deleted."""
    viewers: Annotated[tuple[str, ...], BeforeValidator(_viewers)] = ()
    """Origins (https://host:port), comma-separated, of web pages that may read answers in a browser."""
    map_values: MapValues = "uint16"
    """How the map is stored beside a study and for targets: uint16 or float32."""
    codes: Annotated[InstanceOf[Codes], BeforeValidator(_codes)] = Field(default=STANDARD, repr=False)
    """File with a site's own codes for DICOM results (docs/results.md)."""

    @field_validator("user_header")
    @classmethod
    def _only_from_proxies(cls, name: str, others: ValidationInfo) -> str:
        if name and not others.data.get("trusted_proxies"):
            raise ValueError("needs CRUCIATE_TRUSTED_PROXIES: without it anybody could send this header.")
        return name

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Like the base class, but the default bundle is checked, too."""
        default = os.pathsep.join(map(str, cls.model_fields["bundles"].default))
        return super().from_environment({cls.variable("bundles"): default, **environment})


class DimseSettings(FromEnvironment):
    """Settings of the DIMSE listener. Each field is the variable CRUCIATE_DIMSE_<FIELD>."""

    model_config = ConfigDict(use_attribute_docstrings=True)
    prefix: ClassVar[str] = "CRUCIATE_DIMSE_"

    peers: Annotated[frozenset[tuple[str, str]], BeforeValidator(_peers)]
    """AE titles and addresses that may send; without any, nobody may send."""
    title: Annotated[str, BeforeValidator(_ae_title)] = "CRUCIATE"
    """The listener's own AE title."""
    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = Field(default=11112, ge=0, le=65535)
    """Port to listen on."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Like the base class, but a missing list of peers is treated like an empty list."""
        return super().from_environment({cls.variable("peers"): "", **environment})
