"""Batches of tiny studies: good and bad ones, folders and zips, interrupted, killed and gone on with."""

import csv
import errno
import json
import os
import signal
import subprocess
import sys
import time
import unicodedata

import pytest

from app.jobs import decoding
from app.predict import INTERRUPTED, main
from data_prep import names
from tests.app.studies import instances, study_zip, voxels, zipped
from tests.conftest import ROOT

pytestmark = pytest.mark.slow

# Generous: importing TensorFlow on a busy machine, twice.
PATIENCE_S = 180
GOOD, BAD = 24, {"blank.zip": 422, "few.zip": 422, "text.zip": 422}


@pytest.fixture(scope="module")
def studies(tmp_path_factory):
    """24 studies that can be predicted on, every third one a folder, and three that can't."""
    root = tmp_path_factory.mktemp("studies")
    for seed in range(GOOD):
        if seed % 3:
            (root / f"{seed:02}.zip").write_bytes(study_zip(seed))
        else:
            (root / f"{seed:02}").mkdir()
            for index, content in enumerate(instances(voxels(seed))):
                (root / f"{seed:02}" / f"{index}.dcm").write_bytes(content)
    (root / "blank.zip").write_bytes(zipped(instances(0 * voxels())))
    (root / "few.zip").write_bytes(zipped(instances(voxels())[:3]))
    (root / "text.zip").write_bytes(b"hello")
    (root / "notes.txt").write_text("no study")
    return root


@pytest.fixture(scope="module")
def command(bundles, studies):
    """The arguments of a batch into a folder."""
    return lambda out: ["--batch", str(studies), "--bundle", str(bundles[0]), "--out", str(out), "--jobs", "2"]


@pytest.fixture(scope="module")
def undisturbed(command, tmp_path_factory):
    """A batch that ran to its end, and its exit status."""
    out = tmp_path_factory.mktemp("undisturbed")
    return main(command(out)), out


def rows(out) -> list[dict]:
    """The table without times."""
    with (out / "predictions.csv").open(newline="") as stream:
        return [
            {name: value for name, value in row.items() if not name.endswith("_ms")} for row in csv.DictReader(stream)
        ]


def test_every_study_has_its_row(undisturbed, studies):
    status, out = undisturbed
    table = {row["name"]: row for row in rows(out)}
    assert status == 1  # three can't be predicted on
    assert set(table) == {path.name for path in studies.iterdir()} - {"notes.txt"}
    assert {name for name, row in table.items() if row["status"] == "failed"} == set(BAD)
    for name, status_ in BAD.items():
        answer = json.loads((out / "answers" / f"{name}.json").read_text())
        assert answer["problem"]["status"] == status_
        assert table[name]["problem"] == answer["problem"]["detail"]
        assert table[name]["predicted"] == ""


def test_a_row_says_what_the_answer_says(undisturbed):
    _, out = undisturbed
    with (out / "predictions.csv").open(newline="") as stream:
        row = next(csv.DictReader(stream))
    answer = json.loads((out / "answers" / f"{row['name']}.json").read_text())
    assert row["status"] == answer["status"] == "done"
    assert row["predicted"] == answer["result"]["predicted"]
    assert {name: float(row[name]) for name in answer["result"]["classes"]} == answer["result"]["probabilities"]
    assert "synthetic-training" in row["warnings"].split()
    assert float(row["total_ms"]) == answer["timing_ms"]["total"] > float(row["decode_ms"]) > 0


def test_a_batch_of_good_studies_is_a_success(bundles, tmp_path):
    (tmp_path / "studies").mkdir()
    (tmp_path / "studies" / "one.zip").write_bytes(study_zip())
    arguments = ["--batch", str(tmp_path / "studies"), "--bundle", str(bundles[1]), "--out", str(tmp_path / "out")]
    assert main(arguments) == 0
    assert {"healthy", "minor strain", "complete rupture"} <= set(rows(tmp_path / "out")[0])


ODD = [
    b"M\xfcller",
    b"\x8e\x52.zip",
    "Mu\u0308ller".encode(),
    "M\u00fcller".encode(),
    b"two\nlines",
    b"=1+1",
    b"-h",
    b"CASE",
    b"case",
    b"a" * 255,
    b"a" * 251 + b".ZIP",
    b"\xfc" * 251 + b".zip",
]


def test_one_odd_name_costs_nothing(bundles, tmp_path):
    """Studies that can be predicted on, folders and zips, and one of every odd name that holds no DICOM."""
    root = tmp_path / "in"
    for seed, name in enumerate(map(os.fsdecode, ODD)):
        if name.lower().endswith(".zip"):
            root.mkdir(exist_ok=True)
            (root / name).write_bytes(study_zip(seed))
            continue
        (root / name).mkdir(parents=True)
        for index, content in enumerate(instances(voxels(seed))):
            (root / name / os.fsdecode(b"\xe4%d\n.dcm" % index)).write_bytes(content if seed != 5 else b"hello")
    arguments = ["--batch", str(root), "--bundle", str(bundles[0]), "--out", str(tmp_path / "out"), "--jobs", "1"]
    for _ in range(2):  # the second time everything is known
        assert main(arguments) == 1
        table = rows(tmp_path / "out")
        assert (tmp_path / "out" / "predictions.csv").read_bytes().decode()
        assert [names.original(row["name"]) for row in table] == sorted(map(os.fsdecode, ODD))
        assert [names.original(row["name"]) for row in table if row["status"] != "done"] == ["=1+1"]
    files = [path.name for path in (tmp_path / "out" / "answers").iterdir()]
    assert len({unicodedata.normalize("NFC", name).casefold() for name in files}) == len(ODD)
    assert all(name.isprintable() and len(name.encode()) < 200 for name in files)
    (failed,) = (row for row in table if row["status"] == "failed")
    assert failed["problem"].endswith("The first: It is neither DICOM nor a zip.")
    for path in (tmp_path / "out" / "answers").iterdir():
        json.dumps(json.loads(path.read_text(encoding="utf-8")), ensure_ascii=False).encode()


