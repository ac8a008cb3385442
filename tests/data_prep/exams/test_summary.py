"""Every count of the report against one made by hand."""

from pathlib import Path

import pytest

from data_prep.exams.look import Look
from data_prep.exams.summary import Table, tables
from data_prep.quality import Flag
from data_prep.tables.exams import Exam

HEALTHY, UNHEALTHY = frozenset({"healthy"}), frozenset({"unhealthy"})
TEAR = frozenset({"complete rupture", "partial rupture or strain"})
FINE = Look((), (20, 256, 320), (4.0, 0.5, 0.5))
COARSE = Look((Flag("coarse", "6 mm"), Flag("few", "12 slices"), Flag("few", "again")), (12, 256, 256), (6.0, 0.5, 0.7))
BROKEN = Look((Flag("unreadable", "no DICOM"),))


def exam(name: str, patient: str, **rest) -> Exam:
    return Exam(name, patient, Path(name), **rest)


SEEN = [
    (
        exam("a", "p", source="own", binary=HEALTHY, four_class=HEALTHY, split="train", scanner="x", laterality="L"),
        FINE,
    ),
    (exam("b", "p", source="own", binary=UNHEALTHY, split="test", scanner="y", laterality="R"), COARSE),
    (exam("c", "q", source="own", binary=UNHEALTHY, four_class=TEAR, split="train", scanner="y"), FINE),
    (exam("d", "r"), BROKEN),
    (exam("e", "s", source="arrays", binary=UNHEALTHY, four_class=TEAR, spacing_mm=(4, 0.5, 0.5)), FINE),
]


@pytest.fixture
def by_title() -> dict[str, Table]:
    return {table.title: table for table in tables(SEEN)}


EXPECTED = {
    "Sources": [
        ("source", "exams", "patients", "no label", "flagged", "unusable"),
        ("no source", "1", "1", "1", "1", "1"),
        ("arrays", "1", "1", "0", "0", "0"),
        ("own", "3", "2", "0", "1", "0"),
        ("all", "5", "4", "1", "2", "1"),
    ],
    "Two classes by split": [
        ("label", "train", "test", "no split", "all"),
        ("healthy", "1", "0", "0", "1"),
        ("unhealthy", "1", "1", "1", "3"),
        ("no label", "0", "0", "1", "1"),
        ("all", "2", "1", "2", "5"),
    ],
    "Four classes by split": [
        ("label", "train", "test", "no split", "all"),
        ("healthy", "1", "0", "0", "1"),
        ("partial rupture or strain | complete rupture", "1", "0", "1", "2"),
        ("no label", "0", "1", "1", "2"),
        ("all", "2", "1", "2", "5"),
    ],
    "Scanners": [
        ("scanner", "healthy", "unhealthy", "no label", "all"),
        ("y", "0", "2", "0", "2"),
        ("unknown", "0", "1", "1", "2"),
        ("x", "1", "0", "0", "1"),
        ("all", "1", "3", "1", "5"),
    ],
    "Sides": [
        ("laterality", "healthy", "unhealthy", "no label", "all"),
        ("unknown", "0", "2", "1", "3"),
        ("L", "1", "0", "0", "1"),
        ("R", "0", "1", "0", "1"),
        ("all", "1", "3", "1", "5"),
    ],
    "Flags": [
        ("kind", "unhealthy", "no label", "all"),
        ("coarse", "1", "0", "1"),
        ("few", "1", "0", "1"),
        ("unreadable", "0", "1", "1"),
        ("all", "2", "1", "3"),
    ],
    "Spacing and size": [
        ("source", "between slices, mm", "between pixels, mm", "slices", "rows", "columns", "spacing assumed"),
        ("arrays", "4", "0.5", "20", "256", "320", "1"),
        ("own", "4 (4 to 6)", "0.5 (0.5 to 0.7)", "20 (12 to 20)", "256", "320 (256 to 320)", "0"),
    ],
}


@pytest.mark.parametrize("title", EXPECTED)
def test_counts(by_title: dict[str, Table], title: str):
    table = by_title[title]
    assert [table.columns, *table.rows] == EXPECTED[title]


def test_no_table_is_forgotten(by_title: dict[str, Table]):
    assert list(by_title) == list(EXPECTED)


def test_one_row_needs_no_sum():
    first = tables(SEEN[:1])[0]
    assert first.rows == (("own", "1", "1", "0", "0", "0"),)


def test_an_empty_table_is_no_error():
    assert all(len(table.rows) <= 1 for table in tables([]))
