"""Descriptions without anything but the words that Cruciate understands (PS3.15 E.3.6, Clean Descriptors Option).

Other words become `UNKNOWN`, so that distances between words, which `data_prep.selection.wording` counts, stay.
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import cache, lru_cache

from data_prep.selection import body_part, kind, side
from data_prep.selection.wording import COMMON_PARTS, LONGEST_TEXT, WORDS, phrases, plain

# In no vocabulary; a test checks it.
UNKNOWN = "zz"
# Scans have numbers such as "T2", "3 plane", "TE 80"; longer ones may be a date or a patient's number.
LONGEST_NUMBER = 3
# Words have letters, digits, and the marks that belong to letters. Between them only ASCII is left.
IN_WORDS = "LMN"
FEWEST_IN_A_ROW = 3
# Numbers or letters one after the other, such as a telephone number or a name in spaced letters. "w/o F/S" is none.
IN_WORD, MORE = r"(?:[^\W_]|[^\x00-\x7f])", f"{{{FEWEST_IN_A_ROW - 1},}}"
RUN = re.compile(f"{IN_WORD}+")
SPACES, SLASH = r"[ -.:-@\[-`{-~]", "/"
NUMBERS = re.compile(rf"(?<!{IN_WORD})(\d+)((?:(?:{SPACES}|{SLASH})+\d+){MORE})(?!{IN_WORD})")
LETTERS = re.compile(rf"(?<!{IN_WORD})(?<!{SLASH})[A-Za-z](?:{SPACES}+[A-Za-z](?!{IN_WORD}|{SLASH})){MORE}")
# Those that the selection reads as a minus sign.
DASHES = str.maketrans("\u2212\u2013", "--")
# Words that the selection looks for beside those of wording.toml.
SIDE_SIGNS = (*side.LEFT_SIGNS, *side.RIGHT_SIGNS, *side.BOTH_SIGNS)
OTHERS = ("ff", "fa", "se", "tse", "fse", "cse", "gre", "spin", "turbo", "echo", "in", "out", "phase", "w", "o", "wo")


def without_unknown(text: str) -> str:
    """The text with `UNKNOWN` in place of words and long numbers that mean nothing to Cruciate."""
    plainer = "".join(map(_allowed, unicodedata.normalize("NFKC", text)[:LONGEST_TEXT].translate(DASHES)))
    return RUN.sub(lambda run: _known_part(run[0]), without_rows(plainer))


def without_rows(text: str, unknown: str = UNKNOWN) -> str:
    """The text with `UNKNOWN` in place of three or more numbers in a row, except the first, and of spaced letters."""
    text = NUMBERS.sub(lambda row: row[1] + re.sub(r"\d+", unknown, row[2]), text)
    return LETTERS.sub(lambda row: re.sub(r"[^\W_]", unknown, row[0]), text)


def _allowed(char: str) -> str:
    """A space in place of a character that is neither printable ASCII nor part of a word."""
    return char if (char.isprintable() if char.isascii() else unicodedata.category(char)[0] in IN_WORDS) else " "


@lru_cache(4096)
def _known_part(run: str) -> str:
    """The letters and digits between two other characters; known ones stay as they are written."""
    parts = plain(run).split()
    known = [_meant(part) for part in parts]
    return run if known == parts and parts else " ".join(known) or UNKNOWN


def _meant(part: str) -> str:
    if part.isdecimal():
        return part if len(part) <= LONGEST_NUMBER else UNKNOWN
    words, stems = _vocabulary()
    if part in words or (len(part) == 1 and part.isascii()):
        return part
    sign = next((sign for sign in SIDE_SIGNS if sign in part), UNKNOWN)
    return max((stem for stem in stems if part.startswith(stem)), key=len, default=sign)


@cache
def _vocabulary() -> tuple[frozenset[str], frozenset[str]]:
    """Whole words, and beginnings of words."""
    every = {word for phrase in _phrases() for word in phrase.split()}
    return (
        frozenset(word for word in every if "*" not in word) | frozenset(word for one in _of_sides() for word in one),
        frozenset(word.rstrip("*") for word in every if word.endswith("*")) | frozenset(body_part.OWN_HEADS),
    )


def _phrases() -> Iterator[str]:
    for section in ("text", "suppression", "weighting"):
        for name in WORDS[section]:
            yield from phrases(section, name)
    yield from phrases("body_part", "knee")
    yield from phrases("body_part", "neutral")
    for name in WORDS["body_part"]["other"]:
        yield from phrases("body_part", "other", name)
    yield from (*COMMON_PARTS, *OTHERS, *body_part.BESIDE, *body_part.COIL, *body_part.LYING, *body_part.HEADS)
    yield body_part.FIRST
    yield from kind.PREFIXES


def _of_sides() -> Iterator[frozenset[str]]:
    """Words for sides, with and without the accents that `plain` removes."""
    words = (
        *(side.LEFT_WORDS, side.RIGHT_WORDS, side.BOTH_WORDS, side.LEFT_LETTERS, side.RIGHT_LETTERS),
        *(side.LEFT_KNEE, side.RIGHT_KNEE, *(words for form in side.SHORT_FORMS for words in form)),
    )
    for one in words:
        yield one
        yield frozenset(part for word in one for part in plain(word).split())
