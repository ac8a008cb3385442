"""Train one preset on one exam table and write a bundle.

    python -m training.train PRESET --exams exams.csv --out bundles/NAME [--set key=value ...]

Read from top to bottom: `train` is the whole story. Same preset, exams and library versions on the same kind of CPU:
the same bundle, bit for bit.
"""

import argparse
import shlex
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from data_prep.exams import Exam, read_exams
from data_prep.figures import Figure
from data_prep.ready import pixel_digests
from models.bundle import check_free, load_bundle, write_bundle
from models.colour_scale import ColourScale
from models.finetuned import FineTuned
from models.predictor import Predictor
from models.seen import ROLE_OF_SPLIT, Role, Seen
from training.backend import out_of_memory
from training.checks import check_judgeable_split, check_learnable
from training.colour_scale import measured_scale
from training.config import Config, load_config
from training.evaluate import Row, evaluate, figures
from training.learn import Learnt, learn
from training.place import Place
from training.svc import KERNELS

LESS_MEMORY = "lower fit.batch_exams, recipe.size or the first figure of recipe.extent_mm (fewer slices)"


def train(config: Config, text: str, exams: Sequence[Exam], out: Path, command: str, place: Place) -> None:
    """Fit on split "train", choose epoch and temperature on "val", report on "test"; then write the bundle.

    A bundle that is at `out` is replaced in the end, once the new one is whole.
    """
    check_bundleable(config)
    check_learnable(config, exams)
    test = [exam for exam in exams if exam.split == "test"]
    if test:
        check_judgeable_split(test, "split test")
    learnt = learn(config, exams, place)
    check_finite(learnt)
    rows, measured = _measured(learnt, text, exams, test, out, command) if test else ([], [])
    print(*measured, sep="\n")
    pixels = {row.exam_id: row.pixels for row in rows}
    write(learnt, text, exams, out, command, measured, measured_scale(learnt, exams), pixels)
    learnt.fitted.forget()


def next_steps(out: Path) -> str:
    """Where the bundle lies and what to type now."""
    bundle = shlex.quote(str(out))
    return (
        f"the bundle is in {out}; MODEL_CARD.md there tells about it\n"
        f"judge it on exams that it hasn't seen:  python -m training.evaluate {bundle} --exams TABLE --split all\n"
        f"serve it:  make serve BUNDLE={bundle}"
    )


def _measured(
    learnt: Learnt, text: str, exams: Sequence[Exam], test: Sequence[Exam], out: Path, command: str
) -> tuple[list[Row], list[Figure]]:
    """Answers and figures on the exams `test`, asked of a bundle that is written, read and deleted again.

    Exams of which the training or validation part has a copy are left out; where too few remain there is no figure.
    """
    out.resolve().parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=out.resolve().parent, prefix=f".{out.name}.") as apart:
        write(learnt, text, exams, Path(apart) / out.name, command)
        rows, left_out = evaluate(Predictor(load_bundle(Path(apart) / out.name)), test)
    known = {row.exam_id for row in rows}
    try:
        check_judgeable_split([exam for exam in test if exam.exam_id in known], "what is left of split test")
    except ValueError as error:
        print(f"warning: {left_out}; so the bundle has no figures: {error}")
        return rows, []
    return rows, figures(rows, f"{_sources(exams)} exams of split test, never used for a choice{left_out.aside}")


def check_finite(learnt: Learnt) -> None:
    """ValueError for a network whose weights have grown beyond all numbers."""
    classifier = learnt.fitted.classifier
    weights = classifier.network.get_weights() if isinstance(classifier, FineTuned) else []
    if not all(np.isfinite(weight).all() for weight in weights):
        raise ValueError("training ended with weights that are no numbers: lower fit.learning_rate")


def check_bundleable(config: Config) -> None:
    """ValueError for a classifier that no bundle can hold."""
    if config.svc and config.svc.kind not in KERNELS:
        raise ValueError(f"{config.svc.kind} is there to be compared with; a bundle holds one of {', '.join(KERNELS)}")


def write(
    learnt: Learnt,
    text: str,
    exams: Sequence[Exam],
    out: Path,
    command: str,
    measured: Sequence[Figure] = (),
    colours: ColourScale | None = None,
    tested: Mapping[str, str] | None = None,
) -> None:
    """The bundle, with what was measured.

    exams: all of the table that it came from; text: the preset's. tested: digests of pixels by the ids of exams that
    figures were measured on.
    """
    assert learnt.fitted.classifier
    config = learnt.config
    provenance = {
        "trained_on": "synthetic" if {exam.source for exam in exams} == {"phantom"} else _sources(exams, ", "),
        "exams": dict(Counter(exam.split for exam in exams)),
        "seed": config.seed,
        "commit": _commit(),
        "command": command,
        **learnt.fitted.notes,
        **({"notices": [asdict(notice) for notice in learnt.notices]} if learnt.notices else {}),
    }
    results = {"figures": [asdict(figure) for figure in measured]}
    parts = (learnt.fitted.classifier, config.route, config.recipe, learnt.calibration)
    write_bundle(out, *parts, results, provenance, text, colours, seen(exams, learnt.place, tested or {}))


def seen(exams: Sequence[Exam], place: Place, tested: Mapping[str, str]) -> Seen:
    """Who was learnt from, chosen on and tested, for the bundle; the exams' ready arrays have been made."""
    roles: dict[str, Role] = {
        exam.exam_id: ROLE_OF_SPLIT[exam.split] for exam in exams if exam.split in ("train", "val")
    }
    roles |= dict.fromkeys(tested, "tested")
    known = [exam for exam in exams if exam.split in ("train", "val")]
    return Seen.of(exams, {**pixel_digests(known, place.ready), **tested}, roles)


def _sources(exams: Sequence[Exam], between: str = "/") -> str:
    return between.join(sorted({exam.source for exam in exams}))


def _commit() -> str:
    result = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return result.stdout.strip() or "unknown"


@contextmanager
def faults_as_sentences(parser: argparse.ArgumentParser, less_memory: str = LESS_MEMORY) -> Iterator[None]:
    """What is wrong with preset, exams or sizes ends the program with one sentence and exit status 2."""
    try:
        yield
    except (ValueError, OSError) as error:  # every InputError is a ValueError
        parser.exit(2, f"{parser.prog}: {error}\n")
    except Exception as error:
        if not out_of_memory(error):
            raise
        parser.exit(2, f"{parser.prog}: out of memory; {less_memory}\n")


def main() -> None:
    parser = argparse.ArgumentParser(description="Train a preset on an exam table and write a bundle.")
    parser.add_argument("preset", help="a name in training/presets or a TOML file")
    parser.add_argument("--exams", type=Path, required=True, help="the exam table")
    parser.add_argument("--out", type=Path, required=True, help="the bundle's folder")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change a key of the preset")
    parser.add_argument("--force", action="store_true", help="replace the bundle that is at OUT")
    Place.add_options(parser)
    arguments = parser.parse_args()
    changes = [word for change in arguments.set for word in ("--set", change)]
    precision = ["--mixed-precision"] if arguments.mixed_precision else []
    command = shlex.join(["python", "-m", "training.train", arguments.preset, *changes, *precision])
    with faults_as_sentences(parser):
        check_free(arguments.out, arguments.force)
        config, text = load_config(arguments.preset, arguments.set)
        exams = read_exams(arguments.exams)
        train(config, text, exams, arguments.out, command, Place.from_options(arguments))
        print(next_steps(arguments.out))


if __name__ == "__main__":
    main()
