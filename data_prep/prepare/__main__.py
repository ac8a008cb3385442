"""Make the network inputs of an exam table before training, on this machine or on a cluster.

python -m data_prep.prepare exams.csv --recipe training/config/presets/demo.toml --out inputs/ [--cluster ADDRESS]
"""

import argparse
import json
from pathlib import Path

import tomlkit
from pydantic import TypeAdapter, ValidationError
from tomlkit.exceptions import TOMLKitError

from data_prep.dicom.quiet import ignore_pydicom_warnings
from data_prep.network_input.recipe import Recipe
from data_prep.prepare.cache import make_inputs
from data_prep.tables.exams import read_exams
from data_prep.workers import Workers


def read_recipe(path: Path) -> Recipe:
    """The recipe of a bundle (recipe.json) or of a preset (table `[recipe]` of a TOML file).

    Raises:
        ValueError: the file has no valid recipe.
    """
    text = path.read_text(encoding="utf-8")
    try:
        values = json.loads(text) if path.suffix == ".json" else tomlkit.parse(text).unwrap()["recipe"]
        return TypeAdapter(Recipe).validate_python(values)
    except KeyError:
        raise ValueError(f"{path}: no table [recipe]") from None
    except (ValidationError, TOMLKitError, json.JSONDecodeError) as error:
        raise ValueError(f"{path}: {error}") from None


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m data_prep.prepare", description="Make network inputs of exams.")
    parser.add_argument("exams", type=Path, help="the exam table")
    parser.add_argument("--recipe", type=Path, required=True, help="a bundle's recipe.json or a preset's TOML file")
    parser.add_argument("--out", type=Path, required=True, help="folder for the inputs; it may hold many recipes'")
    Workers.add_options(parser)
    options = parser.parse_args()
    ignore_pydicom_warnings()
    try:
        recipe = read_recipe(options.recipe)
        inputs = make_inputs(read_exams(options.exams), recipe, options.out, Workers.from_options(options))
    except (ValueError, OSError) as error:
        parser.exit(2, f"{parser.prog}: {error}\n")
    print(f"{len(inputs)} network inputs are in {options.out}")


if __name__ == "__main__":
    main()
