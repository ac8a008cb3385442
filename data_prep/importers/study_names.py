"""Finds the study that a cell names by UID, accession number, folder or path, also if a spreadsheet has changed it.

Ways to match are tried from the strictest to the loosest. The first one that finds any study is used; it must find
exactly one.
"""

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

from data_prep.importers.studies import Study
from data_prep.names import spellings
from data_prep.tables.cells import clean, words_key

# Excel keeps 15 digits of a number and writes zeros for the others.
EXCEL_DIGITS = 15
# A number with fewer digits than Excel's 0.00E+00 shows may mean too many numbers that aren't in the folder.
ROUNDED_DIGITS = 3
# `0012345` became 12345 or 12345.0, `1E5` became 100000, `1.10` became 1.1 or 1,1.
_NUMBER = re.compile(r"\d{1,40}([.,]\d{1,20})?")
# `123456789012` became 1.23457E+11.
_ROUNDED = re.compile(r"(\d)(?:[.,](\d{1,20}))?E\+?(\d{1,3})", re.IGNORECASE)
# `1-2` became 01. Feb or 2-Jan.
_DATE = re.compile(
    r"\d{1,2}[-. /]{1,2}[^\W\d_]{3,4}\.?|[^\W\d_]{3,4}[-. /]{1,2}\d{2}"
    r"|\d{1,2}[-./]\d{1,2}[-./](\d{2}|\d{4})|\d{4}-\d\d?-\d\d?"
)
_NAME_AS_NUMBER = re.compile(r"\d{1,40}(\.\d{1,20})?|\d{1,10}E\+?\d{1,3}", re.IGNORECASE)


@dataclass(frozen=True)
class Match:
    """What a cell may mean.

    Attributes:
        studies: UIDs of the studies that it may mean.
        is_changed: A spreadsheet changed the cell.
        is_rounded: A spreadsheet rounded the cell, so that digits are lost.
    """

    studies: frozenset[str]
    is_changed: bool = False
    is_rounded: bool = False


class StudyNames:
    """All names that a cell may use for the studies below a folder."""

    def __init__(self, studies: Mapping[str, Study], root: Path) -> None:
        self.root = words_key(root.name)
        self.exact: dict[str, set[str]] = defaultdict(set)
        self.loose: dict[str, set[str]] = defaultdict(set)
        self.paths: dict[tuple[str, ...], set[str]] = defaultdict(set)
        self.numbers: dict[Decimal, set[str]] = defaultdict(set)
        for uid, study in studies.items():
            branches = [folder.relative_to(root).parts for folder in study.folders]
            for name in {uid} | study.accessions | {part for parts in branches for part in parts}:
                for spelling in spellings(name):
                    self._learn(spelling, uid)
            for parts in branches:
                for depth in range(1, len(parts) + 1):
                    self.paths[tuple(map(words_key, parts[:depth]))].add(uid)

    def find(self, cell: str) -> Match:
        """The studies that a cell may mean; there may be none or several."""
        if not cell:
            return Match(frozenset())
        for found in (self.exact.get(clean(cell)), self.loose.get(words_key(cell)), self._by_path(cell)):
            if found:
                return Match(frozenset(found))
        return self._by_number(cell)

    def _learn(self, name: str, uid: str) -> None:
        self.exact[clean(name)].add(uid)
        self.loose[words_key(name)].add(uid)
        if _NAME_AS_NUMBER.fullmatch(clean(name)):
            self.numbers[Decimal(clean(name))].add(uid)

    def _by_path(self, cell: str) -> set[str]:
        """Studies at a path below the root, with either slash. Text before that path must end with the root's name."""
        parts = tuple(words_key(part) for part in re.split(r"[\\/]+", cell) if part.strip() not in ("", "."))
        if len(parts) < 2 and not re.search(r"[\\/]", cell):
            return set()
        for start in range(len(parts)):
            if (start == 0 or parts[start - 1] == self.root) and (found := self.paths.get(parts[start:])):
                return found
        return set()

    def _by_number(self, cell: str) -> Match:
        if match := _ROUNDED.fullmatch(cell):
            return self._rounded(match[1] + (match[2] or ""), int(match[3]))
        if not _NUMBER.fullmatch(cell):
            return Match(frozenset())
        value = Decimal(cell.replace(",", "."))
        if found := self.numbers.get(value):
            return Match(frozenset(found), is_changed=True)
        whole = re.split("[.,]", cell)[0]
        if len(whole) > EXCEL_DIGITS and not whole[EXCEL_DIGITS:].strip("0"):
            return self._near(value, Decimal(1).scaleb(len(whole) - EXCEL_DIGITS))
        return Match(frozenset())

    def _rounded(self, digits: str, exponent: int) -> Match:
        last = Decimal(1).scaleb(exponent - len(digits) + 1)
        value = Decimal(digits) * last
        match = self._near(value, last / 2)
        is_sure = len(digits) >= ROUNDED_DIGITS or value in self.numbers or len(match.studies) > 1
        return match if is_sure else replace(match, studies=frozenset())

    def _near(self, value: Decimal, reach: Decimal) -> Match:
        found = [uids for number, uids in self.numbers.items() if abs(number - value) <= reach]
        return Match(frozenset().union(*found), is_changed=True, is_rounded=True)


def looks_like_a_date(cell: str) -> bool:
    """Whether a spreadsheet may have changed an id such as 1-2 to a date."""
    return bool(_DATE.fullmatch(cell))
