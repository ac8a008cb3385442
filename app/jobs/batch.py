"""Predictions on thousands of studies: an answer on the disk for each, and one table.

A batch that was stopped continues after the answers that are on the disk.

answers/<name of the study>.json   as the service answers, or {"status": "failed", "problem"}
predictions.csv                    a row for each study
bundle.json                        the bundle that predicted

For characters of a study's name that can't be printed, see `data_prep.names`.
"""

import csv
import json
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from typing import TYPE_CHECKING

from app.contract.json_text import Json, dumps
from app.contract.problems import Problem, reported
from app.jobs.answer import answered
from app.jobs.decoding import Decoded, Needs, decoded
from app.jobs.faults import FAULTS
from data_prep import names
from data_prep.files import replacing
from data_prep.progress import Progress
from data_prep.workers import Workers

if TYPE_CHECKING:
    from models.bundle import Bundle
    from models.predictor import Predictor

STEPS = ("decode", "preprocess", "network", "explain", "total")


class BatchError(ValueError):
    """A batch can't begin. The message gives the reason in one sentence."""


class Batch:
    """The studies directly below `root`, each a folder or a zip, and their answers in `out`.

    Raises:
        BatchError: There is no study.
    """

    def __init__(self, root: Path, out: Path) -> None:
        found = sorted(root.iterdir()) if root.is_dir() else []
        self.studies = [path for path in found if _is_study(path) and path.resolve() != out.resolve()]
        self._out = out
        if not self.studies:
            raise BatchError(f"{root} holds no folder and no zip.")
        self._files = _files_of([study.name for study in self.studies])

    def run(self, predictor: "Predictor", workers: Workers) -> Counter[str]:
        """Predict on every study without an answer. The table is written even if this is interrupted.

        Returns:
            How many studies are done, failed and waiting. Those wait whose decoding process was killed; another run
            tries them again.

        Raises:
            BatchError: The folder holds answers of another bundle.
            OSError, MemoryError: A fault of a machine. It is no study's failure; another run continues.
        """
        bundle = predictor.bundle
        self._begin(bundle)
        waiting = [study for study in self.studies if not self._place(study).exists()]
        known = len(self.studies) - len(waiting)
        needs = Needs(bundle.sha256, bundle.recipe, predictor.localises)
        try:
            with (
                self._scratch() as scratch,
                Progress(len(self.studies), "predicting", "study", known) as progress,
            ):
                for study, outcome in decoded(waiting, needs, workers, scratch):
                    if outcome is not None:
                        _write(self._place(study), _answer(predictor, outcome))
                    progress.update()
        finally:
            statuses = self._tabulate(bundle.scheme.classes)
        return statuses

    def _begin(self, bundle: "Bundle") -> None:
        """Answers of two bundles don't belong in one table."""
        place, mine = self._out / "bundle.json", {"name": bundle.name, "sha256": bundle.sha256}
        if place.exists() and json.loads(place.read_text(encoding="utf-8"))["sha256"] != bundle.sha256:
            raise BatchError(f"{self._out} holds answers of another bundle: choose another folder.")
        _write(place, mine)

    @contextmanager
    def _scratch(self) -> Iterator[Path]:
        """An empty folder, deleted at the end. Files left by a killed batch are deleted first."""
        folder = self._out.absolute() / "scratch"
        rmtree(folder, ignore_errors=True)
        folder.mkdir()
        try:
            yield folder
        finally:
            rmtree(folder, ignore_errors=True)  # after a fault, a process may still be writing

    def _place(self, study: Path) -> Path:
        return self._out / "answers" / self._files[study.name]

    def _tabulate(self, classes: Sequence[str]) -> Counter[str]:
        """Write the table. Returns how many studies have each status."""
        columns = ["name", "status", "problem", "predicted", *classes, "warnings", *(f"{step}_ms" for step in STEPS)]
        statuses = Counter[str]()
        with (
            replacing(self._out / "predictions.csv") as partial,
            partial.open("w", newline="", encoding="utf-8") as stream,
        ):
            table = csv.DictWriter(stream, columns)
            table.writeheader()
            for study in self.studies:
                place = self._place(study)
                answer = json.loads(place.read_text(encoding="utf-8")) if place.exists() else {"status": "waiting"}
                statuses[answer["status"]] += 1
                table.writerow({"name": names.cell(study.name), "status": answer["status"]} | _row(answer))
        return statuses


def _files_of(studies: Sequence[str]) -> dict[str, str]:
    """The answer file of each study. Names that some file systems treat as equal get a digest."""
    texts = {name: names.file_name(name) for name in studies}
    alike = Counter(map(_alike, texts.values()))
    return {
        name: f"{names.marked(names.shown(name)) if alike[_alike(text)] > 1 else text}.json"
        for name, text in texts.items()
    }


def _alike(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold()


def _is_study(path: Path) -> bool:
    return not path.name.startswith(".") and (path.is_dir() or path.suffix.lower() == ".zip")


def _answer(predictor: "Predictor", outcome: Decoded | Problem) -> Json:
    """The same answer as the service's. An error of the study is reported for this study only."""
    if isinstance(outcome, Decoded):
        try:
            return answered(predictor, *outcome).answer
        except FAULTS:
            raise
        except Exception as error:
            outcome = reported(error)
    return {"status": "failed", "problem": outcome.document()}


def _row(answer: Json) -> Json:
    if answer["status"] == "failed":
        return {"problem": names.no_formula(answer["problem"]["detail"])}
    if answer["status"] == "waiting":
        return {}
    result, timing = answer["result"], answer["timing_ms"]
    warnings = " ".join(warning["code"] for warning in answer["warnings"])
    times = {f"{step}_ms": timing[step] for step in STEPS}
    return {"predicted": result["predicted"], "warnings": warnings, **result["probabilities"], **times}


def _write(place: Path, content: Json) -> None:
    with replacing(place) as partial:
        partial.write_text(dumps(content, indent=1) + "\n", encoding="utf-8")
