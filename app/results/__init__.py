"""An answer as pictures and as DICOM objects, for archives and viewers.

The objects belong to the study that was predicted on. Each kind has its own series.
"""

from collections.abc import Callable
from io import BytesIO

from pydicom import dcmread
from pydicom.dataset import Dataset

from app.results.codes import STANDARD, Codes, CodesError
from app.results.common import KINDS, OF_EACH_SLICE, Kind, Result, Site, instances
from app.results.evidence import Evidence
from app.results.key_image import key_image
from app.results.overlays import overlay
from app.results.parametric_map import MapValues, parametric_map
from app.results.region import ligament, region
from app.results.render import Scale
from app.results.report import report
from app.results.slices import referring, slices
from data_prep.volume import FloatArray

__all__ = [
    "KINDS",
    "OF_EACH_SLICE",
    "STANDARD",
    "Codes",
    "CodesError",
    "Kind",
    "MapValues",
    "Result",
    "Site",
    "build",
    "named",
]


def build(
    kind: Kind,
    result: Result,
    volume_map: Callable[[], FloatArray],
    values: MapValues = "float32",
    only: int | None = None,
) -> list[bytes]:
    """Make the objects of one kind. The same input always gives the same bytes.

    Args:
        kind: Which objects: `overlay` is one for each slice, in order; `slices` too, but none if the original series
            has no other images; `seg` is none if no evidence reaches the threshold, `ligament` if no
            localiser found it; the others are one.
        result: The answered study.
        volume_map: Gives the explained class's map in the volume's grid, float32 `[slices, rows, columns]`
            (`ClassMap.volume`).
        values: How the map's values are stored.
        only: The one slice to make an object of, for kinds that have one for each slice.

    Returns:
        The bytes of files (`application/dicom`).
    """
    evidence = result.evidence(volume_map())
    if kind == "overlay":
        scale = Scale.of(result.volume.voxels, evidence.bounds)
        indices = range(len(evidence.values)) if only is None else (only,)
        return [overlay(result, evidence, index, scale) for index in indices]
    if kind == "slices":
        return slices(result, evidence, only)
    if kind == "key-image":
        return [key_image(result, evidence)]
    shown = referring(result, evidence)
    if kind == "ligament":
        return [found] if (found := ligament(shown)) else []
    if kind == "seg":
        return [region(shown, evidence)] if evidence.has_region else []
    if kind == "map":
        return [parametric_map(shown, evidence, values)]
    return [report(shown, evidence, named(result, shown, evidence))]


def named(result: Result, shown: Result, evidence: Evidence) -> list[Dataset]:
    """Headers of what the report names besides the slices that it refers to: the original ones, if those are copies,
    and the segmentation, if there is one and the site wants it.

    Args:
        result: The answered study.
        shown: What the report refers to (`referring`).
        evidence: The explained class's map.
    """
    others = [] if shown is result else instances(result.images)
    if evidence.has_region and "seg" in result.site.kinds:
        others.append(dcmread(BytesIO(region(shown, evidence)), stop_before_pixels=True))
    return others