def started(arguments, out, answers: int) -> subprocess.Popen:
    """A batch of its own that has just got this many answers."""
    batch = subprocess.Popen(
        [sys.executable, "-m", "app.predict", *arguments],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + PATIENCE_S
    while len(list(out.glob("answers/[!.]*"))) < answers:
        assert batch.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.002)
    return batch


def test_interrupted_and_killed_it_goes_on_where_it_was(command, undisturbed, tmp_path):
    stopped = started(command(tmp_path), tmp_path, 3)
    stopped.terminate()
    assert stopped.wait(PATIENCE_S) == INTERRUPTED
    states = [row["status"] for row in rows(tmp_path)]
    assert len(states) == GOOD + len(BAD)
    assert 3 <= states.count("done") < GOOD
    assert "waiting" in states

    killed = started(command(tmp_path), tmp_path, len(states) - states.count("waiting") + 3)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait(PATIENCE_S)
    known = {path: path.stat().st_mtime_ns for path in tmp_path.glob("answers/[!.]*")}
    assert len(known) < GOOD

    assert main(command(tmp_path)) == 1
    assert rows(tmp_path) == rows(undisturbed[1])
    assert not (tmp_path / "scratch").exists()  # where a killed batch leaves pixels
    assert {path: path.stat().st_mtime_ns for path in known} == known  # nothing was predicted on twice


def test_a_finished_batch_is_not_predicted_on_by_another_bundle(undisturbed, command, bundles, capsys):
    _, out = undisturbed
    before = (out / "predictions.csv").read_bytes()
    with pytest.raises(SystemExit) as end:
        main([str(bundles[1]) if argument == str(bundles[0]) else argument for argument in command(out)])
    assert end.value.code == 2
    assert "another bundle" in capsys.readouterr().err
    assert (out / "predictions.csv").read_bytes() == before


def dies_of_number_five(study, **rest):
    """As a decoder in C may."""
    if study.name.startswith("05"):
        os.kill(os.getpid(), signal.SIGSEGV)
    return pack(study, **rest)


def is_killed_at_number_five(study, **rest):
    """As by a kernel without memory."""
    if study.name.startswith("05"):
        os.kill(os.getpid(), signal.SIGKILL)
    return pack(study, **rest)


def has_no_room_at_number_five(study, **rest):
    if study.name.startswith("05"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return pack(study, **rest)


def network_without_memory(self, step):
    raise MemoryError


FAULTS = {
    "full": ("app.jobs.decoding.pack", has_no_room_at_number_five, "No space left on device"),
    "network": (
        "models.predictor.Predictor.predict_from",
        network_without_memory,
        "The memory of this machine isn't enough",
    ),
}


@pytest.mark.parametrize("what", FAULTS)
def test_a_fault_of_the_machine_stops_the_batch_and_is_no_studys_failure(
    command, undisturbed, tmp_path, monkeypatch, capsys, what
):
    place, fault, sentence = FAULTS[what]
    with monkeypatch.context() as faulty:
        faulty.setattr(place, fault)
        assert main(command(tmp_path)) == 1
    said = capsys.readouterr().err
    assert sentence in said
    assert "Give the same command again" in said
    assert {row["name"] for row in rows(tmp_path) if row["status"] == "failed"} <= set(BAD)
    assert next(row for row in rows(tmp_path) if row["name"] == "05.zip")["status"] == "waiting"
    if what == "full":
        assert main(command(tmp_path)) == 1  # three of the studies are bad
        assert rows(tmp_path) == rows(undisturbed[1])


pack = decoding.pack


def test_a_study_that_kills_its_decoder_stops_no_other(command, undisturbed, tmp_path, monkeypatch):
    monkeypatch.setattr(decoding, "pack", dies_of_number_five)
    assert main(command(tmp_path)) == 1
    here, there = rows(tmp_path), rows(undisturbed[1])
    assert [row for row in here if row["name"] != "05.zip"] == [row for row in there if row["name"] != "05.zip"]
    assert (
        next(row for row in here if row["name"] == "05.zip")["problem"] == "Decoding it crashes the decoding process."
    )


def test_a_study_whose_decoder_is_killed_waits_and_the_others_go_on(
    command, undisturbed, tmp_path, monkeypatch, capsys
):
    with monkeypatch.context() as faulty:
        faulty.setattr(decoding, "pack", is_killed_at_number_five)
        assert main(command(tmp_path)) == 1
    said = capsys.readouterr().err
    assert "Studies without an answer: 1." in said
    assert "Give the same command again" in said
    here, there = rows(tmp_path), rows(undisturbed[1])
    assert [row for row in here if row["name"] != "05.zip"] == [row for row in there if row["name"] != "05.zip"]
    assert next(row for row in here if row["name"] == "05.zip")["status"] == "waiting"
    assert main(command(tmp_path)) == 1  # three of the studies are bad
    assert rows(tmp_path) == rows(undisturbed[1])


def test_a_cluster_gives_the_same_table(command, undisturbed, cluster, tmp_path):
    assert main([*command(tmp_path), "--cluster", cluster]) == 1
    assert rows(tmp_path) == rows(undisturbed[1])


def test_decoders_know_no_keras():
    code = "import sys, app.jobs.decoding; print(sorted({'keras', 'tensorflow', 'models'} & set(sys.modules)))"
    assert subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True).strip() == "[]"
