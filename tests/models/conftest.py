"""Tiny networks and a bundle, made by the code that makes the real ones."""

from pathlib import Path

import keras
import numpy as np
import pytest

from data_prep.labels import BINARY, FOUR_CLASS, LabelScheme
from data_prep.network_input.recipe import Recipe
from data_prep.statistics import Figure
from models.bundle import write_bundle
from models.calibration import Calibration
from models.operating_point import OperatingPoint, Rates
from models.routes.ensemble import Ensemble
from models.routes.finetuned import FineTuned
from models.routes.machines import Linear, Rbf
from models.routes.mrnet import MRNet
from models.routes.network import Head
from models.routes.svc import SVC, pool_slices
from models.trunks import Trunk

RECIPE = Recipe((40.0, 60.0, 60.0), (63, 63))
PROVENANCE = {
    "trained_on": "synthetic",
    "trained_at": "2026-11-29",
    "exams": {"train": 0},
    "seed": 1,
    "commit": "none",
    "command": "none",
}
TINY_TRUNK = Trunk(cut="conv5", width=1 / 16)
TEMPERATURES = (0.5, 2.0, 1.0)
# Variables for a process on JAX. What it compiles runs once or twice: optimising it takes longer.
ON_JAX = {
    "KERAS_BACKEND": "jax",
    "XLA_FLAGS": "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true",
}


def _rates(hits: int, exams: int) -> Rates:
    figure = Figure.of_share("rate", np.arange(exams) < hits, "exams of a test")
    return Rates(figure, figure)


POINT = OperatingPoint(0.3, 0.95, _rates(20, 20), _rates(18, 20))


def tiny_mrnet(scheme: LabelScheme = BINARY, seed: int = 1) -> MRNet:
    """An untrained MRNet of 1/16 width, cut where its grid still has 3 x 3 cells, with a bias worth the name."""
    keras.utils.set_random_seed(seed)
    route = MRNet(TINY_TRUNK, dropout=0.5, scheme=scheme, recipe=RECIPE)
    route.network.head.bias.assign(np.linspace(-1, 1, len(scheme)))
    return route


def tiny_finetuned(head: Head, scheme: LabelScheme = BINARY, seed: int = 1) -> FineTuned:
    """The same trunk and bias around any head."""
    keras.utils.set_random_seed(seed)
    route = FineTuned(TINY_TRUNK, head, scheme, RECIPE)
    route.network.head.bias.assign(np.linspace(-1, 1, len(scheme)))
    return route


def some_slices(count: int = 5, seed: int = 0) -> np.ndarray:
    """Random slices as the recipe would make them."""
    return np.random.default_rng(seed).random((count, *RECIPE.size), np.float32)


def tiny_svc(kernel: str = "linear", pooling: str = "mean", scheme: LabelScheme = BINARY, seed: int = 1) -> SVC:
    """A trunk of 1/16 width and a machine of random numbers that knows the trunk's own means and deviations."""
    keras.utils.set_random_seed(seed)
    route = SVC(TINY_TRUNK, pooling, kernel, scheme, RECIPE)
    exams = [route.features(some_slices(seed=exam)).mean(axis=(1, 2)) for exam in range(20)]
    pooled = np.stack([pool_slices(slices, pooling) for slices in exams])
    mean, scale = pooled.mean(axis=0), pooled.std(axis=0) + 1e-3
    draw, decisions = np.random.default_rng(seed).normal, 1 if scheme is BINARY else 4
    if kernel == "linear":
        route.machine = Linear(mean, draw(size=(len(mean), decisions)) / scale[:, None], draw(size=decisions))
    else:
        support, dual = draw(size=(9, len(mean))), draw(size=(9, decisions))
        route.machine = Rbf(mean, scale, support, dual, draw(size=decisions), np.array(1 / len(mean)))
    return route


def tiny_ensemble(
    scheme: LabelScheme = BINARY, seed: int = 1, temperatures: tuple[float, ...] = TEMPERATURES
) -> Ensemble:
    """Tiny MRNets of the seeds from `seed` on, some surer than others."""
    members = [tiny_mrnet(scheme, seed + number) for number in range(len(temperatures))]
    return Ensemble("mrnet", members, temperatures, RECIPE)


def write_tiny_bundle(folder: Path, scheme: LabelScheme = BINARY) -> Path:
    """A complete bundle around it."""
    write_bundle(folder, tiny_mrnet(scheme), "mrnet", RECIPE, Calibration(1.5), {"figures": []}, PROVENANCE, "")
    return folder


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory) -> Path:
    return write_tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny")


@pytest.fixture(params=[BINARY, FOUR_CLASS], ids=lambda scheme: scheme.name)
def scheme(request) -> LabelScheme:
    return request.param
