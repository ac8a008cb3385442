"""An answer as pictures and as DICOM objects, for archives and viewers.

The objects belong to the study that was predicted on. Each has its own series.
"""

from collections.abc import Callable

from app.results.codes import STANDARD, Codes, CodesError
from app.results.common import Kind, Result
from app.results.key_image import key_image
from app.results.parametric_map import MapValues, parametric_map
from app.results.report import report
from data_prep.volume import FloatArray

__all__ = ["KINDS", "STANDARD", "Codes", "CodesError", "Kind", "MapValues", "Result", "build"]

KINDS: tuple[Kind, ...] = ("sr", "map", "key-image")


def build(kind: Kind, result: Result, volume_map: Callable[[], FloatArray], values: MapValues = "uint16") -> bytes:
    """Make one DICOM object. The same input always gives the same bytes.

    Args:
        kind: Which object.
        result: The answered study.
        volume_map: Gives the explained class's map in the volume's grid, float32 `[slices, rows, columns]`
            (`ClassMap.volume`). It is only called for objects that need the map.
        values: How the map's values are stored.

    Returns:
        The bytes of a file (`application/dicom`).
    """
    if kind == "sr":
        return report(result)
    if kind == "map":
        return parametric_map(result, volume_map(), values)
    return key_image(result, volume_map())
