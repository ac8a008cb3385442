"""What of a classifier's bundle was measured on validation exams, as files. `models/files/` has the rest."""

from dataclasses import asdict
from pathlib import Path

from models.colour_scale import ColourScale
from models.files.manifest import write_json
from models.operating_point import OperatingPoint

# A bundle of an earlier version, or one with few validation exams, doesn't have these files.
COLOUR_SCALE, OPERATING_POINT = "colour_scale.json", "operating_point.json"


def write_measured(folder: Path, colour_scale: ColourScale | None, operating_point: OperatingPoint | None) -> None:
    """Write what was measured on validation exams. A file that is there already is replaced, or deleted for None."""
    for name, measured in ((COLOUR_SCALE, colour_scale), (OPERATING_POINT, operating_point)):
        if measured:
            write_json(folder / name, asdict(measured))
        else:
            (folder / name).unlink(missing_ok=True)
