"""A cell means a study although a spreadsheet, another system or a person has changed it; guesses aren't taken."""

import unicodedata
from pathlib import Path

import pytest

from data_prep.importers.studies import Study
from data_prep.importers.study_names import StudyNames, looks_like_a_date

ROOT = Path("/data/Export")
# Each study's folder below the root, and its accession number.
STUDIES = {
    "1.2.840.1": ("0012345", "A-1"),
    "1.2.840.2": ("0012346", "123456789012"),
    "1.2.840.3": (unicodedata.normalize("NFD", "Größe"), "123456999999"),
    "1.2.840.4": ("site a/Case One/10", "20240102030405001"),
    "1.2.840.5": ("site b/case one/11", "20240102030405002"),
    "1.2.840.6": ("1E5", "1.10"),
    "1.2.840.7": ("O'Brien", "987654321098765432"),
    "1.2.840.8": ("Müller Änne", "0000"),
    "1.2.840.9": ("12345A", "55501"),
    "1.2.840.10": ("x", "055501"),
}


@pytest.fixture(scope="module")
def names() -> StudyNames:
    studies = {
        uid: Study(uid, folders={ROOT / folder}, accessions={accession}) for uid, (folder, accession) in STUDIES.items()
    }
    return StudyNames(studies, ROOT)


def last(found: frozenset[str]) -> set[int]:
    return {int(uid.rpartition(".")[2]) for uid in found}


@pytest.mark.parametrize(
    ("cell", "studies"),
    [
        ("1.2.840.1", {1}),
        ("A-1", {1}),
        ("a-1", {1}),
        ("0012345", {1}),
        ("Größe", {3}),
        (unicodedata.normalize("NFD", "Größe"), {3}),
        ("größe", {3}),
        ("MÜLLER  ÄNNE", {8}),
        ("Müller\u00a0Änne", {8}),
        ("O'Brien", {7}),
        ("case one", {5}),
        ("CASE ONE", {4, 5}),
        ("site a/Case One", {4}),
        ("site a\\case one\\", {4}),
        ("./site b/case one/11", {5}),
        ("C:\\Users\\me\\Export\\site b\\case one", {5}),
        ("/mnt/export/site a", {4}),
        ("1E5", {6}),
        ("", set()),
        ("Case Two", set()),
        ("elsewhere/case one", set()),
        ("C:\\other\\site b", set()),
        ("2.840.1", set()),
    ],
)
def test_names_and_paths(names, cell, studies):
    match = names.find(cell)
    assert last(match.studies) == studies
    assert not match.is_changed


@pytest.mark.parametrize(
    ("cell", "studies"),
    [
        ("12345", {1}),
        ("12345.0", {1}),
        ("12345,0", {1}),
        ("00012346", {2}),
        ("123456789012.0", {2}),
        ("100000", {6}),
        ("1.1", {6}),
        ("1,1", {6}),
        ("0", {8}),
        ("0055501", {9, 10}),
    ],
)
def test_numbers_that_a_spreadsheet_wrote_in_another_way(names, cell, studies):
    match = names.find(cell)
    assert last(match.studies) == studies
    assert match.is_changed
    assert not match.is_rounded


@pytest.mark.parametrize(
    ("cell", "studies"),
    [
        ("1.23456789E+11", {2}),
        ("1,23457E+11", {2, 3}),
        ("1.2E+11", {2, 3}),
        ("1.23457e11", {2, 3}),
        ("9.88E+17", {7}),
        ("987654321098765000", {7}),
        ("2.02401E+16", {4, 5}),
        ("7.5E+11", set()),
        ("9.9E+17", set()),
        ("1E+5", {6, 9, 10}),
    ],
)
def test_numbers_that_lost_digits(names, cell, studies):
    match = names.find(cell)
    assert last(match.studies) == studies
    assert match.is_rounded


def test_a_cell_with_fewer_digits_than_excel_keeps_is_not_taken_for_a_rounded_one(names):
    assert not names.find("123456789").studies
    assert not names.find("20240102030405003").studies


@pytest.mark.parametrize("cell", ["01. Feb", "2-Jan", "Jan-24", "02.01.2024", "2024-01-02", "1. Mai", "12-déc."])
def test_dates(cell):
    assert looks_like_a_date(cell)


@pytest.mark.parametrize("cell", ["case one", "A-1", "12345", "1.2.840.113619.2.5", "2.25.1", "exam-7"])
def test_no_dates(cell):
    assert not looks_like_a_date(cell)
