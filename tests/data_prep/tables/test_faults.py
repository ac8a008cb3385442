import csv

import pytest

from data_prep.tables import Fault, Faults, read_table
from data_prep.tables.faults import SHOWN, write_faults


@pytest.fixture
def faulty(tmp_path) -> Faults:
    """Rows 3 and 5 have a cell too many."""
    table = tmp_path / "some.csv"
    table.write_text("id,text\n1,a\n2,b,secret\n3,c\n4,secret,d\n")
    faults = Faults()
    assert [line["id"] for line in read_table(table, ("id",), faults=faults).lines] == ["1", "3"]
    return faults


def test_one_message_tells_all_faults_with_rows_and_the_columns_found(faulty):
    with pytest.raises(ValueError, match=r"^2 faults; do something\n") as caught:
        faulty.check("; do something")
    told = str(caught.value)
    assert "some.csv: its columns are id, text\n" in told
    assert told.index("some.csv, row 3: it has 3 cells") < told.index("some.csv, row 5: it has 3 cells")
    assert "secret" not in told


def test_very_many_are_counted():
    faults = Faults([Fault("t.csv", number, "", "no") for number in range(1, 71)])
    with pytest.raises(ValueError, match=r"^70 faults\n(.*\n){20}  and 50 more$"):
        faults.check()
    assert SHOWN == 20


def test_faults_as_a_table(faulty, tmp_path):
    write_faults([*faulty.found, *faulty.found], tmp_path / "bad.csv")
    with (tmp_path / "bad.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["table"], row["row"], row["column"]) for row in rows] == [("some.csv", "3", ""), ("some.csv", "5", "")]
    assert all("3 cells" in row["reason"] for row in rows)
