"""Wild cards mean the same in both databases, whatever else stands in a pattern."""

import pytest
import sqlalchemy
from sqlalchemy import String, literal, select
from sqlalchemy.dialects import postgresql, sqlite

from app.search.sql import Checked, Wild
from app.store.index.tables import STUDY
from tests.app.postgres import postgresql as running

MATCHES = [
    ("abc", "abc", True),
    ("abc", "ABC", False),
    ("ABC", "a*", False),
    ("abc", "a?c", True),
    ("ac", "a?c", False),
    ("abc", "*", True),
    ("", "*", True),
    ("a%c", "a%c", True),
    ("abc", "a%c", False),
    ("abc", "a_c", False),
    ("a_c", "a_?", True),
    ("a!c", "a!?", True),
    ("a\\c", "a\\*", True),
    ("a[b]c", "a[b]*", True),
    ("abc", "a[b]c", False),
    ("a]c", "a]?", True),
    ("a^c", "[^b]*", False),
    ("山田^太郎", "山?^*", True),
    ("😀x", "?x", True),
    ("é", "?", True),
    ("É", "é", False),
    ("a\nb", "a?b", True),
]


@pytest.mark.slow
def test_patterns_match_alike_in_postgresql():
    with running() as url:
        engine = sqlalchemy.create_engine(url)
        check(engine)
        engine.dispose()


def test_patterns_match_as_dicom_says():
    engine = sqlalchemy.create_engine("sqlite://")
    check(engine)
    engine.dispose()


def check(engine: sqlalchemy.Engine) -> None:
    with engine.connect() as connection:
        found = [
            (text, pattern, bool(connection.scalar(select(Wild(literal(text, String()), pattern)))))
            for text, pattern, _ in MATCHES
        ]
    assert found == MATCHES


def test_a_checked_column_takes_no_index_in_sqlite():
    statement = select(STUDY.c.id).where(Checked(STUDY.c.patient_id) == "A")
    assert "+study_entry.patient_id = " in str(statement.compile(dialect=sqlite.dialect()))
    assert "WHERE study_entry.patient_id = " in str(statement.compile(dialect=postgresql.dialect()))
