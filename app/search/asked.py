"""What a search asks of one key: the kinds of matching of PS3.4 C.2.2.2, as conditions in SQL.

Single values, lists of UIDs and of codes, wild cards, ranges of dates and times. One value of a key has to match. Names
match in every representation; `=` in what is asked for separates the representations (PS3.5 6.2.1.1), and each that is
given has to match its own. Codes of a sequence have to match in the same item.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from sqlalchemy import ColumnElement, CompoundSelect, Select, and_, exists, false, or_, select, union_all

from app.search.sql import Checked, Wild
from app.store.index.keys import Key, Level
from app.store.index.tables import ENTRIES, FURTHER
from app.store.index.values import LAST, LONGEST, REPRESENTATIONS, folded, kept, plain

# A comma or a backslash separates UIDs and codes, which hold neither (PS3.5 6.2).
LIST = re.compile(r"[,\\]")
# How dates and times look (PS3.5 6.2), and an example of each.
MOMENTS = {"DA": (r"\d{8}", "20260131"), "TM": (r"\d\d(?:\d\d(?:\d\d(?:\.\d{1,6})?)?)?", "1530")}
NUMBERS = frozenset({"IS", "US"})
# Characters of one key, in which hundreds of UIDs have room.
MOST_ASKED = 65_536

Text = ColumnElement[str]
Test = Callable[[Text], ColumnElement[bool]]


class InvalidKey(ValueError):
    """A key's value can't be matched. The message is a sentence for the client, and doesn't quote it."""


class Effort(IntEnum):
    """How few rows a condition is likely to leave, the fewest first."""

    UID = 0
    VALUE = 1
    BEGINNING = 2
    ANY = 3


@dataclass(frozen=True)
class Part:
    """What a value of one key has to be.

    Attributes:
        representation: The number of a name's representation, if only this one is meant.
    """

    key: Key
    test: Test
    representation: int | None = None


@dataclass(frozen=True)
class Condition:
    """What an entry has to have.

    Attributes:
        parts: What has to match at the same place: one part, or several in the same item of a sequence.
        effort: Which conditions are to be tried first.
    """

    parts: tuple[Part, ...]
    effort: Effort

    @property
    def level(self) -> Level:
        """What it is asked of."""
        return self.parts[0].key.level

    @property
    def names_entries(self) -> bool:
        """Whether it asks for entries by their own UIDs, so that no more match than it names."""
        return self.parts[0].key.column == "uid"

    def first(self) -> ColumnElement[bool]:
        """Whether an entry's first values match. This uses an index."""
        return self._first(ENTRIES[self.level].c.__getitem__)

    def candidates(self) -> CompoundSelect[Any]:
        """A select of the ids of all entries that match, some perhaps twice. It uses indexes."""
        return union_all(select(ENTRIES[self.level].c.id).where(self.first()), self._further())

    def check(self) -> ColumnElement[bool]:
        """Whether an entry matches, in a statement that reads entries for another reason."""
        entry = ENTRIES[self.level]
        first = self._first(lambda name: Checked(entry.c[name]))
        if self.effort is Effort.UID:
            return first
        return or_(first, exists(self._further().where(FURTHER.c.owner == entry.c.id).correlate(entry)))

    def _first(self, column: Callable[[str], Text]) -> ColumnElement[bool]:
        """Of the first values, which are in the entry's columns."""
        return and_(*(false() if part.representation else part.test(column(part.key.column)) for part in self.parts))

    def _further(self) -> Select[tuple[int]]:
        """Of the further values: the ids of the entries that have them."""
        first, *others = self.parts
        found = select(FURTHER.c.owner).where(FURTHER.c.key == first.key.name, first.test(FURTHER.c.value))
        if first.representation is not None:
            found = found.where(FURTHER.c.place % len(REPRESENTATIONS) == first.representation)
        for part in others:
            other = FURTHER.alias()
            same = other.c.owner == FURTHER.c.owner, other.c.place == FURTHER.c.place
            found = found.where(exists().where(*same, other.c.key == part.key.name, part.test(other.c.value)))
        return found


