"""The DICOM objects of a stored prediction, made on request."""

from functools import cache

from werkzeug.exceptions import NotFound

from app.results import KINDS, Codes, Kind, MapValues, Result, build
from app.store.record import Record


def result_of(record: Record, codes: Codes) -> Result:
    """What the objects are made from. Raises NotFound for a prediction that was stored without DICOM attributes."""
    if len(record.origins) != len(record.job.volume.voxels):
        raise NotFound("This prediction was made before results were kept as DICOM. Send the study again.")
    return Result(record.answer, record.origins, record.job.volume, codes)


def made(record: Record, codes: Codes, kind: Kind, values: MapValues) -> bytes:
    """One object of a prediction that is done. Raises NotFound for any other prediction."""
    return build(kind, result_of(record, codes), record.map(record.explained_class).volume, values)


def all_made(record: Record, codes: Codes, values: MapValues) -> list[bytes]:
    """Every object of a prediction that is done; its map is read once. Raises NotFound for any other prediction."""
    result = result_of(record, codes)
    volume_map = cache(record.map(record.explained_class).volume)
    return [build(kind, result, volume_map, values) for kind in KINDS]
