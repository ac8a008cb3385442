import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from data_prep.network_input.recipe import Recipe
from data_prep.prepare.__main__ import read_recipe

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
RECIPE = Recipe((30.0, 48.0, 48.0), (48, 48))


def test_recipes_come_from_bundles_and_presets(tmp_path):
    bundle = tmp_path / "recipe.json"
    bundle.write_text(json.dumps(asdict(RECIPE)))
    assert read_recipe(bundle) == RECIPE
    assert read_recipe(ROOT / "training/config/presets/demo.toml").size == (112, 112)


@pytest.mark.parametrize(
    ("text", "reason"),
    [("[fit]\n", "no table"), ("[recipe]\nsize = 3\n", "size"), ("recipe", "recipe.toml")],
)
def test_what_is_no_recipe_is_one_sentence(knees, tmp_path, text, reason):
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(text)
    command = ["data_prep.prepare", str(knees / "exams.csv"), "--recipe", str(recipe), "--out", str(tmp_path / "ready")]
    result = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert reason in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "ready").exists()
