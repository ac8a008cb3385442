"""Measure a bundle's colour scale and operating point again, on the exams of its own training. Its weights stay.

    python -m training.measure BUNDLE --exams exams.csv [--sensitivity 0.95]

For a bundle of an earlier version, which has no thresholds of evidence and no operating point, and for another
sensitivity. The table must be the one that the bundle was trained with: its split "val" is measured, and rates are also
measured on its split "test". The figures in the bundle stay.
"""

import argparse
import math
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from data_prep.prepare.cache import pixel_digests
from data_prep.tables.exams import Exam, read_exams
from data_prep.workers import Workers
from models.bundle import Bundle, load_bundle
from models.colour_scale import ColourScale
from models.measured_again import write_measured_again
from training.config.config import Config
from training.config.place import Place
from training.runs.bundling import commit
from training.runs.faults import faults_as_sentences
from training.runs.measuring import measured

# Full brightness is the same if it differs by no more than this share: rounding changes it by less than a millionth.
SAME = 1e-4


def measure(folder: Path, exams: Sequence[Exam], place: Place, sensitivity: float, command: str) -> None:
    """Measure the bundle, and write the result into it.

    Args:
        folder: the bundle.
        exams: the exam table of its training.
        place: folders and processors.
        sensitivity: the sensitivity that the operating point is chosen for.
        command: the command line, for the bundle.

    Raises:
        ValueError: if these aren't the exams that the bundle was chosen on, or the bundle can't be used.
    """
    bundle = load_bundle(folder)
    held_out = [exam for exam in exams if exam.split == "val"]
    _check_ids(bundle, held_out)
    found = measured(bundle, exams, place, sensitivity)
    _check_pixels(bundle, held_out, place, found.colour_scale)
    scale = found.colour_scale
    if scale and bundle.colour_scale:  # full brightness stays as the training measured it
        scale = replace(bundle.colour_scale, thresholds=scale.thresholds)
    write_measured_again(folder, scale, found.operating_point, {"command": command, "commit": commit()})


def _check_ids(bundle: Bundle, held_out: Sequence[Exam]) -> None:
    if bundle.seen is None:
        raise ValueError(f"{bundle.name} doesn't say which exams it was chosen on; train it again")
    if not held_out or not bundle.seen.is_all_of("chosen", [exam.exam_id for exam in held_out]):
        raise ValueError(
            f"split 'val' of the table isn't what {bundle.name} was chosen on; give the table of its training"
        )


def _check_pixels(bundle: Bundle, held_out: Sequence[Exam], place: Place, scale: ColourScale | None) -> None:
    """Other pixels under the same ids would be other exams. Synthetic knees differ by rounding between processors: they
    are the same exams if full brightness is the same. The network inputs must have been made.
    """
    assert bundle.seen
    known = pixel_digests(held_out, place.inputs).values()
    others = sum(bundle.seen.spoilt_by_pixels(pixels) is None for pixels in known)
    before, now = (dict(one.full_brightness) if one else {} for one in (bundle.colour_scale, scale))
    agree = before.keys() == now.keys() and all(math.isclose(before[name], now[name], rel_tol=SAME) for name in now)
    if others and not (now and agree):
        raise ValueError(f"{others} of {len(held_out)} exams of split 'val' have other pixels than in the training")
    if others:
        print(
            f"warning: {others} of {len(held_out)} exams of split 'val' differ from those of the training by rounding"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure a bundle's colour scale and operating point again.")
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--exams", type=Path, required=True, help="the exam table of its training")
    parser.add_argument(
        "--inputs", type=Path, help="folder of network inputs (default: `inputs` beside the exam table)"
    )
    parser.add_argument(
        "--sensitivity", type=float, default=Config.sensitivity, help="what the operating point is chosen for"
    )
    Workers.add_options(parser)
    options = parser.parse_args()
    command = shlex.join(
        ["python", "-m", "training.measure", options.bundle.name, "--sensitivity", f"{options.sensitivity:g}"]
    )
    with faults_as_sentences(parser):
        if not 0 < options.sensitivity < 1:
            raise ValueError("--sensitivity must lie between 0 and 1")
        inputs = options.inputs or options.exams.parent / "inputs"
        localiser = load_bundle(options.bundle).localiser
        place = Place(inputs, inputs, Workers.from_options(options), localiser=localiser)
        measure(options.bundle, read_exams(options.exams), place, options.sensitivity, command)
        print(f"measured again: {options.bundle}; its MODEL_CARD.md has the operating point")


if __name__ == "__main__":
    main()
