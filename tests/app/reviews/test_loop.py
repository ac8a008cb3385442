"""The loop closes: a review by HTTP, the export, a merged table, a network trained on it, and that network served."""

from io import BytesIO
from zipfile import ZipFile

import pytest

import training.train
from app.reviews.__main__ import main as reviews
from data_prep.exams.__main__ import main as exams
from data_prep.labels import FOUR_CLASS
from data_prep.tables.exams import read_exams, write_exams
from models.bundle import load_bundle
from tests.app.reviews.clinic import TORN, Clinic
from tests.training.commands import run_here
from tests.training.tiny import TINY_DEMO

pytestmark = pytest.mark.slow


def zipped(folder) -> bytes:
    body = BytesIO()
    with ZipFile(body, "w") as archive:
        for path in folder.rglob("*"):
            if path.is_file():
                archive.write(path, path.name)
    return body.getvalue()


def test_a_reviewed_knee_is_learnt_and_the_new_network_is_served(make_app, knees, tmp_path, monkeypatch):
    known = read_exams(knees / "exams.csv")
    torn = next(exam for exam in known if exam.four_class == {"complete rupture"} and exam.split == "train")
    clinic = Clinic(make_app)
    answer = clinic.predict("four", study := zipped(torn.path))
    assert clinic.give("ann", TORN, f"/v1/predictions/{answer['id']}/reviews").status_code == 201

    monkeypatch.setenv("CRUCIATE_DATA", str(clinic.service.settings.data))
    assert reviews(["export", str(tmp_path / "reviewed")]) == 0
    (reviewed,) = read_exams(tmp_path / "reviewed" / "exams.csv")
    assert reviewed.mask is not None

    write_exams([exam for exam in known if exam != torn], tmp_path / "others.csv")
    tables = [str(tmp_path / "reviewed" / "exams.csv"), str(tmp_path / "others.csv")]
    assert exams(["merge", *tables, "--out", str(tmp_path / "all.csv")]) == 0
    merged = read_exams(tmp_path / "all.csv")
    placed = [exam if exam.split else type(exam)(**vars(exam) | {"split": "train"}) for exam in merged]
    write_exams(placed, tmp_path / "all.csv")

    changes = [word for change in (*TINY_DEMO, "fit.epochs=1") for word in ("--set", change)]
    out = tmp_path / "bundle"
    trained = run_here(
        training.train.main, "demo", "--exams", str(tmp_path / "all.csv"), "--out", str(out), "--jobs", "1", *changes
    )
    assert trained.returncode == 0, trained.stderr
    assert load_bundle(out).manifest["exams"]["train"] == sum(exam.split == "train" for exam in known)

    app = make_app(bundles=(out,), data=tmp_path / "served")
    served = app.test_client().post("/v1/predictions", data=study, content_type="application/zip")
    assert served.status_code == 201, served.text
    assert served.json["bundle"]["name"] == "bundle"
    assert set(served.json["result"]["classes"]) <= {*FOUR_CLASS.classes, "unhealthy"}
