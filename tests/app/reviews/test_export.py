"""What is exported: the worse diagnosis, all readings, masks as they were drawn, and nobody's name."""

import csv
from pathlib import Path

import numpy as np
import pydicom
import pytest
from sqlalchemy import update

from app.contract import masks
from app.reviews.__main__ import main
from app.store.database import Prediction
from data_prep.prepare.load import ligament_mask, load_exam
from data_prep.tables.exams import Exam, read_exams
from tests.app.reviews.clinic import AGREES, DRAWN, TORN, Clinic
from tests.app.studies import PATIENT, SPACING_MM, voxels


@pytest.fixture
def clinic(make_app) -> Clinic:
    return Clinic(make_app)


@pytest.fixture
def export(clinic, tmp_path, monkeypatch, bundles):
    """Runs the command on the clinic's store. Gives the folder."""
    monkeypatch.setenv("CRUCIATE_DATA", str(clinic.service.settings.data))

    def run() -> Path:
        assert main(["export", str(tmp_path / "out")]) == 0
        return tmp_path / "out"

    return run


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def only(folder: Path) -> Exam:
    (exam,) = read_exams(folder / "exams.csv")
    return exam


def test_the_worse_diagnosis_stands_and_both_are_kept(clinic, export):
    clinic.give("ann", AGREES)
    clinic.give("ann", TORN | {"grade": "healthy"})
    clinic.give("ben", {"verdict": "grade", "grade": "partial rupture or strain", "opinion": "hidden", "seconds": 90})
    exam = only(folder := export())
    assert exam.four_class == {"partial rupture or strain"}
    assert exam.binary == {"unhealthy"}
    assert exam.readers == "key ann:healthy|key ben:partial rupture or strain"
    assert exam.laterality == "L"  # the headers say R; one reader has corrected it, no reader contradicts
    assert exam.box == ((4, 6), (10, 30), (20, 40))
    readings = table(folder / "readings.csv")
    assert [row["current"] for row in readings] == ["no", "yes", "yes"]
    assert (readings[2]["seconds"], readings[2]["opinion"]) == ("90", "hidden")
    assert readings[0]["diagnosis"] == clinic.answer["result"]["predicted"]


def test_pixels_and_masks_are_those_of_the_study(clinic, export):
    given = clinic.give("ann", TORN).json
    exam = only(folder := export())
    volume = load_exam(exam)
    np.testing.assert_array_equal(volume.voxels, voxels().astype(np.float32))
    assert volume.spacing_mm == pytest.approx(SPACING_MM)
    drawn = ligament_mask(exam, volume.shape)
    assert masks.runs_of(drawn) == DRAWN
    (row,) = table(folder / "masks.csv")
    assert (row["review"], row["used"]) == (given["id"], "yes")
    segmentation = pydicom.dcmread(folder / row["segmentation"])
    np.testing.assert_array_equal(segmentation.pixel_array, drawn[5])
    (item,) = segmentation.PerFrameFunctionalGroupsSequence
    source = item.DerivationImageSequence[0].SourceImageSequence[0]
    assert source.ReferencedSOPInstanceUID == clinic.answer["explanation"]["slices"][5]["sop_uid"]
    assert segmentation.SegmentSequence[0].SegmentAlgorithmType == "MANUAL"


def test_nobody_s_name_and_no_comment_leaves(clinic, export):
    clinic.give("ann", TORN | {"comment": "Zebedee again"})
    for path in export().rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        assert not any(text.encode() in content for text in (*PATIENT.values(), "Zebedee", "Quibble")), path


def test_two_bundles_on_one_volume_are_one_exam(clinic, export):
    other = clinic.predict("tiny")
    clinic.give("ann", AGREES)
    clinic.give("ben", TORN, f"/v1/predictions/{other['id']}/reviews")
    clinic.give("ann", {"verdict": "grade", "grade": "minor strain"}, f"/v1/predictions/{other['id']}/reviews")
    exam = only(export())
    assert exam.readers == "key ben:complete rupture|key ann:minor strain"


def test_what_nobody_can_judge_has_no_label(clinic, export):
    clinic.give("ann", {"verdict": "cannot-judge", "reason": "motion"})
    exam = only(export())
    assert (exam.binary, exam.four_class) == (frozenset(), frozenset())
    assert exam.readers == "key ann:can't be judged"


def test_sides_that_contradict_each_other_are_unknown(clinic, export):
    clinic.give("ann", TORN)
    clinic.give("ben", AGREES | {"laterality": "R"})
    assert only(export()).laterality == "unknown"


def test_without_pixels_a_knee_is_listed_apart(clinic, export):
    clinic.give("ann", TORN)
    with clinic.service.database.write() as session:
        session.execute(update(Prediction).values(pixels_expired=True, study={}, origins=[]))
    folder = export()
    assert table(folder / "exams.csv") == []
    (row,) = table(folder / "exams-without-pixels.csv")
    assert row["four_class"] == "complete rupture"
    assert row["study_uid"] == clinic.answer["study"]["study_uid"]


def test_an_export_replaces_an_export_only(clinic, export, tmp_path, capsys):
    clinic.give("ann", TORN)
    first = only(export())
    assert only(export()) == first
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    assert main(["export", str(tmp_path / "mine")]) == 2
    assert "isn't an earlier export" in capsys.readouterr().err
    assert (tmp_path / "mine" / "thesis.txt").exists()
