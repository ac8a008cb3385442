"""Messages that all commands share: errors as sentences, and what to type next."""

import argparse
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from data_prep.dicom.quiet import ignore_pydicom_warnings
from training.fitting.backend import out_of_memory

LESS_MEMORY = "lower fit.batch_exams, recipe.size or the first figure of recipe.extent_mm (fewer slices)"


@contextmanager
def faults_as_sentences(parser: argparse.ArgumentParser, less_memory: str = LESS_MEMORY) -> Iterator[None]:
    """Errors of preset, exams or sizes end the program with one sentence and exit status 2."""
    ignore_pydicom_warnings()
    try:
        yield
    except (ValueError, OSError) as error:  # every InputError is a ValueError
        parser.exit(2, f"{parser.prog}: {error}\n")
    except Exception as error:
        if not out_of_memory(error):
            raise
        parser.exit(2, f"{parser.prog}: out of memory; {less_memory}\n")


def next_steps(out: Path) -> str:
    """Where the bundle is and what to type next."""
    bundle = shlex.quote(str(out))
    return (
        f"the bundle is in {out}; its MODEL_CARD.md describes it\n"
        f"evaluate it on exams that it hasn't seen:  python -m training.evaluate {bundle} --exams TABLE --split all\n"
        f"serve it:  make serve BUNDLE={bundle}"
    )
