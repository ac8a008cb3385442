"""Descriptions keep what the selection reads, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.deidentify.words import FEWEST_IN_A_ROW, UNKNOWN, _vocabulary, without_unknown
from data_prep.selection import side
from data_prep.selection.wording import plain


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("PD FS SAG", "PD FS SAG"),
        ("SAG T2 w/o FS Quibble^Zebedee", f"SAG T2 w/o FS {UNKNOWN}^{UNKNOWN}"),
        ("Knie li. Müller 19610304", f"Knie li. {UNKNOWN} {UNKNOWN}"),
        ("WATER: Sag PD FSE Flex", "WATER: Sag PD FSE Flex"),
        ("PDfsSag", "PDfsSag"),
        ("3-plane loc", "3-plane loc"),
        ("kneequibble", "knee"),
        ("左膝 田中", f"左膝 {UNKNOWN}"),
        ("", ""),
    ],
)
def test_what_is_kept_of_a_description(sent, kept):
    assert without_unknown(sent) == kept


def test_what_stands_for_unknown_words_means_nothing():
    words, stems = _vocabulary()
    assert UNKNOWN not in words
    assert not any(UNKNOWN.startswith(stem) for stem in stems)
    assert plain(UNKNOWN).split() == [UNKNOWN]


@given(
    st.lists(
        st.sampled_from(["Knee", "lt", "PD", "w/o", "FS", "Zebedee", "膝", "l", "_", "-", "T2*", "12"]), max_size=8
    ).filter(lambda words: max(map(words.count, ("l", "12"))) < FEWEST_IN_A_ROW)
)
def test_the_rest_is_read_as_before(words):
    text = " ".join(words)
    kept = without_unknown(text)
    assert plain(kept) == plain(text).replace(" zebedee ", f" {UNKNOWN} ").replace(" zebedee ", f" {UNKNOWN} ")
    assert side.described_sides(kept) == side.described_sides(text)
    assert without_unknown(kept) == kept
