"""A bundle whose validation exams were measured again: other measured files, and the same weights, byte for byte."""

import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

from data_prep.files import replacing_folder
from models.bundle import SCHEMA, load_bundle
from models.bundle_files import write_measured
from models.colour_scale import ColourScale
from models.files.manifest import MANIFEST, digests, read_json, write_json
from models.model_card import model_card
from models.operating_point import OperatingPoint


def write_measured_again(
    folder: Path, colour_scale: ColourScale | None, operating_point: OperatingPoint | None, measured: dict[str, Any]
) -> None:
    """Replace what was measured on a bundle's validation exams. Its other files stay as they are.

    Args:
        folder: The bundle's folder. It is replaced when the new one is complete.
        colour_scale: How bright heatmaps are.
        operating_point: From which probability on a knee is positive.
        measured: `command` and `commit`, which the manifest keeps beside those of the training.

    Raises:
        BundleError: If the folder can't be used as a bundle.
    """
    bundle = load_bundle(folder)
    with replacing_folder(folder) as new:
        shutil.copytree(folder, new, dirs_exist_ok=True)
        write_measured(new, colour_scale, operating_point)
        manifest = {name: value for name, value in bundle.manifest.items() if name != "files"}
        manifest |= {"schema": SCHEMA, "measured_again": measured}
        parts = asdict(bundle.recipe), asdict(bundle.calibration), read_json(new / "metrics.json")
        card = model_card(bundle.name, manifest, *parts, asdict(operating_point) if operating_point else None)
        (new / "MODEL_CARD.md").write_text(card, encoding="utf-8")
        write_json(new / MANIFEST, manifest | {"files": digests(new)})
