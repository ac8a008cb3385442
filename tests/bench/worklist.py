"""How long the worklist takes with many studies: the answer of the service, and the page in Chromium.

    python -m tests.bench.worklist [--studies 10000] [--rounds 9] [--postgresql]

The studies are rows that are written into the database as the service writes them, with an answer as large as a real
one, but without pixels. The page is measured from a press on "Next page" to the frame that shows the rows. Needs
Debian's chromium.
"""

import argparse
import copy
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright
from sqlalchemy import insert

from app.api.openapi import examples
from app.client import RunningService, serving
from app.contract.json_text import Json
from app.store.database import Database, Prediction
from app.store.index.summaries import summarise
from app.store.job import written
from app.store.opening import open_database
from tests.app.postgres import chosen

AT_ONCE = 500
GOAL_MS = 300.0
# 2026-01-01, and seconds from one study to the next.
FIRST, STEP_S = 1_767_225_600, 1800
# What is asked for; {n} is a study in the middle.
ASKED = {
    "the newest": ("", ""),
    "the highest probability": ("?sort=probability", ""),
    "one class, the oldest": ("?predicted=unhealthy&sort=oldest", ""),
    "failed": ("?state=failed", ""),
    "a part of a UID": ("", "{n}00"),
    "a day": ("", "2026-02-03"),
    "a patient's name": ("", "name{n}"),
    "nothing of this name": ("", "nobody"),
}
# Presses the button and waits for the frame after the one in which the first row is another one.
PRESS = """() => new Promise((done) => {
  const rows = document.getElementById("rows"), before = rows.firstElementChild?.id, start = performance.now();
  const look = () => rows.firstElementChild?.id === before ? requestAnimationFrame(look)
    : requestAnimationFrame(() => done(performance.now() - start));
  document.getElementById("on").click();
  look();
})"""


def main() -> None:
    parser = argparse.ArgumentParser(description="How long the worklist takes with many studies.")
    parser.add_argument("--studies", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--bundle", type=Path, default=Path("models/bundles/demo"))
    parser.add_argument("--postgresql", action="store_true", help="in PostgreSQL (Debian: postgresql), not SQLite")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cruciate-") as scratch, chosen(arguments.postgresql) as url:
        database = open_database(url, Path(scratch, "var"))
        fill(database, arguments.studies)
        database.close()
        variables = {"CRUCIATE_SHOW_PATIENTS": "1"} | ({"CRUCIATE_DATABASE": url} if url else {})
        with serving(arguments.bundle, Path(scratch), **variables) as service:
            service.wait_until_ready()
            print(f"{arguments.studies} studies, 50 on a page: medians of {arguments.rounds} rounds, ms\n")
            times = {name: _asked(service, *asked, arguments) for name, asked in ASKED.items()}
            times["the page: from a press to its rows"] = _page(service, arguments.rounds)
    for name, ms in times.items():
        print(f"{name:40}{ms:10.1f}")
    print(f"\nThe slowest takes {max(times.values()):.0f} ms; the goal is less than {GOAL_MS:g} ms.")


def fill(database: Database, studies: int, first: int = 0) -> None:
    """Write rows of predictions and their summaries. Every twentieth has failed."""
    done = next(iter(examples()["post_predictions_create"]["201"].values()))
    for start in range(first, first + studies, AT_ONCE):
        rows = [_row(number, done) for number in range(start, min(start + AT_ONCE, first + studies))]
        with database.write() as session:
            session.execute(insert(Prediction), rows)
            for row in rows:
                summarise(session, row["id"])


def _row(number: int, example: Json) -> dict[str, Any]:
    id_, created = f"{number:032x}", written(FIRST + STEP_S * number)
    unhealthy = (number * 7919 % 1000) / 1000
    answer = copy.deepcopy(example) | {"id": id_, "created": created}
    answer["result"]["probabilities"] = {"healthy": 1 - unhealthy, "unhealthy": unhealthy}
    answer["result"]["predicted"] = "unhealthy" if unhealthy > 0.5 else "healthy"
    answer["study"]["laterality"] = ("L", "R", "unknown")[number % 3]
    if number % 20 == 7:
        detail = "The study has no sagittal MR series with enough slices to predict on."
        answer = {"id": id_, "status": "failed", "problem": {"type": "about:blank", "title": "", "status": 422}}
        answer["problem"]["detail"] = detail
    origin = {
        "00080020": {"vr": "DA", "Value": [created[:10].replace("-", "")]},
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": f"Name{number}^Given"}]},
        "00100020": {"vr": "LO", "Value": [f"P{number}"]},
    }
    row = {"id": id_, "study_uid": f"2.25.{number}00{number}", "bundle": "0" * 64, "status": answer["status"]}
    slices = len(example["explanation"]["slices"])
    return row | {"created": created, "study": {}, "origins": [origin] * slices, "answer": answer, "attempts": 1}


def _asked(service: RunningService, query: str, words: str, arguments: argparse.Namespace) -> float:
    path, search = f"/v1/worklist{query}", words.format(n=arguments.studies // 2)
    times = []
    for _ in range(arguments.rounds + 1):
        start = time.perf_counter()
        service.ask("GET", path, headers={"Search": search})
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times[1:])


def _page(service: RunningService, rounds: int) -> float:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", chromium_sandbox=False)
        page: Page = browser.new_page()
        page.goto(f"http://127.0.0.1:{service.port}/")
        page.wait_for_selector("#rows tr")
        times: list[float] = []
        for _ in range(rounds + 1):
            page.wait_for_selector("#on:enabled")
            times.append(page.evaluate(PRESS))
        browser.close()
    return statistics.median(times[1:])


if __name__ == "__main__":
    main()
