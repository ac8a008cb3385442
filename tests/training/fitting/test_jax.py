"""A bundle trained on Keras' JAX backend answers on TensorFlow, for both routes that train a network."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from data_prep.network_input.crop import crop
from models.bundle import Bundle, load_bundle
from models.files.golden import golden_volume
from tests.models.conftest import ON_JAX
from tests.training.tiny import TINY_TRUNK

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX isn't installed"),
]

TINY = [*TINY_TRUNK, "recipe.extent_mm=[20.0, 60.0, 60.0]", "fit.epochs=1", "fit.restarts=0"]
# Rounding apart, two backends compute the same.
ROUNDING = 1e-4

# What each route adds.
CHANGES = {"mrnet": [], "vgg16": ['fit.trainable_from="conv4"', "head_first.epochs=1"]}

# `training.train` as a user runs it where TensorFlow is missing, for each list of words; and what the bundles say.
TRAIN = """
import importlib.abc, json, sys
from pathlib import Path

class NoTensorFlow(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "tensorflow":
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, NoTensorFlow())
from models.bundle import load_bundle
from tests.training.fitting.test_jax import golden_logits
from training.train import main
for words in json.loads(sys.argv[1]):
    sys.argv[1:] = words
    main()
    out = Path(words[words.index("--out") + 1])
    out.with_suffix(".json").write_text(json.dumps(golden_logits(load_bundle(out))))
"""


def golden_logits(bundle: Bundle) -> list[float]:
    """Of one study, unrounded."""
    volume = golden_volume()
    slices, _ = crop(volume.voxels, volume.spacing_mm, bundle.recipe)
    return bundle.classifier.logits(bundle.classifier.features(slices)).tolist()


def three_exams(table: Path, out: Path) -> Path:
    """A table of two exams for training and one for validation; every shape of exam is compiled anew."""
    heading, *rows = table.read_text().splitlines()
    learn, held_out = ([row for row in rows if f",{split}," in row] for split in ("train", "val"))
    healthy, torn = (next(row for row in learn if f",{label}," in row) for label in ("healthy", "unhealthy"))
    out.write_text("\n".join([heading, healthy, torn, held_out[0]]) + "\n")
    return out


@pytest.fixture(scope="module")
def trained(knees, tmp_path_factory) -> Path:
    """A folder with a bundle of each preset and what it said on JAX."""
    folder = tmp_path_factory.mktemp("jax")
    table = three_exams(knees / "exams.csv", knees / "three.csv")
    words = [
        [preset, "--exams", str(table), "--out", str(folder / preset), "--jobs", "1"]
        + [word for change in (*TINY, *changes) for word in ("--set", change)]
        for preset, changes in CHANGES.items()
    ]
    command = [sys.executable, "-c", TRAIN, json.dumps(words)]
    environment = os.environ | ON_JAX
    root = Path(__file__).parents[3]
    result = subprocess.run(command, env=environment, cwd=root, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return folder


@pytest.mark.parametrize("preset", CHANGES)
def test_what_jax_has_trained_tensorflow_can_serve(trained, preset):
    bundle = load_bundle(trained / preset)
    there = json.loads((trained / f"{preset}.json").read_text())
    assert golden_logits(bundle) == pytest.approx(there, rel=ROUNDING, abs=ROUNDING)


def test_its_bundle_names_jax(trained):
    manifest = load_bundle(trained / "mrnet").manifest
    assert manifest["backend"] == "jax"
    assert "jax" in manifest["versions"]
    assert "tensorflow" not in manifest["versions"]
