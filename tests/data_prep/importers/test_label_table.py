"""Labels mean the sets that the issue lists, a user's file changes single ones, and its mistakes are named."""

from pathlib import Path

import pytest

from data_prep.importers import IMPORTERS
from data_prep.importers.label_table import LabelTable, label_key
from data_prep.labels import FOUR_CLASS

HEALTHY, STRAIN, PARTIAL, COMPLETE = FOUR_CLASS.classes
INJURED = {STRAIN, PARTIAL, COMPLETE}
MEANINGS = [
    ("mrnet", "0", {"healthy"}, {HEALTHY, STRAIN}),
    ("mrnet", "1", {"unhealthy"}, {PARTIAL, COMPLETE}),
    ("kneemri", "0", {"healthy"}, {HEALTHY}),
    ("kneemri", "1", {"unhealthy"}, {STRAIN, PARTIAL}),
    ("kneemri", "2", {"unhealthy"}, {COMPLETE}),
    ("rsna2026", "0.0", {"healthy"}, {HEALTHY, STRAIN, PARTIAL}),
    ("rsna2026", "1.0", {"unhealthy"}, {PARTIAL, COMPLETE}),
    ("dicom", "unhealthy", {"unhealthy"}, INJURED),
    *(("dicom", name, {"healthy"} if name == HEALTHY else {"unhealthy"}, {name}) for name in FOUR_CLASS.classes),
    *(("dicom", str(number), {"unhealthy"}, {FOUR_CLASS.classes[number]}) for number in (1, 2, 3)),
    ("dicom", "0", {"healthy"}, {HEALTHY}),
    ("dicom", " Complete Rupture ", {"unhealthy"}, {COMPLETE}),
]


@pytest.mark.parametrize(("source", "value", "binary", "four_class"), MEANINGS)
def test_values_mean_these_sets(source, value, binary, four_class):
    assert LabelTable.load().classes(source, value) == (binary, four_class)


def test_every_source_has_an_entry_and_published_ones_cite_their_claims():
    table = LabelTable.load()
    assert set(table.sources) == set(IMPORTERS)
    for source in ("mrnet", "kneemri", "rsna2026"):
        assert all(meaning.because for meaning in table.sources[source].values.values())


@pytest.mark.parametrize(("source", "value"), [("mrnet", "2"), ("dicom", "Jane Doe"), ("phantom", "1")])
def test_an_unknown_value_is_answered_with_the_known_ones_and_not_quoted(source, value):
    table = LabelTable.load()
    with pytest.raises(
        ValueError, match=f"isn't one of {source}'s: {', '.join(table.sources[source].values)}"
    ) as caught:
        table.classes(source, value)
    assert "Jane" not in str(caught.value)


def test_caveats():
    table = LabelTable.load()
    assert "half of the fibres" in table.caveat("rsna2026")
    assert "borderline" in table.caveat("rsna2026")
    assert table.caveat("dicom") == table.caveat("somebody's") == ""


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_users_file_changes_one_value_adds_another_and_leaves_the_rest(tmp_path):
    mine = """
        [kneemri.values.1]
        binary = ["unhealthy"]
        four_class = ["partial rupture or strain"]
        [dicom.values.Torn]
        binary = ["unhealthy"]
        four_class = []
        [mrnet]
        caveat = "ours"
    """
    table = LabelTable.load(write(tmp_path, mine))
    assert table.classes("kneemri", "1") == ({"unhealthy"}, {PARTIAL})
    assert table.classes("kneemri", "2") == ({"unhealthy"}, {COMPLETE})
    assert table.classes("dicom", "torn") == ({"unhealthy"}, set())
    assert table.caveat("mrnet") == "ours"
    assert table.caveat("kneemri") == LabelTable.load().caveat("kneemri")
    assert LabelTable.load().classes("kneemri", "1")[1] == {STRAIN, PARTIAL}


