"""The progress of training, for a person or a log file: a line for each epoch, and the batches between them."""

import time

import keras

from data_prep.progress import Progress, duration


class EpochLog(keras.callbacks.Callback):  # type: ignore[misc]
    """Reports one phase: every epoch on standard output, and its progress on standard error (see `Progress`)."""

    def __init__(self, phase: str, epochs: int) -> None:
        super().__init__()
        self.phase, self.epochs = phase, epochs
        self.progress: Progress | None = None

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.start, self.name = time.monotonic(), f"{self.phase}, epoch {epoch + 1} of {self.epochs}"
        self.progress = Progress(self.params["steps"] or 0, self.name, "batch", quiet=True)
        self.progress.__enter__()

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        if self.progress:
            self.progress.update()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.close()
        figures = ", ".join(f"{name} {value:.4g}" for name, value in (logs or {}).items())
        print(f"{self.name}, {duration(time.monotonic() - self.start)}: {figures}", flush=True)

    def close(self) -> None:
        """Stop reporting; also after an error."""
        if self.progress:
            self.progress.__exit__(None)
            self.progress = None
