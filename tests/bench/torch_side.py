"""MRNet in plain PyTorch, for the benchmark alone: what it would cost without Keras.

    python -m tests.bench.torch_side FOLDER

One process of `tests.bench.epoch`: trains on the folder's exams and prints what that took.
"""

import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from data_prep.volume import FloatArray
from tests.bench.task import AUGMENTATION, EPOCHS, LEARNING_RATE, WEIGHT_DECAY, Task, peak_mb, report

# ImageNet's, as torchvision has them.
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class MRNet(nn.Module):
    """The slices of one exam `[S, H, W]` in 0..1 -> logits `[K]` (Bien 2018, doi:10.1371/journal.pmed.1002699)."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *_conv(3, 64, kernel=11, stride=4, padding=2),
            nn.MaxPool2d(3, 2),
            *_conv(64, 192, kernel=5, padding=2),
            nn.MaxPool2d(3, 2),
            *_conv(192, 384, kernel=3, padding=1),
            *_conv(384, 256, kernel=3, padding=1),
            *_conv(256, 256, kernel=3, padding=1),
            nn.MaxPool2d(3, 2),
        )
        self.head = nn.Linear(256, classes)
        self.register_buffer("mean", torch.tensor(MEAN)[:, None, None])
        self.register_buffer("deviation", torch.tensor(DEVIATION)[:, None, None])

    def forward(self, slices: torch.Tensor) -> torch.Tensor:
        colour = (slices[:, None] - self.mean) / self.deviation
        features = self.features(colour).mean(dim=(2, 3))
        logits: torch.Tensor = self.head(features.amax(dim=0))
        return logits

    def set_weights(self, weights: Sequence[FloatArray]) -> None:
        """Take over Keras' kernels `[h, w, in, out]` and biases, layer by layer."""
        for parameter, weight in zip(self.parameters(), weights, strict=True):
            to_front = np.moveaxis(weight, (-1, -2), (0, 1)) if weight.ndim > 1 else weight
            parameter.data = torch.tensor(np.ascontiguousarray(to_front))


def _conv(channels: int, filters: int, kernel: int, stride: int = 1, padding: int = 0) -> tuple[nn.Module, nn.Module]:
    return nn.Conv2d(channels, filters, kernel, stride, padding), nn.ReLU(inplace=True)


def set_loss(allowed: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    """As `training.fitting.losses.set_loss`, of one exam."""
    return logits.logsumexp(0) - logits[allowed > 0].logsumexp(0)


def make_optimiser(network: nn.Module) -> torch.optim.Optimizer:
    """AdamW; biases don't decay."""
    kernels = [parameter for parameter in network.parameters() if parameter.ndim > 1]
    biases = [parameter for parameter in network.parameters() if parameter.ndim == 1]
    groups = [{"params": kernels, "weight_decay": WEIGHT_DECAY}, {"params": biases, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=LEARNING_RATE, eps=1e-7)


def step(network: nn.Module, optimiser: torch.optim.Optimizer, slices: FloatArray, allowed: FloatArray) -> float:
    """Learn from one exam; its loss before that."""
    optimiser.zero_grad()
    loss = set_loss(torch.tensor(allowed), network(torch.tensor(slices)))
    loss.backward()
    optimiser.step()
    return float(loss.item())


def main() -> None:
    imported = peak_mb()
    task = Task.read(Path(sys.argv[1]))
    network = MRNet(task.allowed.shape[1])
    network.set_weights(task.weights)
    optimiser = make_optimiser(network)
    for epoch in range(EPOCHS):
        start = time.perf_counter()
        for exam in np.random.default_rng(epoch).permutation(len(task.exams)).tolist():
            slices = AUGMENTATION.apply(task.exams[exam], np.random.default_rng((epoch, exam)))
            step(network, optimiser, slices, task.allowed[exam])
        with torch.no_grad():
            for exam in range(task.held_out):
                set_loss(torch.tensor(task.allowed[exam]), network(torch.tensor(task.exams[exam]))).item()
        seconds = time.perf_counter() - start
    report(seconds, imported)


if __name__ == "__main__":
    main()
