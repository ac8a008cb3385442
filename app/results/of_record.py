"""The DICOM objects of a stored prediction, made on request."""

from collections.abc import Sequence
from functools import cache

from pydicom.dataset import Dataset
from werkzeug.exceptions import Gone, NotFound

from app.results import KINDS, OF_EACH_SLICE, Kind, MapValues, Result, Site, build
from app.results.common import Answered
from app.results.rejection_note import Rejection, rejection_note
from app.store.record import Record
from app.store.superseding import Reference

BEFORE_RESULTS = "This prediction was made before results were kept as DICOM. Send the study again."

# Why a kind has no object.
WHY_NONE: dict[Kind, str] = {
    "seg": "There is no segmentation: no evidence reaches the threshold, or the bundle has no scale.",
    "ligament": "There is no ligament: the bundle has no localiser that segments, or it found none.",
    "slices": "There is no series of slices: the original series has no other images, or no place in the patient.",
}


def answered(record: Record, site: Site) -> Answered:
    """An answer without pixels. Raises the same errors as `result_of`, and Expired."""
    check_valid(record)
    record.check_pixels()  # whose patient's names have gone with them
    if not record.origins:
        raise NotFound(BEFORE_RESULTS)
    return Answered(record.answer, record.origins, site=site)


def result_of(record: Record, site: Site) -> Result:
    """What the objects are made from.

    Raises:
        NotFound: The prediction was stored without DICOM attributes.
        Gone: It is superseded, so its objects are no longer valid.
    """
    check_valid(record)
    if len(record.origins) != len(record.job.volume.voxels):
        raise NotFound(BEFORE_RESULTS)
    predecessors = tuple(_document(one, record.study_uid) for one in record.predecessors)
    return Result(
        *(record.answer, record.origins, record.job.volume),
        site=site,
        number=record.number,
        predecessors=predecessors,
    )


def check_valid(record: Record) -> None:
    """Raise Gone if another prediction has superseded this one."""
    if record.superseded_by is not None:
        raise Gone(f"Prediction {record.superseded_by} has replaced this one: its results are no longer valid.")


def made(record: Record, site: Site, kind: Kind, values: MapValues, index: int | None = None) -> bytes:
    """One object of a prediction that is done.

    Args:
        record: The prediction.
        site: The site's choices.
        kind: Which object.
        values: How the map's values are stored.
        index: The slice, for kinds that have an object for each slice; None for the slice of the key image.

    Raises:
        NotFound: The prediction isn't done, or has no such object.
        Gone: It is superseded.
    """
    result, volume_map = result_of(record, site), cache(record.map(record.explained_class).volume)
    if kind in OF_EACH_SLICE and index is None:
        index = result.decisive(result.evidence(volume_map()))
    if index is not None and index >= len(result.volume.voxels):
        raise NotFound(f"The volume has slices 0 to {len(result.volume.voxels) - 1}.")
    found = build(kind, result, volume_map, values, index)
    if not found:
        raise NotFound(WHY_NONE[kind])
    return found[0]


def all_made(record: Record, site: Site, values: MapValues) -> list[bytes]:
    """The objects that the site wants of a prediction that is done; its map is read once.

    Raises NotFound for any other prediction, and Gone if it is superseded.
    """
    result = result_of(record, site)
    volume_map = cache(record.map(record.explained_class).volume)
    kinds = [kind for kind in KINDS if kind in site.kinds]
    return [content for kind in kinds for content in build(kind, result, volume_map, values)]


def note_made(record: Record, objects: Sequence[Reference], successor: Record | None, site: Site) -> bytes:
    """The rejection note for the objects of a superseded prediction.

    Args:
        record: The prediction.
        objects: What was made of it.
        successor: The prediction that replaces it, if it is still there.
        site: The site's choices.

    Raises:
        NotFound: There is nothing to reject, or nothing that says whose study it is.
    """
    origins = record.origins or (successor.origins if successor else ())
    if not origins or not objects or record.superseded_by is None or record.superseded is None:
        raise NotFound("There is nothing to reject.")
    by, since = record.superseded_by, record.superseded
    return rejection_note(Rejection(record.id, record.number, by, since, origins[0], objects, site))


def _document(one: Reference, study_uid: str) -> Dataset:
    item = Dataset()
    item.StudyInstanceUID, item.SeriesInstanceUID = study_uid, one.series_uid
    item.SOPClassUID, item.SOPInstanceUID = one.sop_class_uid, one.sop_uid
    return item
