"""The meaning of single words in a header, in the languages of scanners. The words are listed in wording.toml.

A description is read as a list of plain words without capitals, accents and punctuation. Known Chinese, Japanese and
Korean words are cut out of their sentence, and words written without spaces ("PDfsSag") are split.
"""

import re
import tomllib
import unicodedata
from collections.abc import Iterable
from functools import cache, lru_cache
from pathlib import Path
from typing import Literal

WORDS = tomllib.loads((Path(__file__).parent / "wording.toml").read_text(encoding="utf-8"))
# Scripts from this character on have no spaces between words.
FIRST_CJK = "\u2e80"
# Unknown CJK characters also end the Latin word beside them ("PD矢状位FS").
CJK_RUN = re.compile(rf"[{FIRST_CJK}-\uffff]+")
# Accents of Latin, Greek and Cyrillic letters; those of other scripts are letters themselves.
ACCENTS = re.compile("[\u0300-\u036f]")
# Letters that can't be split into a letter and an accent, and dashes.
PLAIN_LETTERS = str.maketrans("łøıđæ−–", "loida--")
# Thai vowels and tones above and below a letter are part of the word.
WORD = re.compile("(?:[^\\W_]|[\u0e31\u0e34-\u0e3a\u0e47-\u0e4e])+")
# Characters that are replaced by a word.
SIGNS = (
    (r"\bw\s*/\s*o(?:ut)?(?=[^a-z]|$|fs|fat)", " without "),
    (r"\bw\s*/", " with "),
    (r"\bf\s*/\s*s\b", " fs "),
    (r"\bf\.s\b", " fs "),
    (r"\b([rt][12])\s*(?:\*|star\b)", r"\1star "),
    (r"\(\s*fs\s*-\s*\)|\(\s*-\s*fs\s*\)|\bn\s*[-/]\s*fs\b", " no fs "),
    (r"\bfs\s*-\s*$|\bfs-(?=\s)", " fs fs off "),  # a minus sign or a dash: unclear
    (r"\bs\s*/\s*(?=fs|fat|sat|gord|gras|sup)|\bss\s+(?=fs|fat|sat|gras)", " sans "),
    (r"\bo\.\s*(?=fs\b|fat|fett)", " ohne "),
    (r"\b[bб]\s*/\s*(?=fs\b|жир)", " без "),
    (r"\bbaski(?:lama)?siz\b", " baski yok "),
    (r"\bnonfat\b", " non fat "),
    (r"\(\s*-\s*\)", " minus "),
    (r"\(\s*\+\s*\)", " plus "),
)
# The standard allows descriptions of 64 characters (PS3.5 6.2, LO). Longer ones are read up to this length.
LONGEST_TEXT = 256
# "CoilSurvey" is two words, "mFFE" is one.
INNER_CAPITAL = re.compile(r"(?<=[a-z]{3})(?=[A-Z][a-z]{2})")
# The largest distance, in words, from a negation to what it negates, and from a word for fat to one for suppression.
REACH = 3
# The vocabulary for words written without spaces. Shorter parts would be found in almost any word.
PARTS = (
    *(("suppression", "words"), ("suppression", "no")),
    *(("weighting", "fluid"), ("weighting", "plain"), ("text", "localizer")),
)
SHORTEST_PART = 2
COMMON_PARTS = (
    *("sag", "sagittal", "cor", "coronal", "ax", "axial", "tra", "knee", "left", "right", "lt", "rt"),
    *("se", "fse", "tse", "gre", "ffe", "3d", "2d", "hr", "high", "res", "mm", "off"),
)

Answer = Literal["yes", "no", "unclear", ""]


def phrases(*keys: str) -> tuple[str, ...]:
    """The phrases of one section of the vocabulary, such as `phrases("text", "map")`, as plain words."""
    section = WORDS
    for key in keys:
        section = section[key]
    return tuple(_letters(str(phrase)) for phrase in section)


