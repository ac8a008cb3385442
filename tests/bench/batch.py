"""What a batch of studies costs beside the network's forward passes alone.

    python -m tests.bench.batch [--bundle models/bundles/demo] [--studies 100] [--rounds 3]

Synthetic knees as folders of DICOM: first forward passes and nothing else, of slices that lie ready in memory; then
`app.jobs.batch`, from folders to table, starting the processes that decode included. Only ratios carry over to another
machine; they are taken round by round, since machines are noisy.
"""

import argparse
import tempfile
from functools import partial
from pathlib import Path
from timeit import timeit

import numpy as np

from app.jobs.batch import Batch
from data_prep.network_input.crop import crop
from data_prep.phantom.cohort import Cohort
from data_prep.selection.series import load_study
from data_prep.workers import Workers
from models.bundle import load_bundle
from models.predictor import Predictor

SEED = 1
# What is timed makes garbage, which `timeit` would leave lying.
WITH_GC = "gc.enable()"


def main() -> None:
    parser = argparse.ArgumentParser(description="What a batch costs beside forward passes alone.")
    parser.add_argument("--bundle", type=Path, default=Path("models/bundles/demo"))
    parser.add_argument("--studies", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    bundle, workers = load_bundle(arguments.bundle), Workers()
    with tempfile.TemporaryDirectory(prefix="cruciate-") as scratch:
        root = _studies(Path(scratch), arguments.studies, workers)
        volumes = (load_study(study).volume for study in sorted(root.iterdir()))
        ready = [crop(volume.voxels, volume.spacing_mm, bundle.recipe).slices for volume in volumes]
        bundle.classifier.features(ready[0])
        alone, batch = [], []
        for number in range(arguments.rounds):
            alone.append(timeit(lambda: [bundle.classifier.features(slices) for slices in ready], WITH_GC, number=1))
            whole = Batch(root, Path(scratch) / f"answers-{number}")
            batch.append(timeit(partial(whole.run, Predictor(bundle), workers), WITH_GC, number=1))
    print(f"Medians of {arguments.rounds} rounds, {len(ready)} studies, bundle {bundle.name!r}:\n")
    for name, seconds in (("forward alone", alone), ("batch", batch)):
        print(f"{name:15}{len(ready) / np.median(seconds):7.1f} studies a second")
    ratio = np.median(np.divide(alone, batch))
    print(f"\nbatch / forward alone{ratio:12.2f}   (at least 0.85 where the network takes longer than decoding)")


def _studies(scratch: Path, count: int, workers: Workers) -> Path:
    """A folder of studies, each a folder of DICOM files."""
    exams = Cohort(SEED).write(scratch / "knees", count, jobs=workers.processes)
    root = scratch / "studies"
    root.mkdir()
    for exam in exams:
        (root / exam.exam_id).symlink_to(scratch / "knees" / exam.path)
    return root


if __name__ == "__main__":
    main()
