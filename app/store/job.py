"""A study that was accepted for a prediction."""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self

import numpy as np
from pydicom.dataset import Dataset

from data_prep.notice import Notice
from data_prep.selection.series import PassedOver, Selection
from data_prep.volume import Acquisition, FloatArray, Volume

if TYPE_CHECKING:  # Importing it would delay a batch's worker processes.
    from app.contract.json_text import Json


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
    """

    id: str
    bundle: str
    volume: Volume
    passed_over: tuple[PassedOver, ...]
    decode_ms: float
    created: str
    origins: tuple["Json", ...] = field(default=(), repr=False)
    preambles: int = 0

    @classmethod
    def of(cls, selection: Selection, bundle: str, decode_ms: float) -> Self:
        """Make a job."""
        origins = dicom_json(selection.origins)
        passed_over = tuple(selection.passed_over)
        return cls.on(selection.volume, bundle, passed_over, decode_ms, origins, selection.preambles)

    @classmethod
    def on(
        cls,
        volume: Volume,
        bundle: str,
        passed_over: tuple[PassedOver, ...],
        decode_ms: float,
        origins: "tuple[Json, ...]",
        preambles: int,
    ) -> Self:
        """Make a job. Its id depends on the digests of the pixels and the bundle, and on the volume's notices.

        Without the notices in the id, a study that may lack a slice could get an earlier answer without that notice.
        """
        told = "".join(f"{notice.code} {notice.message}" for notice in volume.notices)
        id_ = hashlib.sha256((volume.digest() + bundle + told).encode()).hexdigest()[:32]
        return cls(id_, bundle, volume, passed_over, decode_ms, now(), origins, preambles)

    def to_json(self) -> "Json":
        """What the database stores, in addition to ids, origins and voxels."""
        volume = self.volume
        return {
            "decode_ms": self.decode_ms,
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
        """The job again, without its origins. A job that an earlier version stored has no notices."""
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
        return cls(id_, bundle, volume, passed_over, kept["decode_ms"], created)


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