def _letters(text: str) -> str:
    """The text in lower case, without accents, with normal letters instead of full-width ones."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    bare = ACCENTS.sub("", unicodedata.normalize("NFD", folded))
    return unicodedata.normalize("NFC", bare).translate(PLAIN_LETTERS)


@cache
def _known() -> frozenset[str]:
    """The single words that words written without spaces may consist of."""
    lists = [phrases(*section) for section in PARTS]
    words = {phrase.rstrip("*") for one in lists for phrase in one if " " not in phrase}
    return frozenset(word for word in {*words, *COMMON_PARTS} if len(word) >= SHORTEST_PART)


@cache
def _cjk() -> re.Pattern[str]:
    lists = [phrases(part, name) for part in ("text", "suppression", "weighting") for name in WORDS[part]]
    lists += [
        phrases("body_part", "knee"),
        phrases("body_part", "neutral"),
        *(phrases("body_part", "other", name) for name in WORDS["body_part"]["other"]),
    ]
    words = {phrase.rstrip("*") for one in lists for phrase in one if phrase >= FIRST_CJK}
    return re.compile("|".join(re.escape(word) for word in sorted(words, key=len, reverse=True)))


@lru_cache(4096)
def plain(text: str) -> str:
    """The plain words of the first LONGEST_TEXT characters, with one space around each."""
    text = _letters(INNER_CAPITAL.sub(" ", text[:LONGEST_TEXT])).replace("_", " ")
    for sign, word in SIGNS:
        text = re.sub(sign, word, text)
    text = CJK_RUN.sub(r" \g<0> ", _cjk().sub(r" \g<0> ", text))
    parts = [part for word in WORD.findall(text) for part in _parts(word)]
    return f" {' '.join(parts)} "


def _parts(word: str) -> tuple[str, ...]:
    """The fewest known words and numbers that form a word; the word itself if it is known or can't be split."""
    if word in _known() or not word.isascii():
        return (word,)
    best: list[tuple[str, ...] | None] = [(), *[None] * len(word)]
    for end in range(1, len(word) + 1):
        for start in range(end):
            before, part = best[start], word[start:end]
            if before is not None and (part in _known() or part.isdigit()):
                longer = (*before, part)
                shortest = best[end]
                if shortest is None or len(longer) < len(shortest):
                    best[end] = longer
    return best[-1] or (word,)


@cache
def _finder(*keys: str) -> re.Pattern[str]:
    """A pattern that finds any phrase of a section in plain words."""
    return re.compile(rf"(?<= )(?:{'|'.join(_regex(phrases(*keys)))})(?= )")


def _regex(found: Iterable[str]) -> list[str]:
    return [re.escape(phrase).replace(r"\*", r"[^ ]*") for phrase in found]


def says(words: str, *keys: str) -> bool:
    """Whether plain words contain a phrase of a section."""
    return _finder(*keys).search(words) is not None


@lru_cache(4096)
def suppression(words: str) -> Answer:
    """Whether plain words say that fat is suppressed: "unclear" if they contradict each other, "" if they don't say."""
    places = [(found.start(), found.end()) for found in _method().finditer(words)]
    answers = {_polarity(words[:start].split(), words[end:].split()) for start, end in places}
    if len(answers) > 1:
        return "unclear"
    return answers.pop() if answers else ""


def fat_alone(words: str) -> bool:
    """Whether plain words name fat, but neither its suppression nor the fat pad of the knee."""
    return not suppression(words) and says(words.replace(" fat pad ", " "), "suppression", "fat")


@cache
def _method() -> re.Pattern[str]:
    fat, suppress = ("|".join(_regex(phrases("suppression", name))) for name in ("fat", "suppress"))
    between = rf"(?: [^ ]+){{0,{REACH - 1}}} "
    methods = "|".join(_regex(phrases("suppression", "words")))
    return re.compile(rf"(?<= )(?:{methods}|(?:{fat}){between}(?:{suppress})|(?:{suppress}){between}(?:{fat}))(?= )")


def _polarity(before: list[str], after: list[str]) -> Answer:
    """Whether the words before and after a word for fat suppression negate it."""
    near = [word for word in before if not _is(word, "fillers")][-REACH:]
    if near and _is(near[-1], "no"):
        return "unclear" if len(near) > 1 and _is(near[-2], "both") else "no"
    if after in (["without"], ["wo"]):  # usually without contrast agent
        return "unclear"
    about_fat = len(after) < 2 or not _is(after[1], "objects")
    if after == ["0"] or (after and _is(after[0], "off") and about_fat) or (len(after) == 1 and _is(after[0], "no")):
        return "no"
    denials = [place for place, word in enumerate(near) if _is(word, "no")]
    if denials and not _is(near[denials[-1] + 1], "objects"):
        return "unclear"
    return "yes"


def _is(word: str, name: str) -> bool:
    found = _finder("suppression", name).match(f" {word} ", 1)
    return found is not None and found.end() == len(word) + 1
