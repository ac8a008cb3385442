"""An answer as pictures and as DICOM objects, which archives keep and viewers show.

The objects lie in the study of their source, each in a series of its own.
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
    """One object as a file (`application/dicom`); the same bytes whenever it is asked for.

    volume_map: gives the explained class's map in the volume's grid, float32 `[slices, rows, columns]`
    (`ClassMap.volume`); not called for what needs none. values: how the map's are stored.
    """
    if kind == "sr":
        return report(result)
    if kind == "map":
        return parametric_map(result, volume_map(), values)
    return key_image(result, volume_map())
