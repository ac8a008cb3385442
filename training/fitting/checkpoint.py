"""Checkpoints: a killed run continues after its last complete epoch, and ends with the weights of an unkilled run.

One file holds everything that the rest of a run depends on: weights, the random state of dropout and of Python (Keras
shuffles batches with it), the optimiser, and the state of the callbacks. Batches depend only on seed and epoch. Keras'
BackupAndRestore doesn't keep callbacks and shuffling.
"""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from data_prep.files import replacing
from data_prep.volume import FloatArray

# The state of Keras' callbacks, except the best weights, which are kept as arrays.
CARRIED = {
    keras.callbacks.EarlyStopping: ("wait", "best", "best_epoch", "stopped_epoch"),
    keras.callbacks.ReduceLROnPlateau: ("wait", "best", "cooldown_counter"),
}

# The fields of `RunState` that aren't arrays.
WORDS = ("seeds", "phase", "epoch", "over", "callbacks", "shuffling", "starts", "settled")


@dataclass(frozen=True, eq=False)
class RunState:
    """The state of a run.

    Attributes:
        seeds: the seeds tried; the last one is in use.
        phase: index of the current phase.
        epoch: the next epoch of this phase.
        over: whether this phase needs no more epochs.
        callbacks: the callbacks' state.
        shuffling: Python's random state.
        variables: those of the network and the optimiser.
        best: the best epoch's weights.
        starts: seed and loss of each rejected start.
        settled: whether all starts were rejected; the last seed is then the best of them and isn't checked again.
    """

    seeds: list[int]
    phase: int = 0
    epoch: int = 0
    over: bool = False
    callbacks: list[dict[str, Any]] = field(default_factory=list)
    shuffling: list[Any] = field(default_factory=list)
    variables: list[FloatArray] = field(default_factory=list)
    best: list[FloatArray] = field(default_factory=list)
    starts: list[tuple[int, float]] = field(default_factory=list)
    settled: bool = False

    def write(self, path: Path) -> None:
        """Replace the file as a whole."""
        words = {name: getattr(self, name) for name in WORDS}
        arrays = {
            f"{name}{index:05d}": array
            for name in ("variables", "best")
            for index, array in enumerate(getattr(self, name))
        }
        with replacing(path) as partial, partial.open("wb") as stream:
            np.savez(stream, allow_pickle=False, words=np.array(json.dumps(words)), **arrays)

    def next_epoch(self, phase: int, epochs: int) -> int:
        """The epoch in which a phase of so many epochs begins or continues."""
        if phase != self.phase:
            return 0
        return epochs if self.over else self.epoch

    @classmethod
    def read(cls, path: Path) -> "RunState":
        """What `write` wrote."""
        with np.load(path) as file:
            variables, best = (
                [file[key] for key in sorted(file) if key.startswith(name)] for name in ("variables", "best")
            )
            words = json.loads(str(file["words"]))
            words["starts"] = [(seed, loss) for seed, loss in words["starts"]]
            return cls(**words, variables=variables, best=best)


class CheckpointCallback(keras.callbacks.Callback):  # type: ignore[misc]
    """Restores the kept state when training begins, and writes it after every epoch. Must be the last callback."""

    def __init__(self, path: Path, resumed: RunState, phase: int, others: Sequence[keras.callbacks.Callback]) -> None:
        super().__init__()
        self.path, self.resumed, self.phase = path, resumed, phase
        self.others = list(others)

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        self.model.optimizer.build(self.model.trainable_variables)
        if self.phase == self.resumed.phase and self.resumed.variables:
            self._put_back()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        (best,) = (callback.best_weights for callback in self.others if hasattr(callback, "best_weights"))
        RunState(
            seeds=self.resumed.seeds,
            phase=self.phase,
            epoch=epoch + 1,
            over=bool(self.model.stop_training),
            callbacks=[{name: getattr(callback, name) for name in CARRIED[type(callback)]} for callback in self.others],
            shuffling=list(random.getstate()),
            variables=[keras.ops.convert_to_numpy(variable) for variable in self._variables()],
            best=best,
            starts=self.resumed.starts,
            settled=self.resumed.settled,
        ).write(self.path)

    def _put_back(self) -> None:
        for variable, kept in zip(self._variables(), self.resumed.variables, strict=True):
            variable.assign(kept)
        for callback, words in zip(self.others, self.resumed.callbacks, strict=True):
            vars(callback).update(words)
            if hasattr(callback, "best_weights"):
                callback.best_weights = self.resumed.best
        version, numbers, gauss = self.resumed.shuffling
        random.setstate((version, tuple(numbers), gauss))

    def _variables(self) -> list[keras.Variable]:
        return [*self.model.variables, *self.model.optimizer.variables]