VALUE = '[mrnet.values.0]\nbinary = ["healthy"]\n'
TORN = f'[dicom.values.torn]\nbinary = ["unhealthy"]\nfour_class = ["{COMPLETE}"]\n'
STRAINED = f'binary = ["unhealthy"]\nfour_class = ["{STRAIN}"]\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[mrnett]", "mrnett isn't a source; the sources are mrnet, kneemri"),
        (VALUE + 'four_class = ["torn"]', r"mrnet\.values\.0: .*no class 'torn'.*minor strain"),
        (VALUE + "four_class = []\nwhy = 'because'", r"mrnet\.values\.0\.why: "),
        (VALUE, r"mrnet\.values\.0\.four_class: "),
        ("[mrnet]\nvalue = 1", r"mrnet\.value: "),
        ("mrnet = 1", "mrnet: "),
        ("[mrnet", r"mine\.toml: "),
        (f"{TORN}[dicom.values.TORN]\n{STRAINED}", r"dicom\.values: 'TORN' stands for both 'torn' and 'TORN'"),
        (f"{TORN}[dicom.values.odd]\n{STRAINED}aliases = ['Torn.']", r"'Torn\.' stands for both 'torn' and 'odd'"),
        (
            f"{TORN}aliases = ['odd']\n[dicom.values.mild]\n{STRAINED}aliases = ['ODD']",
            r"'ODD' stands for both 'torn' and 'mild'",
        ),
        ("[mrnet]\ncaveat = '\N{SNOWMAN}'", r"mine\.toml: .*utf-8"),
    ],
)
def test_mistakes_in_a_users_file_name_file_and_key(tmp_path, text, message):
    path = write(tmp_path, text)
    if "SNOWMAN" in message or "utf-8" in message:
        path.write_bytes(text.encode("utf-16"))
    with pytest.raises(ValueError, match=rf"mine\.toml: .*|{message}") as caught:
        LabelTable.load(path)
    assert caught.match(message)


def test_a_users_file_may_begin_with_a_mark_and_say_the_same_twice(tmp_path):
    path = write(tmp_path, f"\ufeff{TORN}[dicom.values.Torn]\nbinary = ['unhealthy']\nfour_class = ['{COMPLETE}']")
    assert LabelTable.load(path).classes("dicom", "TORN") == ({"unhealthy"}, {COMPLETE})


@pytest.mark.parametrize(
    ("value", "binary", "four_class"),
    [
        ("ACL tear", {"unhealthy"}, {PARTIAL, COMPLETE}),
        ("torn ACL", {"unhealthy"}, {PARTIAL, COMPLETE}),
        ("Partial", {"unhealthy"}, {PARTIAL}),
        ("partial-thickness tear", {"unhealthy"}, {PARTIAL}),
        ("Complete Tear.", {"unhealthy"}, {COMPLETE}),
        ("COMPLETE_RUPTURE", {"unhealthy"}, {COMPLETE}),
        ("vollständige  Ruptur", {"unhealthy"}, {COMPLETE}),
        ("rupture compl\u0065\u0300te", {"unhealthy"}, {COMPLETE}),
        ("完全断裂", {"unhealthy"}, {COMPLETE}),
        ("Grade II sprain", {"unhealthy"}, {PARTIAL}),
        ("mild sprain", {"unhealthy"}, {STRAIN}),
        ("Normal", {"healthy"}, {HEALTHY}),
        ("intact", {"healthy"}, {HEALTHY}),
        ("No ACL tear", {"healthy"}, {HEALTHY, STRAIN}),
        ("injured", {"unhealthy"}, INJURED),
        ("3,0", {"unhealthy"}, {COMPLETE}),
        ("3.00", {"unhealthy"}, {COMPLETE}),
    ],
)
def test_what_reports_and_spreadsheets_say(value, binary, four_class):
    assert LabelTable.load().classes("dicom", value) == (binary, four_class)


@pytest.mark.parametrize(
    "value", ["sprain", "strain", "abnormal", "yes", "no", "TRUE", "1-2", "tear?", "4", "01", "-1"]
)
def test_what_may_mean_two_things_means_nothing(value):
    with pytest.raises(ValueError, match="isn't one of dicom's"):
        LabelTable.load().classes("dicom", value)


def test_no_alias_of_ours_stands_for_two_values():
    for source in LabelTable.load().sources.values():
        words = [*source.values, *(label_key(alias) for one in source.values.values() for alias in one.aliases)]
        assert len(words) == len(set(words))


def test_a_users_alias_comes_before_our_values_and_aliases(tmp_path):
    mine = """
        [dicom.values.unhealthy]
        binary = ["unhealthy"]
        four_class = []
        aliases = ["1", "Partial", "gerissen"]
    """
    table = LabelTable.load(write(tmp_path, mine))
    for value in ("1", "1.0", "partial", "Gerissen", "unhealthy"):
        assert table.classes("dicom", value) == ({"unhealthy"}, set())
    assert table.classes("dicom", "partial tear") == ({"unhealthy"}, {PARTIAL})
