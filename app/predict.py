"""Predict on the command line. The answer is the same as the service's.

    python -m app.predict STUDY --bundle BUNDLE --out FOLDER           a folder or zip: answer, overlays, DICOM objects
    python -m app.predict --batch ROOT --bundle BUNDLE --out FOLDER    every folder and zip in ROOT: answers and a table

Exit status 0; 1 if a study can't be predicted on or the output can't be written; 2 for a wrong command; 130 if
interrupted. No patient attribute is printed.
"""

import argparse
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, get_args

from pydicom.dataset import Dataset

from app import results
from app.api.pictures import DEFAULT_OPACITY
from app.contract.json_text import dumps
from app.contract.problems import reported
from app.jobs.answer import NOTICE, Answered, answered
from app.jobs.batch import Batch, BatchError
from app.jobs.decoding import decode
from app.results import render
from app.results.colour_scale import bounds
from app.store.class_map import ClassMap
from data_prep.dicom.part10 import is_uid
from data_prep.dicom.quiet import ignore_pydicom_warnings
from data_prep.files import replacing
from data_prep.names import print_any_name
from data_prep.selection.side import Side
from data_prep.workers import Workers

if TYPE_CHECKING:
    from models.predictor import Predictor

INTERRUPTED = 130
# Files of the kinds that have an object for each slice.
OF_EACH_SLICE = {"overlay": "slices/{}/overlay.dcm", "slices": "slices/{}/slice.dcm"}
KILLED = "The process that decoded them was killed; perhaps the memory of this machine isn't enough."
GOES_ON = "The answers so far are kept. Give the same command again: it continues with the other studies."


def main(arguments: list[str] | None = None) -> int:
    """Run the command. Returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", nargs="?", type=Path, help="a folder or zip of DICOM files")
    parser.add_argument("--batch", type=Path, metavar="ROOT", help="a folder of folders and zips, each one study")
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--laterality", choices=get_args(Side), help="the knee to predict on, if a study shows both")
    parser.add_argument("--series", metavar="UID", help="UID of the series to predict on, instead of the preferred one")
    parser.add_argument("--out", type=Path, required=True, help="folder for the output")
    Workers.add_options(parser)
    options = parser.parse_args(arguments)
    print_any_name()
    ignore_pydicom_warnings()
    if (options.study is None) == (options.batch is None):
        parser.error("name either a study or --batch ROOT")
    if options.study and not options.study.exists():
        parser.error(f"{options.study} doesn't exist")
    for name in ("laterality", "series"):
        if options.batch and getattr(options, name) is not None:
            parser.error(f"--{name} is for one study")
    if options.series is not None and not is_uid(options.series):
        parser.error("--series is a UID: digits and dots")
    signal.signal(signal.SIGTERM, _leave)
    try:
        batch = Batch(options.batch, options.out) if options.batch else None
        predictor = _predictor(options.bundle, parser)
        if batch is None:
            return _predict(options.study, predictor, options.out, options.laterality, options.series)
        return _run(batch, predictor, Workers.from_options(options))
    except BatchError as error:
        parser.error(str(error))
    except (OSError, MemoryError) as error:
        print(_fault(error) + (f" {GOES_ON}" if options.batch else ""), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED


def _fault(error: OSError | MemoryError) -> str:
    """What is wrong with this machine, in one sentence."""
    if isinstance(error, MemoryError):
        return "The memory of this machine isn't enough: end other programs, or use fewer processes (--jobs)."
    reason = error.strerror or "it can't be used"
    return f"{error.filename or 'The output'}: {reason}."


def _predictor(folder: Path, parser: argparse.ArgumentParser) -> "Predictor":
    from models.bundle import load_bundle  # loads Keras: a wrong command needn't wait for it
    from models.files.manifest import BundleError
    from models.predictor import Predictor

    try:
        return Predictor(load_bundle(folder))
    except BundleError as error:
        parser.error(str(error))


def _run(batch: Batch, predictor: "Predictor", workers: Workers) -> int:
    statuses = batch.run(predictor, workers)
    done, failed, waiting = (statuses[name] for name in ("done", "failed", "waiting"))
    print(f"{done} studies have a prediction, {failed} can't be predicted on. {NOTICE}")
    if waiting:
        print(f"Studies without an answer: {waiting}. {KILLED} {GOES_ON}", file=sys.stderr)
    return 1 if failed or waiting else 0


def _predict(study: Path, predictor: "Predictor", out: Path, laterality: Side | None, series_uid: str | None) -> int:
    try:
        outcome = answered(predictor, decode(study, predictor.bundle.sha256, laterality, series_uid))
    except (OSError, MemoryError):
        raise
    except Exception as error:
        print(reported(error).detail, file=sys.stderr)
        return 1
    _write(outcome, out)
    result = outcome.answer["result"]
    print(", ".join(f"{name} {value:.3f}" for name, value in result["probabilities"].items()) + f". {NOTICE}")
    return 0


def _write(outcome: Answered, out: Path) -> None:
    """Write `answer.json`, the overlays and the DICOM objects."""
    answer, volume = outcome.answer, outcome.job.volume
    class_index = answer["result"]["classes"].index(answer["explanation"]["class"])
    kept = ClassMap(outcome.prediction.maps[class_index], outcome.prediction.footprint)
    class_map = kept.volume()
    _put(out / "answer.json", dumps(answer, indent=1).encode())
    found = bounds(answer, answer["explanation"]["class"], volume.spacing_mm, kept.peak())
    scale = render.Scale.of(volume.voxels, found)
    for index, (plane, part) in enumerate(zip(volume.voxels, class_map, strict=True)):
        picture = render.overlay(render.grey(plane, scale), render.glow(part, scale), DEFAULT_OPACITY, scale.said)
        _put(out / f"slices/{index}/overlay.png", render.png(picture))
    result = results.Result(answer, tuple(map(Dataset.from_json, outcome.job.origins)), volume)
    for earlier in (out / "seg.dcm", *out.glob("slices/*/slice.dcm")):  # of another study: not every one has them
        earlier.unlink(missing_ok=True)
    for kind in results.KINDS:
        for number, content in enumerate(results.build(kind, result, lambda: class_map)):
            _put(out / OF_EACH_SLICE.get(kind, f"{kind}.dcm").format(number), content)


def _put(place: Path, content: bytes) -> None:
    with replacing(place) as partial:
        partial.write_bytes(content)


def _leave(_signal: int, _frame: FrameType | None) -> None:
    """Raise an exception, so that the table is written before the process ends."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
