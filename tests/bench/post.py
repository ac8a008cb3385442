"""Where the time of a POST goes: its parts and the whole of it, side by side in one run.

    python -m tests.bench.post [--bundle models/bundles/demo] [--rounds 15]

Only ratios carry over to another machine; they are taken round by round, since machines are noisy. The POSTs go over
loopback to a service of its own process, each with a study that it hasn't seen.
"""

import argparse
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from itertools import count
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
from pydicom.dataset import FileDataset

from app.client import RunningService, serving
from data_prep.network_input.crop import crop
from data_prep.phantom.dicom_out import instance
from data_prep.phantom.knee import generate
from data_prep.phantom.scanner import PROFILES
from data_prep.selection.series import load_study
from models.bundle import Bundle, load_bundle

SLICES = 24
# The first rounds meet cold caches and libraries that are still setting themselves up.
WARM_UP = 3

Seconds = dict[str, list[float]]


def main() -> None:
    parser = argparse.ArgumentParser(description="Where the time of a POST goes.")
    parser.add_argument("--bundle", type=Path, default=Path("models/bundles/demo"))
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    bundle, study = load_bundle(arguments.bundle), _study()
    seconds: Seconds = defaultdict(list)
    with (
        tempfile.TemporaryDirectory(prefix="cruciate-") as scratch,
        serving(arguments.bundle, Path(scratch)) as service,
    ):
        service.wait_until_ready()
        for number in range(WARM_UP + arguments.rounds):
            _round(bundle, service, _zipped(study, number), seconds)
    kept = {step: np.array(values[WARM_UP:]) for step, values in seconds.items()}
    print(f"Medians of {arguments.rounds} rounds, a deflated zip of {SLICES} slices, bundle {bundle.name!r}:\n")
    for step, values in kept.items():
        print(f"{step:12}{1000 * np.median(values):9.1f} ms")
    predicting = kept["preprocess"] + kept["forward"]
    whole = np.median(kept["whole POST"] / (kept["decode"] + kept["forward"]))
    explaining = np.median((predicting + kept["explain"]) / (predicting + kept["logits"]))
    print(f"\nwhole POST / (decode + forward)      {whole:5.2f}   (at most 1.50)")
    print(f"explaining / predicting              {explaining:5.2f}   (at most 1.10)")


def _round(bundle: Bundle, service: RunningService, body: bytes, seconds: Seconds) -> None:
    classifier = bundle.classifier
    with _clock(seconds["decode"]):
        volume = load_study([("study.zip", BytesIO(body))]).volume
    with _clock(seconds["preprocess"]):
        slices, _ = crop(volume.voxels, volume.spacing_mm, bundle.recipe)
    with _clock(seconds["forward"]):
        features = classifier.features(slices)
    with _clock(seconds["logits"]):
        classifier.logits(features)
    with _clock(seconds["explain"]):
        classifier.explain(slices, features)
    with _clock(seconds["whole POST"]):
        service.ask("POST", "/v1/predictions", body, {"Content-Type": "application/zip"})


@contextmanager
def _clock(values: list[float]) -> Iterator[None]:
    start = time.perf_counter()
    yield
    values.append(time.perf_counter() - start)


def _study() -> list[FileDataset]:
    """The instances of the first synthetic knee that has the wanted number of slices."""
    knees = (generate(seed, "healthy", PROFILES[1]) for seed in count())
    knee = next(knee for knee in knees if knee.scan.slices == SLICES)
    return [instance(knee, index) for index in range(SLICES)]


def _zipped(study: list[FileDataset], number: int) -> bytes:
    """A zip as zip tools make it; `number` goes into a pixel, so that each body is another study to the service."""
    first = study[0]
    first.PixelData = number.to_bytes(2, "little") + first.PixelData[2:]
    body = BytesIO()
    with ZipFile(body, "w", ZIP_DEFLATED) as archive:
        for index, dataset in enumerate(study):
            file = BytesIO()
            dataset.save_as(file, enforce_file_format=True)
            archive.writestr(f"{index}.dcm", file.getvalue())
    return body.getvalue()


if __name__ == "__main__":
    main()
