"""The values of keys as the tables hold them, so that equal texts are equal for every database.

Values and what is asked for are treated alike: Unicode's composed form (NFC), without blanks at the ends, which have no
meaning (PS3.5 6.2). Where case has no meaning, letters are folded here, because databases fold only some of them:
SQLite's `lower` knows ASCII, and PostgreSQL's depends on its locale.

Example:
    >>> folded("MÜLLER^Jörg^^")
    'müller^jörg'
"""

import re
import unicodedata
from collections.abc import Iterator
from typing import Any

from app.contract.json_text import Json
from app.store.index.keys import Key, tag

# Characters. The longest valid value has 64, or 3 x 64 for a name with its three representations (PS3.5 6.2). A longer
# one matches nothing, and no index of a database has to hold it.
LONGEST = 256
# The representations of a person's name, in DICOM's order (PS3.5 6.2.1.1).
REPRESENTATIONS = ("Alphabetic", "Ideographic", "Phonetic")
# NUL, which PostgreSQL doesn't store; halves of UTF-16 characters; and the last character, which ends ranges.
_UNSTORABLE = re.compile("[\0\ud800-\udfff\U0010ffff]")
LAST = "\U0010ffff"
# Turkish letters: people who look for them type a plain i.
_DOTLESS = {ord("İ"): "i", ord("ı"): "i"}


def plain(text: str) -> str:
    """A value in which case has a meaning."""
    return _UNSTORABLE.sub("\ufffd", unicodedata.normalize("NFC", text)).strip(" ")


def folded(text: str) -> str:
    """A value in which case has no meaning. Each character stays one, so that `?` still stands for one.

    The separators of a name's empty last components are left out, as senders may do (PS3.5 6.2.1.2).
    """
    return "".join(map(_folded, plain(text).translate(_DOTLESS))).rstrip("^ ")


def _folded(character: str) -> str:
    for form in (character.casefold(), character.lower()):
        if len(form) == 1:
            return form
    return character


def kept(key: Key, text: str) -> str:
    """A value as the tables hold it."""
    return folded(text) if key.is_folded else plain(text)


def values_of(key: Key, attributes: Json) -> dict[int, str]:
    """The values of a key in a DICOM JSON object (PS3.18 F.2), by their places.

    The place is the value's index, or the index of the sequence's item, of which the first value counts: it can have no
    other (VM 1). Each name has three places, one for each representation. Empty values have none.
    """
    found = {place: kept(key, text) for place, text in _texts(key, attributes) if len(text) <= LONGEST}
    return {place: text for place, text in found.items() if text}


def _texts(key: Key, attributes: Json) -> Iterator[tuple[int, str]]:
    values = attributes.get(tag(key.path[0]), {}).get("Value", ())
    for place, value in enumerate(values):
        if len(key.path) > 1:
            inner = value.get(tag(key.keyword), {}).get("Value", ()) if isinstance(value, dict) else ()
            yield from ((place, str(one)) for one in inner[:1] if one is not None)
        elif key.vr == "PN":
            yield from _representations(place, value)
        elif value is not None:
            yield place, str(value)


def _representations(place: int, value: Any) -> Iterator[tuple[int, str]]:
    names = value if isinstance(value, dict) else {} if value is None else {REPRESENTATIONS[0]: value}
    for number, representation in enumerate(REPRESENTATIONS):
        if representation in names:
            yield len(REPRESENTATIONS) * place + number, str(names[representation])
