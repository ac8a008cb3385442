"""What the worklist finds in SQL is what plain Python finds, in order and page by page, on both databases."""

import random

import pytest
from sqlalchemy import select, update

from app.search.worklist import STATUS, Place, Wanted, find
from app.store.database import Database, Review, sqlite_url
from app.store.index.summaries import SUMMARY, summarise, wrong
from tests.app.postgres import postgresql
from tests.bench.worklist import fill

pytestmark = pytest.mark.slow

STUDIES, QUERIES = 240, 300
# Letters that databases fold, or take for wild cards, in their own ways.
NAMES = (
    "Ärzte^Éva",
    "ГРУША^И",
    "山田^太郎",
    "İpek^I",
    "per%cent^A",
    "under_score^B",
    "back\\slash^C",
    "O'Brien^D",
    "ß^ss",
)
READERS = ("key ann", "key ben")


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def held(request, tmp_path_factory):
    if request.param == "sqlite":
        yield filled(Database(sqlite_url(tmp_path_factory.mktemp("held") / "service.db")))
    else:
        with postgresql() as url:
            database = Database(url)
            yield filled(database)
            database.close()


def filled(database: Database):
    """A database with predictions, and what the worklist shows of each."""
    fill(database, STUDIES)
    rng = random.Random(3)
    with database.write() as session:
        for number, id_ in enumerate(session.scalars(select(SUMMARY.c.prediction)).all()):
            name = NAMES[number % len(NAMES)]
            values = {"patient_name": name, "sought": f"{name} P{number}".casefold(), "superseded": number % 11 == 0}
            # Many have the same probability and time.
            values |= {"created": f"2026-0{1 + number % 9}-0{1 + number % 3}T10:00:00Z"} if number % 2 else {}
            session.execute(update(SUMMARY).where(SUMMARY.c.prediction == id_).values(values))
            for reader in READERS[: rng.randint(0, 2)]:
                for _ in range(rng.randint(1, 2)):
                    one = f"{rng.getrandbits(128):032x}"
                    session.add(
                        Review(id=one, prediction=id_, reader=reader, created=0.0, content={}, size=1, digest=one)
                    )
    with database.read() as session:
        rows = [row._asdict() for row in session.execute(select(SUMMARY))]
        given = session.execute(select(Review.prediction, Review.reader)).all()
    for row in rows:
        readers = [reader for id_, reader in given if id_ == row["prediction"]]
        row |= {"readers": len(set(readers)), "own": readers.count(READERS[0])}
    return database, rows


def has(row: dict, word: str, wanted: Wanted) -> bool:
    return (
        word in row["study_uid"]
        or row["created"].startswith(word.upper())
        or (row["study_date"] == word.replace("-", "") != "")
        or (wanted.opinions and word.lower() in row["predicted"])
        or (wanted.patients and word.casefold() in row["sought"])
    )


def expected(rows: list[dict], wanted: Wanted) -> list[dict]:
    found = [
        row
        for row in rows
        if all(has(row, word, wanted) for word in wanted.words)
        and wanted.state in (None, *(state for state, status in STATUS.items() if status == row["status"]))
        and wanted.predicted in (None, row["predicted"])
        and (wanted.superseded or not row["superseded"])
        and wanted.reviewed in (None, row["readers"] > 0)
    ]
    key = "unhealthy" if wanted.sort == "probability" else "created"
    return sorted(found, key=lambda row: (row[key], row["prediction"]), reverse=wanted.sort != "oldest")


def word(rng: random.Random, row: dict) -> str:
    """A part of what a row says, or something that isn't there."""
    whole = row[rng.choice(["study_uid", "created", "study_date", "predicted", "sought", "patient_name"])] or "x"
    start = rng.randrange(len(whole))
    part = rng.choice([whole, whole[: rng.randint(1, 10)], whole[start : start + rng.randint(1, 6)]])
    return rng.choice([part, part.upper(), part.lower(), f"{part}%", f"_{part}"]).replace(" ", "") or "y"


def asked(rng: random.Random, rows: list[dict]) -> Wanted:
    words = tuple(word(rng, rng.choice(rows)) for _ in range(rng.choice([0, 1, 1, 1, 2])))
    return Wanted(
        words,
        state=rng.choice([None, None, "waiting", "done", "failed"]),
        predicted=rng.choice([None, None, "healthy", "unhealthy", "nothing"]),
        superseded=rng.random() < 0.5,
        patients=rng.random() < 0.7,
        sort=rng.choice(["newest", "oldest", "probability"]),
        reviewed=rng.choice([None, None, True, False]),
        opinions=rng.random() < 0.7,
    )


def test_sql_finds_what_python_finds_page_by_page(held):
    database, rows = held
    rng, met = random.Random(5), 0
    for _ in range(QUERIES):
        wanted, size = asked(rng, rows), rng.choice([7, 50, 500])
        right = expected(rows, wanted)
        pages: list = []
        after: Place | None = None
        while True:
            page, total = find(database, wanted, READERS[0], size, after)
            assert total == len(right), wanted
            pages += page
            if len(page) < size:
                break
            after = page[-1].place
        assert [one.summary.prediction for one in pages] == [row["prediction"] for row in right], wanted
        assert [(one.readers, one.own) for one in pages] == [(row["readers"], row["own"]) for row in right]
        met += 0 < len(right) < len(rows)
    assert met > QUERIES / 6


def test_a_summary_comes_back_as_it_was_written(held):
    """Numbers and texts, so that a check of the store finds no difference that isn't there."""
    database, rows = held
    with database.read() as session:
        assert list(wrong(session))
    with database.write() as session:
        for row in rows:
            summarise(session, row["prediction"])
    with database.read() as session:
        assert list(wrong(session)) == []
