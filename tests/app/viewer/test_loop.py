"""The loop closes: reviewed in a browser, exported, merged, trained on for one epoch, served, and predicted on."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

import training.train
from app.client import RunningService, serving
from data_prep.exams.__main__ import main as exams
from data_prep.prepare.load import ligament_mask, load_exam
from data_prep.tables.exams import Exam, read_exams, write_exams
from models.bundle import load_bundle
from tests import warm
from tests.app.viewer import truth
from tests.app.viewer.study_page import RADIUS_MM, at, complete, drag
from tests.app.viewer.truth import Screen, Sent
from tests.training.commands import run_here
from tests.training.tiny import TINY_DEMO

pytestmark = pytest.mark.slow

GRADE = "complete rupture"
# The split of this seed has the reviewed exam among those to learn from.
SPLIT = ("--test", "0.25", "--val", "0.25", "--seed", "7")


def test_a_knee_that_is_reviewed_in_a_browser_is_learnt_and_the_new_network_is_served(bundles, knees, page, tmp_path):
    known = read_exams(knees / "exams.csv")
    torn = next(exam for exam in known if exam.four_class == {GRADE})
    with serving(bundles[1], tmp_path) as service:
        service.wait_until_ready()
        first = sent(page, service, torn.path)
        answer = json.loads(service.ask("GET", f"/v1/predictions/{first}"))
        drawn = reviewed(page, Sent(answer, load_exam(torn).voxels), torn)
        table = merged(tmp_path, [exam for exam in known if exam != torn])
    (learnt,) = [exam for exam in read_exams(table) if exam.source == "review"]
    assert (learnt.four_class, learnt.split) == ({GRADE}, "train")
    np.testing.assert_array_equal(ligament_mask(learnt, drawn.shape), drawn)

    bundle = tmp_path / "corrected"
    changes = [word for change in (*TINY_DEMO, "fit.epochs=1") for word in ("--set", change)]
    words = ("demo", "--exams", str(table), "--out", str(bundle), "--jobs", "1", *changes)
    trained = run_here(training.train.main, *words)
    assert trained.returncode == 0, trained.stderr
    assert load_bundle(bundle).seen.spoilt_by_id(learnt.exam_id) == "learnt"

    with serving(bundle, tmp_path, service.port) as service:
        service.wait_until_ready()
        second = sent(page, service, torn.path, rows=2)
        assert second != first
        result = json.loads(service.ask("GET", f"/v1/predictions/{second}"))["result"]
        expect(page.locator("#said")).to_contain_text(result["predicted"])
        expect(page.locator("#model")).to_contain_text("corrected (mrnet)")
        page.get_by_label("Compare with").select_option(first)
        page.wait_for_url("**?with=*")
        complete(page)
        expect(page.locator(".which").first).to_contain_text("corrected")
        expect(page.locator(".which").last).to_contain_text("four")


def sent(page: Page, service: RunningService, study: Path, rows: int = 1) -> str:
    """Send a folder on the worklist, and go to its result when it is there. Returns its id."""
    page.goto(f"http://127.0.0.1:{service.port}/")
    page.locator("#folder").set_input_files(study)
    expect(page.locator("td.state")).to_have_count(rows)
    expect(page.locator("td.state").first).to_contain_text("done")
    page.locator("td.study a").first.click()
    complete(page)
    return page.url.rpartition("/")[2]


def reviewed(page: Page, study: Sent, exam: Exam) -> np.ndarray:
    """Draw a line along the true ligament on each of its slices, and judge. Returns the mask that must come of it."""
    known = ligament_mask(exam, study.voxels.shape)
    mask, screen = np.zeros_like(known), Screen.of(page, study)
    page.get_by_role("button", name="Brush").click()
    page.get_by_role("slider", name="Slice").press("Home")
    for index in range(len(known)):
        at(page, index)
        rows = np.flatnonzero(known[index].any(axis=1))
        if len(rows):
            ends = [(known[index][row].nonzero()[0].mean() + 0.5, row + 0.5) for row in (rows[0], rows[-1])]
            start, end = (screen.place(*one) for one in ends)
            drag(page, start, end)
            mask[index] = truth.stroke(screen, start, end, RADIUS_MM)
        page.get_by_role("slider", name="Slice").press("ArrowRight")
    page.get_by_label("My grade").first.check()
    page.locator("#review select").first.select_option(GRADE)
    page.get_by_role("button", name="Save the review").click()
    expect(page.get_by_role("status").filter(has_text="Saved at")).to_be_visible()
    return mask


def merged(scratch: Path, others: list[Exam]) -> Path:
    """Export the reviews, and put them and other exams into one table with splits."""
    out, table = scratch / "reviewed", scratch / "all.csv"
    environment = os.environ | {"CRUCIATE_DATA": str(scratch / "var")}
    ended = warm.run("-m", "app.reviews", "export", str(out), environment=environment)
    assert ended.returncode == 0, ended.stderr
    write_exams(others, scratch / "others.csv")
    assert exams(["merge", str(out / "exams.csv"), str(scratch / "others.csv"), "--out", str(table)]) == 0
    assert exams(["split", str(table), *SPLIT]) == 0
    return table
