"""What a cell says, without what spreadsheets, web pages and keyboards add to it, and how two names are compared."""

import re
import unicodedata
from functools import lru_cache

# None of these is seen or belongs to a name: soft hyphen, zero-width and direction marks, byte order mark.
_UNSEEN = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")
# Unicode's blanks of one line (category Zs).
_BLANKS = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
# `="0012345"` is how people keep Excel from making a number of an id.
_FORMULA_OF_TEXT = re.compile(r'="(.*)"', re.DOTALL)
# In a cell that a spreadsheet exports as text, an apostrophe before a number says: this is text.
_APOSTROPHE = re.compile(r"'(?=\d)")
_OPENING, _CLOSING = "“„«‘‚", "”“»’‘"
_WORD_BREAKS = re.compile(r"[\s_\-]+")
_BETWEEN_WORDS = re.compile(r"(?<=\w)[\s_\-]+(?=[^\W_])|\s+")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)


def clean(text: str) -> str:
    """The text in Unicode's composed form (NFC), without unseen characters, outer blanks and typographic quotes."""
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
    """The same for column names that differ in case, blanks, underscores and hyphens only."""
    return _WORD_BREAKS.sub("", clean(name).casefold())


def words_key(text: str) -> str:
    """The same for texts that differ in case, and in blanks, underscores and hyphens between their words only."""
    return _BETWEEN_WORDS.sub(" ", clean(text).casefold())


def decimal(text: str) -> float:
    """A number as any country's spreadsheet writes it: 0.36, 0,36, 1.234,5, 1,234.5 or 1 234,5. ValueError otherwise.

    A single comma or point is the decimal one: `1,234` is a little more than 1.
    """
    plain = re.sub(r"(?<=\d)[ '](?=\d{3}(?!\d))", "", clean(text))
    if {",", "."} <= set(plain):
        thousands = "." if plain.rfind(",") > plain.rfind(".") else ","
        plain = re.sub(rf"(?<=\d)[{thousands}](?=\d{{3}}(?!\d))", "", plain)
    plain = plain.replace(",", ".")
    if not _NUMBER.fullmatch(plain):
        raise ValueError("not a number")
    return float(plain)
