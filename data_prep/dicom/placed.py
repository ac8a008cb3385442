"""The images of a volume as what is made from them needs them: what is repeated of each, and its place in space."""

from collections.abc import Sequence
from typing import Any

from pydicom.dataset import Dataset
from pydicom.valuerep import format_number_as_ds

from data_prep.volume import Volume


def placed(origins: Sequence[Dataset], volume: Volume, frame_of_reference: str) -> tuple[Dataset, ...]:
    """The images of a volume, without pixels. Frames of a multi-frame instance have the form of classic instances.

    Args:
        origins: `Selection.origins`, one for each slice.
        volume: the volume.
        frame_of_reference: the FrameOfReferenceUID, if the headers have none.
    """
    _, rows, columns = volume.shape
    shared = {
        "Rows": rows,
        "Columns": columns,
        "PixelSpacing": _decimal(volume.spacing_mm[1:]),
        "ImageOrientationPatient": _decimal(volume.directions.ravel()),
        "SliceThickness": origins[0].get("SliceThickness", format_number_as_ds(volume.spacing_mm[0])),
        "FrameOfReferenceUID": origins[0].get("FrameOfReferenceUID", frame_of_reference),
        # highdicom's warnings quote unusual names, so names are empty here. What is made restores them.
        "PatientName": "",
        "ReferringPhysicianName": "",
    }
    places = zip(origins, volume.positions_mm, strict=True)
    return tuple(changed(source, **shared, ImagePositionPatient=_decimal(position)) for source, position in places)


def changed(dataset: Dataset, **values: Any) -> Dataset:
    """A copy with other values. Elements are shared with the original, so they are replaced, never modified."""
    fresh = Dataset()
    for keyword, value in values.items():
        setattr(fresh, keyword, value)
    return Dataset(dict(dataset.items()) | dict(fresh.items()))


def _decimal(values: Any) -> list[str]:
    return [format_number_as_ds(float(value)) for value in values]
