"""A study that was accepted for a prediction."""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self

import numpy as np
from pydicom.dataset import Dataset

from data_prep.notice import Notice
from data_prep.selection.notices import SERIES_REQUESTED
from data_prep.selection.series import PassedOver, Selection
from data_prep.volume import Acquisition, FloatArray, Volume

if TYPE_CHECKING:  # Importing it would delay a batch's worker processes.
    from app.contract.json_text import Json

# Part of the id of a job whose series somebody asked for.
ASKED = " asked"


@dataclass(frozen=True, eq=False)
class Job:
    """A study that has been accepted.

    Attributes:
        bundle: sha256 of the bundle that predicts on it.
        decode_ms: How long decoding took.
        created: UTC, ISO 8601.
        origins: For each slice, the attributes that results must repeat, as DICOM JSON. Empty for a job that was read
            from the database; see `Record.origins`.
        preambles: How many files had a preamble that isn't blank. 0 for a job that was read from the database.
        asked: Whether somebody asked for the series; otherwise the service chose it.
    """

    id: str
    bundle: str
    volume: Volume
    passed_over: tuple[PassedOver, ...]
    decode_ms: float
    created: str
    origins: tuple["Json", ...] = field(default=(), repr=False)
    preambles: int = 0
    asked: bool = False

    @classmethod
    def of(cls, selection: Selection, bundle: str, decode_ms: float) -> Self:
        """Make a job."""
        origins = dicom_json(selection.origins)
        passed_over = tuple(selection.passed_over)
        return cls.on(selection.volume, bundle, passed_over, decode_ms, origins, selection.preambles, selection.asked)

    @classmethod
    def on(
        cls,
        volume: Volume,
        bundle: str,
        passed_over: tuple[PassedOver, ...],
        decode_ms: float,
        origins: "tuple[Json, ...]",
        preambles: int,
        asked: bool = False,
    ) -> Self:
        """Make a job. Its id depends on digests of pixels and bundle, the volume's notices, and who chose the series.

        Without the notices in the id, a study that may lack a slice could get an earlier answer without that notice.
        Which series the service would have taken otherwise changes no result, so it isn't in the id.
        """
        telling = [notice for notice in volume.notices if notice.code != SERIES_REQUESTED]
        told = "".join(f"{notice.code} {notice.message}" for notice in telling)
        id_ = _digest(volume.digest() + bundle + told + (ASKED if asked else ""))
        return cls(id_, bundle, volume, passed_over, decode_ms, now(), origins, preambles, asked)

    def anew(self) -> Self:
        """The same job under the next id: its series is asked for again, after another series was."""
        return replace(self, id=_digest(self.id + ASKED))

    def to_json(self) -> "Json":
        """What the database stores, in addition to ids, origins and voxels."""
        volume = self.volume
        return {
            "decode_ms": self.decode_ms,
            "asked": self.asked,
            "passed_over": [asdict(other) for other in self.passed_over],
            "volume": {
                "spacing_mm": volume.spacing_mm,
                "directions": volume.directions.tolist(),
                "positions_mm": volume.positions_mm.tolist(),
                "sop_uids": volume.sop_uids,
                "series_uid": volume.series_uid,
                "laterality": volume.laterality,
                "acquisition": asdict(volume.acquisition),
                "notices": [asdict(notice) for notice in volume.notices],
            },
        }

    @classmethod
    def from_json(cls, kept: "Json", voxels: FloatArray, id_: str, study_uid: str, bundle: str, created: str) -> Self:
        """The job again, without its origins. A job that an earlier version stored lacks some parts."""
        geometry = kept["volume"]
        volume = Volume(
            voxels=voxels,
            spacing_mm=tuple(geometry["spacing_mm"]),
            directions=np.array(geometry["directions"]),
            positions_mm=np.array(geometry["positions_mm"]),
            sop_uids=tuple(geometry["sop_uids"]),
            study_uid=study_uid,
            series_uid=geometry["series_uid"],
            laterality=geometry["laterality"],
            acquisition=Acquisition(**geometry["acquisition"]),
            notices=tuple(Notice(**notice) for notice in geometry.get("notices", ())),
        )
        passed_over = tuple(PassedOver(**other) for other in kept["passed_over"])
        asked = kept.get("asked", False)
        return cls(id_, bundle, volume, passed_over, kept["decode_ms"], created, asked=asked)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def dicom_json(datasets: Sequence[Dataset]) -> "tuple[Json, ...]":
    """Data sets as DICOM JSON. Elements that they share are converted once."""
    known: dict[int, Json] = {}
    for element in (element for dataset in datasets for element in dataset):
        if id(element) not in known:
            known[id(element)] = element.to_json_dict(None, 0)
    return tuple({f"{element.tag:08X}": known[id(element)] for element in dataset} for dataset in datasets)


def now() -> str:
    """The time in UTC, to the second, in the format of answers (ISO 8601)."""
    return written(time.time())


def written(seconds: float) -> str:
    """A time in seconds since 1970 as `now` writes it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
