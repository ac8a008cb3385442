"""A segmenter trained on Keras' JAX backend draws the same masks on TensorFlow."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from models.segment.segmenter import Segmenter
from tests.models.conftest import ON_JAX
from tests.training.drawings import TINY, annotated, table

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX isn't installed"),
]

# Rounding apart, two backends compute the same.
ROUNDING = 1e-4

TRAIN = """
import json, sys
from pathlib import Path
from models.segment.segmenter import Segmenter
from tests.training.test_segment_jax import probabilities
from training.segment import main
main(json.loads(sys.argv[1]))
out = Path(sys.argv[2])
out.with_suffix(".json").write_text(json.dumps(probabilities(Segmenter.load(out)).tolist()))
"""


def probabilities(segmenter: Segmenter) -> np.ndarray:
    """Of one unseen image."""
    exam = annotated(77)
    return segmenter.probabilities(exam.voxels, exam.spacing_mm).probabilities


def test_a_segmenter_trained_on_jax_answers_on_tensorflow(tmp_path):
    masks = table(tmp_path, ["train", "train", "val"])
    out = tmp_path / "localiser"
    words = ["quick", "--masks", str(masks), "--out", str(out), "--jobs", "1"]
    changes = [*TINY, "fit.epochs=1", "architecture.depth=1"]
    words += [word for change in changes for word in ("--set", change)]
    environment = os.environ | ON_JAX
    command = [sys.executable, "-c", TRAIN, json.dumps(words), str(out)]
    done = subprocess.run(command, env=environment, cwd=Path(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    segmenter = Segmenter.load(out)
    assert segmenter.provenance["backend"] == "jax"
    on_jax = np.array(json.loads(out.with_suffix(".json").read_text()))
    assert np.abs(probabilities(segmenter) - on_jax).max() < ROUNDING
