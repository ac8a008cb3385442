"""What both sides of the epoch benchmark are given, and how they answer. Imports neither Keras nor PyTorch."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from data_prep.augment import Augmentation
from data_prep.prepare.cache import CachedInputs
from data_prep.volume import FloatArray

# As in the preset "mrnet".
AUGMENTATION = Augmentation(rotation_degrees=25.0, shift=0.1)
LEARNING_RATE, WEIGHT_DECAY = 1e-5, 0.01
# The first sets things up and isn't counted.
EPOCHS = 2


@dataclass(frozen=True, eq=False)
class Task:
    """Exams `[S, H, W]` of classes `allowed` `[N, K]`, one a step; after each epoch the first `held_out` are scored.

    weights: where the network starts, as Keras' `get_weights` gives them.
    """

    exams: Sequence[FloatArray]
    allowed: FloatArray
    weights: Sequence[FloatArray]
    held_out: int

    def write(self, folder: Path) -> None:
        """A folder for `read`."""
        for number, slices in enumerate(self.exams):
            np.save(folder / f"exam{number:03}.npy", slices)
        weights = {f"weight{number:03}": weight for number, weight in enumerate(self.weights)}
        np.savez(folder / "task.npz", allow_pickle=False, allowed=self.allowed, held_out=self.held_out, **weights)

    @classmethod
    def read(cls, folder: Path) -> Self:
        """What `write` wrote; exams are opened one at a time, as in training."""
        exams = CachedInputs(tuple(sorted(folder.glob("exam*.npy"))))
        with np.load(folder / "task.npz") as file:
            weights = [file[name] for name in sorted(file) if name.startswith("weight")]
            return cls(exams, file["allowed"], weights, int(file["held_out"]))


def peak_mb() -> float:
    """The most memory that was ever resident in this program, libraries' code included, as Linux counts it.

    Not `getrusage`, which counts a process from before it became this program, too: as a copy of its parent.
    """
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def report(seconds: float, imported_mb: float) -> None:
    """The last line that a side prints, for an epoch's seconds and the peak before there was anything but imports."""
    figures = {"seconds": seconds, "peak_mb": peak_mb(), "training_mb": peak_mb() - imported_mb}
    print(json.dumps(figures, allow_nan=False))
