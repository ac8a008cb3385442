"""The experiments as a user runs them, on small synthetic exams: some run, some fail, one is killed and continued."""

import csv
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from data_prep.tables.exams import Exam, read_exams, write_exams
from data_prep.workers import Workers
from training import experiments
from training.config.config import PRESETS
from training.config.published import EVERY_ROW, Experiments
from training.experiments import main, write_tenth
from training.runs import cross_validation

pytestmark = pytest.mark.slow

# The issue's table, figure by figure.
ISSUE = {
    "mrnet-tuned": {"accuracy": 0.83, "macro one-vs-rest AUC": 0.888, "loss": 0.18},
    "vgg16": {
        "accuracy": 0.96,
        "loss": 0.27,
        "weighted F1": 0.96,
        "F1 healthy": 0.98,
        "F1 minor strain": 0.83,
        "F1 partial rupture or strain": 0.61,
        "F1 complete rupture": 0.57,
    },
    "vgg16-svc": {
        "accuracy": 0.95,
        "weighted F1": 0.95,
        "F1 healthy": 0.98,
        "F1 minor strain": 0.76,
        "F1 partial rupture or strain": 0.49,
        "F1 complete rupture": 0.42,
    },
}
SAYS = {
    "mrnet-tuned": "overfits",
    "vgg16": "overfits after epoch 20",
    "vgg19": "no better than VGG16",
    "resnet50": "no better than VGG16",
    "squeezenet": "no better than VGG16",
    "vgg16-scratch": "abandoned: days on a GTX 1080",
    "vgg16-augmented": "overfits",
    "vgg16-binary": "less overfitting",
    "segmentation-first": "improves where the network looks",
}
# Makes rows with AlexNet train in seconds; the others have no narrow form, and say so.
TINY = ["recipe.size=[64, 64]", "recipe.extent_mm=[24.0, 68.0, 68.0]", "trunk.weights='random'", "trunk.width=0.0625"]
EPOCH = ["fit.epochs=1", "fit.restarts=0", "fit.batch_exams=4"]


def arguments(table: Path, out: Path, *more: str, changes: list[str]) -> list[str]:
    words = [word for change in changes for word in ("--set", change)]
    return ["--exams", str(table), "--out", str(out), "--folds", "2", "--all", "--jobs", "1", *words, *more]


def entries(out: Path) -> dict[str, dict]:
    return {entry["row"]["name"]: entry for entry in json.loads((out / "table.json").read_text())["rows"]}


@pytest.fixture(scope="module")
def killed_and_continued(knees, tmp_path_factory) -> tuple[Path, list[str]]:
    """Three experiments, killed in the third and run again; and the presets that the second run had to run."""
    out = tmp_path_factory.mktemp("experiments") / "experiments"
    words = arguments(knees / "exams.csv", out, "--rows", "vgg19", "mrnet-tuned", "mrnet-binary", changes=TINY + EPOCH)
    plain, begun = cross_validation.cross_validate, []

    def counted(plan, *rest):
        begun.append("scheme='four_class'" in plan.changes)
        if begun == [True, False]:
            raise KeyboardInterrupt
        return plain(plan, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(experiments, "cross_validate", counted)
        with pytest.raises(KeyboardInterrupt):
            main(words)
        assert entries(out)["mrnet-tuned"]["report"]
        assert not entries(out)["mrnet-binary"]["report"]
        begun.append("killed")
        with pytest.raises(SystemExit) as ended:
            main(words)
    assert ended.value.code == 1
    return out, begun


def test_a_finished_row_is_not_run_again(killed_and_continued):
    _, begun = killed_and_continued
    assert begun == [True, False, "killed", False]


def test_published_figures_stand_beside_ours(killed_and_continued):
    out, _ = killed_and_continued
    with (out / "table.csv").open(newline="") as stream:
        lines = {(line["row"], line["figure"]): line for line in csv.DictReader(stream)}
    accuracy = lines["mrnet-tuned", "accuracy"]
    assert accuracy["published"] == "0.83"
    assert accuracy["published_on"] == "validation set, 761 real exams"
    assert accuracy["measured_on"] == "12 phantom exams of exams.csv, held out in 2 folds"
    assert float(accuracy["low_95"]) <= float(accuracy["ours"]) <= float(accuracy["high_95"])
    (folder,) = out.glob("mrnet-tuned-*")
    figures = json.loads((folder / "figures.json").read_text())["figures"]
    assert float(accuracy["ours"]) == {figure["name"]: figure["value"] for figure in figures}["accuracy"]
    assert lines["mrnet-binary", "binary AUC"]["published"] == "0.965"
    assert "Bien 2018" in lines["mrnet-binary", "binary AUC"]["published_on"]
    assert lines["mrnet-binary", "accuracy"]["published"] == ""


def test_the_table_to_read_has_them_too(killed_and_continued):
    out, _ = killed_and_continued
    text = (out / "table.md").read_text()
    rows = [[cell.strip() for cell in line.split(" | ")] for line in text.splitlines() if line.startswith("| ")]
    assert len({len(row) for row in rows}) == 1
    column = rows[0].index("accuracy")
    tuned = [row for row in rows if row[0] == "| MRNet, 4-class, tuned"]
    assert [row[1] for row in tuned] == ["published", "ours: `mrnet-tuned`"]
    assert tuned[0][column] == "0.83"
    assert tuned[1][column].startswith(f"{entries(out)['mrnet-tuned']['report']['figures'][0]['value']:.3f} (")
    assert "trunk.width=0.0625" in tuned[1][-1]
    waits = "the comparison with and without a localiser hasn't been made yet"
    for name in ("training.experiments --folds 2 --all", waits, "`random-forest`"):
        assert name in text


def test_a_row_that_fails_says_why_and_the_others_go_on(killed_and_continued):
    out, _ = killed_and_continued
    assert "vgg19 has width 1 only" in entries(out)["vgg19"]["missing"]
    assert entries(out)["mrnet-binary"]["report"]
    assert entries(out)["mrnet-binary"]["command"].startswith(
        "python -m training.crossval mrnet --folds 2 --all --set "
    )


def test_a_row_run_otherwise_is_another_run(killed_and_continued, knees, monkeypatch, capsys):
    out, _ = killed_and_continued
    monkeypatch.setattr(experiments, "cross_validate", lambda plan, *rest: pytest.fail(f"ran {plan}"))
    table = knees / "exams.csv"
    main(arguments(table, out, "--rows", "mrnet-binary", changes=TINY + EPOCH))
    assert "12 phantom exams of exams.csv" in capsys.readouterr().out
    main(arguments(table, out, "--rows", "segmentation-first", changes=[*TINY, *EPOCH, "seed=2"]))
    assert not entries(out)["mrnet-binary"]["report"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (["--rows", "vgg17"], "no row vgg17; there are mrnet, "),
        (["--exams", "nowhere.csv"], "nowhere.csv"),
        (["--quick"], "10 folds need a label that at least as many exams have"),
    ],
)
def test_what_no_row_can_run_with_is_one_sentence(knees, tmp_path, capsys, change, reason):
    with pytest.raises(SystemExit) as ended:
        main(arguments(knees / "exams.csv", tmp_path, *change, changes=[]))
    assert ended.value.code == 2
    assert reason in capsys.readouterr().err


