"""The slices that were predicted on as a series of their own: grey Secondary Captures (PS3.3 A.8.1).

They are made if the original series holds other images, too, such as other echoes. Viewers can't tell which images make
up the volume: OHIF takes such a series for one that changes in time, shows no map on it, and hangs when a report on it
is opened. Region, map and report then refer to this series, which is one plain volume.
"""

from dataclasses import replace
from io import BytesIO

import numpy as np
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.valuerep import format_number_as_ds

from app.results import render
from app.results.common import NOTICE, Result, finish
from app.results.evidence import Evidence
from app.results.overlays import capture, put_in_place
from app.results.parametric_map import Stored
from data_prep.dicom.placed import changed

NAMES = ("SeriesInstanceUID", "SOPClassUID", "SOPInstanceUID")


def slices(result: Result, evidence: Evidence, only: int | None = None) -> list[bytes]:
    """Make one object for each slice.

    Args:
        result: The answered study.
        evidence: The explained class's map.
        only: The one slice to make an object of.

    Returns:
        The bytes of DICOM files, in the order of the slices; none if the original series has no other images, or if it
        has no place in the patient.
    """
    if not (result.is_placed and result.is_among_others):
        return []
    stored, scale = Stored.grey(result.volume.voxels), render.Scale.of(result.volume.voxels, evidence.bounds)
    indices = range(len(stored.values)) if only is None else (only,)
    return [_slice(result, index, stored, scale) for index in indices]


def referring(result: Result, evidence: Evidence) -> Result:
    """The result with these slices in place of the original ones, if there are any and the site wants them."""
    found = slices(result, evidence) if "slices" in result.site.kinds else []
    if not found:
        return result
    copies = (dcmread(BytesIO(content), stop_before_pixels=True) for content in found)
    return replace(result, origins=tuple(map(_renamed, result.origins, copies)))


def _renamed(origin: Dataset, copy: Dataset) -> Dataset:
    origin = changed(origin, **{name: copy[name].value for name in NAMES})
    origin.pop("ReferencedFrameNumber", None)  # copies have one frame
    return origin


def _slice(result: Result, index: int, stored: Stored, scale: render.Scale) -> bytes:
    plane = stored.values[index].astype(np.uint16)
    dataset = capture(result, "slices", plane, index, result.volume.spacing_mm[1:], number=index + 1)
    put_in_place(dataset, result, index)
    # OHIF makes volumes of MR, not of OT. A Secondary Capture may have any modality (PS3.3 C.8.6.1).
    dataset.Modality = result.origins[0].Modality
    dataset.BurnedInAnnotation = "NO"
    dataset.RescaleType = "US"
    dataset.RescaleSlope, dataset.RescaleIntercept = map(format_number_as_ds, (stored.slope, stored.intercept))
    dataset.WindowCenter = format_number_as_ds((scale.black + scale.white) / 2)
    dataset.WindowWidth = format_number_as_ds(max(scale.white - scale.black, 1.0))
    place = result.place(index).capitalize()
    dataset.DerivationDescription = f"{place} as predicted on; the original series has other images, too. {NOTICE}."
    return finish(dataset, result)
