"""The operator's settings of the service. They come from environment variables only."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, ConfigDict, Field, InstanceOf, ValidationInfo, field_validator

from app.delivery.stow_client import without_secrets
from app.ohif.ready_bundle import ReadyBundle
from app.results import KINDS, STANDARD, Codes, Kind, MapValues, Site
from app.routing.rules import Rules, RulesError
from app.service import values
from app.service.access import Network, header, networks, own_keys, secret
from app.service.environment import FromEnvironment
from app.store.keys import Scope
from data_prep.deidentify.deidentifier import Deidentifier
from data_prep.deidentify.pseudonyms import Pseudonyms


class Settings(FromEnvironment):
    """Settings of the service. Each field is the variable CRUCIATE_<FIELD>."""

    model_config = ConfigDict(use_attribute_docstrings=True)
    prefix: ClassVar[str] = "CRUCIATE_"

    bundles: Annotated[tuple[Path, ...], BeforeValidator(values.bundles)] = (Path("models/bundles/demo"),)
    """Folders of the bundles to serve, separated like PATH; the first one is used if a client names no bundle."""
    data: Annotated[Path, BeforeValidator(values.data)] = Path("var")
    """Folder of studies and results. It holds patient data: protect it as you protect images."""
    database: Annotated[str, BeforeValidator(values.database)] = Field(default="", repr=False)
    """URL of the database (SQLAlchemy's form); if empty, a file in `data`."""
    api_keys: Annotated[tuple[str, ...], BeforeValidator(own_keys)] = Field(default=(), repr=False)
    """API keys, comma-separated, with every scope; without any key, the service is available on this machine only."""
    trusted_proxies: Annotated[tuple[Network, ...], BeforeValidator(networks)] = ()
    """Addresses and networks, comma-separated, of the proxies whose X-Forwarded-For and `user_header` are believed."""
    user_header: Annotated[str, BeforeValidator(header)] = ""
    """Header in which a trusted proxy names the user; such requests need no key."""
    user_scopes: Annotated[tuple[Scope, ...], BeforeValidator(values.listed)] = ("read",)
    """What such a user may do, comma-separated: read, predict, store, review, admin."""
    key_rate: int = Field(default=0, ge=0, le=100_000)
    """Requests that may come with one key in a minute; 0: any number."""
    key_share: float = Field(default=1.0, ge=0.01, le=1)
    """The part of the queue that studies of one key may fill."""
    max_body_mb: int = Field(default=512, ge=1, le=4096)
    """Largest request body in megabytes."""
    network_mb: int = Field(default=500, ge=1, le=1_000_000)
    """Megabytes that the layers of a network may take at one time; slices go through it in as many steps as needed."""
    queue: int = Field(default=16, ge=1, le=1000)
    """Studies that may wait or be computed at one time."""
    wait_s: float = Field(default=60.0, ge=0, le=600)
    """How many seconds a POST waits for its answer before it returns 202."""
    quiet_s: float = Field(default=15.0, ge=0, le=86_400)
    """Prediction on a received study starts when no more instances have come for this many seconds."""
    announced_wait_s: float = Field(default=300.0, ge=0, le=86_400)
    """The same for a study of which headers or the modality announce more (docs/connect.md)."""
    targets: Annotated[tuple[str, ...], BeforeValidator(values.targets)] = Field(default=(), repr=False)
    """Addresses, comma-separated, that results are sent to: of DICOMweb, maybe with user and password, or dicom://."""
    rules: Annotated[InstanceOf[Rules], BeforeValidator(values.rules)] = Field(default=Rules(), repr=False)
    """File (TOML) of rules: which studies go to which bundle and which targets, and which are ignored."""
    reserve_mb: int = Field(default=500, ge=0, le=1_000_000)
    """Megabytes that must be free on the disk of `data`; with less, nothing is accepted, but studies can be deleted."""
    keep_pixels_days: float | None = Field(default=None, ge=0.0001, le=36_500)
    """Days after which the pixels of a prediction expire; without it, never. The same for the other kinds."""
    keep_pixels_mb: float | None = Field(default=None, ge=0.001, le=1e9)
    """Megabytes (of 1,000,000 bytes) for the pixels of all predictions; beyond them, the oldest expire."""
    keep_maps_days: float | None = Field(default=None, ge=0.0001, le=36_500)
    """Days for the maps of a prediction."""
    keep_maps_mb: float | None = Field(default=None, ge=0.001, le=1e9)
    """Megabytes for all maps."""
    keep_results_days: float | None = Field(default=None, ge=0.0001, le=36_500)
    """Days for the DICOM results that are stored beside a study."""
    keep_results_mb: float | None = Field(default=None, ge=0.001, le=1e9)
    """Megabytes for all of these results."""
    keep_instances_days: float | None = Field(default=None, ge=0.0001, le=36_500)
    """Days for the received instances of a study."""
    keep_instances_mb: float | None = Field(default=None, ge=0.001, le=1e9)
    """Megabytes for all received instances."""
    keep_reviews_days: float | None = Field(default=None, ge=0.0001, le=36_500)
    """Days for the reviews of a prediction, counted from the last one; not fewer than for anything else."""
    keep_reviews_mb: float | None = Field(default=None, ge=0.001, le=1e9)
    """Megabytes for all reviews."""
    retention: Literal["off", "dry-run", "on"] = "off"
    """Whether what is over a limit is deleted (on), only counted in the log (dry-run), or left alone (off)."""
    hide_reviews: Literal["no", "until-read"] = "until-read"
    """Whether a reader sees other readers' reviews of a prediction only after giving one (until-read)."""
    hide_opinion: Literal["no", "until-read"] = "no"
    """Whether pages show a reader the model's opinion only after the reader's own review (until-read)."""
    show_patients: bool = False
    """Whether the worklist shows names and numbers of patients, and finds studies by them (1 or 0)."""
    session_hours: float = Field(default=12.0, ge=0.01, le=24 * 30)
    """Hours after which somebody who has logged in with a key must do so again."""
    viewers: Annotated[tuple[str, ...], BeforeValidator(values.viewers)] = ()
    """Origins (https://host:port), comma-separated, of web pages that may read answers in a browser."""
    ohif: Annotated[InstanceOf[ReadyBundle] | None, BeforeValidator(values.ohif)] = None
    """Folder of OHIF's ready bundle (npm's @ohif/app, its folder dist), to be served at /ohif; if empty, none is."""
    overlay_shown: bool = False
    """Whether the study page shows the heatmap before anybody asks for it: true or false."""
    results: Annotated[tuple[Kind, ...], BeforeValidator(values.listed), Field(min_length=1)] = KINDS
    """Which DICOM results are stored beside a study and sent, comma-separated: sr, seg, overlay, map, key-image,
    slices, ligament."""
    map_values: MapValues = "float32"
    """How the map is stored beside a study and for targets: float32 or uint16."""
    codes: Annotated[InstanceOf[Codes], BeforeValidator(values.codes)] = Field(default=STANDARD, repr=False)
    """File with a site's own codes for DICOM results (docs/results.md)."""
    timezone: Annotated[InstanceOf[ZoneInfo], BeforeValidator(values.time_zone)] = ZoneInfo("UTC")
    """The scanners' time zone, such as Asia/Tokyo, for the times in DICOM results; used if the images name none."""
    deidentify_key: Annotated[str, BeforeValidator(secret)] = Field(default="", repr=False)
    """Secret from which pseudonyms are made, the same for all processes; needed by `deidentify`."""
    deidentify: Literal["no", "basic", "basic-retain-uids"] = "no"
    """Whether only de-identified data is kept (docs/security.md), with other UIDs or with the sender's."""

    @property
    def deidentifier(self) -> Deidentifier | None:
        """What removes the patient's identity from all that is received; None if it may stay."""
        if self.deidentify == "no":
            return None
        return Deidentifier(Pseudonyms(self.deidentify_key.encode(), self.deidentify == "basic-retain-uids"))

    @field_validator("deidentify")
    @classmethod
    def _apart_from_archives(cls, mode: str, others: ValidationInfo) -> str:
        if mode != "no" and not others.data.get("deidentify_key"):
            raise ValueError("needs CRUCIATE_DEIDENTIFY_KEY, from which pseudonyms are made.")
        if mode != "no" and others.data.get("targets"):
            raise ValueError(
                "can't be used with CRUCIATE_TARGETS: de-identified results would be filed there under no patient."
            )
        return mode

    @field_validator("rules")
    @classmethod
    def _name_what_is_there(cls, rules: Rules, others: ValidationInfo) -> Rules:
        bundles = [folder.name for folder in others.data.get("bundles", ())]
        try:
            rules.check_names(bundles, [without_secrets(url) for url in others.data.get("targets", ())])
        except RulesError as error:
            raise ValueError(f": {error}") from None
        return rules

    @field_validator("deidentify")
    @classmethod
    def _rules_still_match(cls, mode: str, others: ValidationInfo) -> str:
        rules: Rules = others.data.get("rules", Rules())
        if mode != "no" and (rule := rules.uses("station")):
            raise ValueError(
                f"removes the names of stations, so rule {rule.name!r} of CRUCIATE_RULES could never match."
            )
        return mode

    @field_validator("user_header")
    @classmethod
    def _only_from_proxies(cls, name: str, others: ValidationInfo) -> str:
        if name and not others.data.get("trusted_proxies"):
            raise ValueError("needs CRUCIATE_TRUSTED_PROXIES: without it anybody could send this header.")
        return name

    @field_validator("retention")
    @classmethod
    def _only_with_limits(cls, mode: str, others: ValidationInfo) -> str:
        if mode != "off" and not any(value for name, value in others.data.items() if name.startswith("keep_")):
            raise ValueError("needs a limit: set at least one of the variables CRUCIATE_KEEP_..._DAYS and _MB.")
        return mode

    @field_validator("keep_reviews_days")
    @classmethod
    def _longest(cls, days: float | None, others: ValidationInfo) -> float | None:
        limits = [others.data.get(f"keep_{name}_days") for name in ("pixels", "maps", "results", "instances")]
        if days is not None and any(limit is not None and limit > days for limit in limits):
            raise ValueError("must not be shorter than another limit in days: reviews can't be made again.")
        return days

    @property
    def site(self) -> Site:
        """The site's choices for DICOM results."""
        return Site(self.codes, self.timezone, self.results)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Like the base class, but the default bundle is checked, too."""
        default = os.pathsep.join(map(str, cls.model_fields["bundles"].default))
        return super().from_environment({cls.variable("bundles"): default, **environment})