def patchworks(folder: Path, count: int) -> Path:
    """Small arrays that no screen calls noise, four healthy ones on one unhealthy; each patient has two of a kind."""
    random = np.random.default_rng(1)
    exams = []
    for index in range(count):
        path = folder / f"{index}.npy"
        np.save(path, np.kron(random.random((3, 5, 5)), np.ones((1, 8, 8))))
        label = frozenset({"unhealthy" if index // 2 % 5 == 0 else "healthy"})
        exams.append(Exam(f"e{index}", f"p{index // 2}", path, "patchwork", binary=label, spacing_mm=(4.0, 2.0, 2.0)))
    write_exams(exams, folder / "exams.csv")
    return folder / "exams.csv"


def test_a_tenth_has_each_label_as_often_and_whole_patients(tmp_path):
    table = patchworks(tmp_path, 200)
    tenth = write_tenth(table, tmp_path / "experiments", False, Workers(jobs=1))
    assert tenth.name == "exams-tenth.csv"
    drawn = read_exams(tenth)
    assert Counter(label for exam in drawn for label in exam.binary) == {"healthy": 16, "unhealthy": 4}
    assert set(Counter(exam.patient_id for exam in drawn).values()) == {2}
    assert {exam.exam_id: exam for exam in read_exams(table)} | {exam.exam_id: exam for exam in drawn} == {
        exam.exam_id: exam for exam in read_exams(table)
    }


def test_quick_experiments_are_of_a_tenth_and_says_so(tmp_path):
    changes = [*TINY, "scheme='binary'", "trunk.name='alexnet'", "trunk.cut='conv5'", "recipe.channels='gray'"]
    main(
        arguments(
            patchworks(tmp_path, 200), tmp_path / "experiments", "--quick", "--rows", "random-forest", changes=changes
        )
    )
    entry = entries(tmp_path / "experiments")["random-forest"]
    (first, *_) = entry["report"]["figures"]
    assert (first["exams"], first["measured_on"]) == (20, "patchwork exams of exams-tenth.csv, held out in 2 folds")
    assert entry["row"]["says"] == "SVC was best suited"


def test_published_figures_are_the_issue_s():
    rows = {row.name: row for row in Experiments.read().row}
    assert {name: row.published for name, row in rows.items() if row.published} == ISSUE | {
        "mrnet-binary": {"binary AUC": 0.965}
    }
    assert all(rows[name].source == "validation set, 761 real exams" for name in ISSUE)
    for name, words in SAYS.items():
        assert words in rows[name].says


def test_what_a_size_changes_is_of_a_row_or_preset_that_exists():
    read = Experiments.read()
    names = {EVERY_ROW, *(row.name for row in read.row), *(row.preset for row in read.row)}
    assert len({row.name for row in read.row}) == len(read.row)
    assert {*read.reduced, *read.quick} <= names
    published = {path.stem for path in PRESETS.glob("*.toml") if not path.stem.startswith("localised-")} - {"demo"}
    assert {row.preset for row in read.row} - {""} == published


def test_of_two_changes_of_a_key_the_last_counts():
    read = Experiments.read()
    (row,) = (row for row in read.row if row.name == "vgg16-scratch")
    changes = [change for change in read.changes(row, "quick") if change.startswith(("recipe.size", "fit.epochs"))]
    assert changes == ["recipe.size=[48, 48]", "fit.epochs=1"]
    assert read.changes(row, "full") == ()
