import pytest

from data_prep.tables.cells import clean, column_key, decimal, words_key


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0.36", 0.36),
        ("0,36", 0.36),
        ("3,0", 3),
        ("1.234,5", 1234.5),
        ("1,234.5", 1234.5),
        ("1 234,5", 1234.5),
        ("1\u202f234,5", 1234.5),
        ("1'234.5", 1234.5),
        ("1.234.567,8", 1234567.8),
        ("1,234", 1.234),
        ("-0,5", -0.5),
        ("7", 7),
        ("1,5E-05", 1.5e-5),
        (",5", 0.5),
    ],
)
def test_numbers_of_every_country(text, number):
    assert decimal(text) == number


@pytest.mark.parametrize(
    "text", ["", "x", "nan", "inf", "1,2,3", "1.2.3,4", "1_000", "3 5", "0,36 mm", "-", "1e", "٣٤"]
)
def test_what_is_no_number(text):
    with pytest.raises(ValueError, match="number"):
        decimal(text)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        (" a ", "a"),
        ("a\u00a0b\u2009", "a b"),
        ("\ufeff\u200ba\u200d\u00ad", "a"),
        ("“a”", "a"),
        ("„a“", "a"),
        ("«a»", "a"),
        ('="0012345"', "0012345"),
        ("'0012345", "0012345"),
        ("O'Brien", "O'Brien"),
        ("’t Hart", "’t Hart"),
        ("Gro\u0308ße", "Größe"),
        ("", ""),
    ],
)
def test_what_is_left_of_a_cell(text, meant):
    assert clean(text) == meant
    assert clean(clean(text)) == meant


def test_names_of_columns_and_labels_are_compared_loosely():
    assert len({column_key(name) for name in ("StudyInstanceUID", "Study Instance UID", "study_instance-uid")}) == 1
    assert column_key("box_x") != column_key("box_y")
    assert words_key(" Complete  rupture") == words_key("complete-rupture") == words_key("COMPLETE_RUPTURE")
    assert words_key("no tear") != words_key("notear")