def conditions(asked: Iterable[tuple[Key, str]]) -> list[Condition]:
    """The conditions of a search, from keys and what is asked of each. An empty text matches everything.

    Raises:
        InvalidKey: A value isn't one of its key.
    """
    found: list[Condition] = []
    of_items: dict[str, list[Condition]] = {}
    for key, text in asked:
        if len(text) > MOST_ASKED:
            raise InvalidKey(f"{key.name} must not be so long.")
        for condition in _conditions(key, text):
            if len(key.path) > 1:
                of_items.setdefault(key.path[0], []).append(condition)
            else:
                found.append(condition)
    return found + [_together(several) for several in of_items.values()]


def _together(several: Sequence[Condition]) -> Condition:
    parts = tuple(part for condition in several for part in condition.parts)
    return Condition(parts, min(condition.effort for condition in several))


def _conditions(key: Key, text: str) -> list[Condition]:
    text = text.strip(" ")
    if text in ("", "*"):
        return []
    if key.vr == "UI":
        return [Condition((Part(key, _one_of([plain(one) for one in LIST.split(text)])),), Effort.UID)]
    if key.vr in MOMENTS:
        return _range(key, text, *MOMENTS[key.vr])
    if key.vr in NUMBERS:
        return _number(key, text)
    if key.vr == "PN" and "=" in text:
        groups = enumerate(text.split("=")[: len(REPRESENTATIONS)])
        return [one for number, group in groups for one in _of_text(key, [folded(group)], number)]
    # Codes hold no commas (PS3.5 6.2), so a comma separates them as it separates UIDs.
    wanted = LIST.split(text) if key.vr == "CS" else [text]
    return _of_text(key, [kept(key, one) for one in wanted])


def _of_text(key: Key, wanted: Sequence[str], representation: int | None = None) -> list[Condition]:
    """One of these texts, which may have wild cards. `*` alone is universal matching (PS3.4 C.2.2.2.4)."""
    wanted = [re.sub(r"\*+", "*", one) for one in wanted]
    if any(one in ("", "*") for one in wanted):
        return []
    exact = [one for one in wanted if not _is_wild(one)]
    tests = [_pattern(one) for one in wanted if _is_wild(one)] + ([_one_of(exact)] if exact else [])
    effort = max(
        Effort.ANY if one[0] in "*?" else Effort.BEGINNING if _is_wild(one) else Effort.VALUE for one in wanted
    )
    return [Condition((Part(key, lambda text: or_(*(test(text) for test in tests)), representation),), effort)]


def _is_wild(text: str) -> bool:
    return "*" in text or "?" in text


def _one_of(texts: Sequence[str]) -> Test:
    return lambda text: text == texts[0] if len(texts) == 1 else text.in_(texts)


def _pattern(pattern: str) -> Test:
    if len(pattern.replace("*", "")) > LONGEST:
        return lambda _: false()
    beginning = re.split(r"[*?]", pattern, maxsplit=1)[0]
    if not beginning:
        return lambda text: Wild(text, pattern)
    return lambda text: and_(text >= beginning, text < beginning + LAST, Wild(text, pattern))


def _range(key: Key, text: str, moment: str, example: str) -> list[Condition]:
    """Dates or times from one to another, ends included. A short time stands for all that begin with it."""
    found = re.fullmatch(f"({moment})?(-)?({moment})?", text, re.ASCII)
    if found is None or text == "-":
        raise InvalidKey(f"{key.name} must be like {example}, or a range: {example}-, -{example}, {example}-{example}.")
    first, dash, last = (part or "" for part in found.groups())
    if not dash:
        last = first

    def within(value: Text) -> ColumnElement[bool]:
        return and_(*([value >= first] if first else []), *([value < last + LAST] if last else []))

    return [Condition((Part(key, within),), Effort.BEGINNING)]


def _number(key: Key, text: str) -> list[Condition]:
    """A whole number, however it is written (PS3.4 C.2.2.2.1)."""
    if re.fullmatch(r"[+-]?\d{1,12}", text, re.ASCII) is None:
        raise InvalidKey(f"{key.name} must be a whole number.")
    return [Condition((Part(key, _one_of([str(int(text))])),), Effort.VALUE)]
