"""A cell's text without the characters that spreadsheets, web pages and keyboards add, and how to compare two names."""

import re
import unicodedata
from functools import lru_cache

# These are invisible and never part of a name: soft hyphen, zero-width and direction marks, byte order mark.
_UNSEEN = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")
# Unicode's spaces (category Zs).
_BLANKS = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
# People write `="0012345"` so that Excel doesn't convert an id to a number.
_FORMULA_OF_TEXT = re.compile(r'="(.*)"', re.DOTALL)
# In a cell that a spreadsheet exports as text, an apostrophe before a number means that it is text.
_APOSTROPHE = re.compile(r"'(?=\d)")
_OPENING, _CLOSING = "“„«‘‚", "”“»’‘"
_WORD_BREAKS = re.compile(r"[\s_\-]+")
_BETWEEN_WORDS = re.compile(r"(?<=\w)[\s_\-]+(?=[^\W_])|\s+")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)


def clean(text: str) -> str:
    """The text in Unicode's composed form (NFC), without invisible characters, outer spaces and typographic quotes."""
    text = text.strip()
    if not text.isascii():
        text = _BLANKS.sub(" ", unicodedata.normalize("NFC", _UNSEEN.sub("", text))).strip()
        if text[:1] in _OPENING and text[-1:] in _CLOSING and len(text) > 1:
            text = text[1:-1].strip()
    if text[:1] == "=" and (match := _FORMULA_OF_TEXT.fullmatch(text)):
        text = match[1].strip()
    return _APOSTROPHE.sub("", text, count=1) if text[:1] == "'" else text


@lru_cache(1 << 10)
def column_key(name: str) -> str:
    """A key that is equal for column names that differ only in case, spaces, underscores and hyphens."""
    return _WORD_BREAKS.sub("", clean(name).casefold())


def words_key(text: str) -> str:
    """A key that is equal for texts that differ only in case, and in spaces, underscores and hyphens between words."""
    return _BETWEEN_WORDS.sub(" ", clean(text).casefold())


def decimal(text: str) -> float:
    """A number as the spreadsheets of any country write it: 0.36, 0,36, 1.234,5, 1,234.5 or 1 234,5.

    A single comma or point is the decimal separator: `1,234` is a little more than 1.

    Raises:
        ValueError: the text isn't a number.
    """
    plain = re.sub(r"(?<=\d)[ '](?=\d{3}(?!\d))", "", clean(text))
    if {",", "."} <= set(plain):
        thousands = "." if plain.rfind(",") > plain.rfind(".") else ","
        plain = re.sub(rf"(?<=\d)[{thousands}](?=\d{{3}}(?!\d))", "", plain)
    plain = plain.replace(",", ".")
    if not _NUMBER.fullmatch(plain):
        raise ValueError("not a number")
    return float(plain)
