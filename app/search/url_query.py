"""What a URL asks of a search: keys, paging, and which attributes to return (PS3.18 8.3.4)."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from pydicom.datadict import dictionary_has_tag, keyword_for_tag, tag_for_keyword
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import BadRequest

from app.search.asked import Condition, InvalidKey, conditions
from app.store.index.keys import Key, Level, keys_for

Document = dict[str, Any]

# The largest study that is predicted on has as many instances (`Limits.files`). More results are requested in pages.
MOST_RESULTS = 5000
# With attributes that are read from instances.
MOST_WITH_FURTHER = 500
# Attributes that can be asked for by name.
MOST_FIELDS = 200
# The largest number that a client may send.
MOST = 999_999_999
INCLUDED, ALL = "includefield", "all"
PAGING = frozenset({"limit", "offset"})
# Kinds of matching that aren't supported, and the warning for each (PS3.18 8.3.4.2, 8.3.4.5, 8.3.4.6).
MATCHINGS = {
    "fuzzymatching": "The fuzzymatching parameter is not supported. Only literal matching has been performed.",
    "emptyvaluematching": "The emptyvaluematching parameter is not supported. "
    "Empty Value Matching has not been performed.",
    "multiplevaluematching": "The multiplevaluematching parameter is not supported. "
    "Multiple Value Matching has not been performed.",
}


def _parameter(name: str, schema: Document) -> Document:
    return {"name": name, "in": "query", "schema": schema}


def _number_schema(description: str, default: int) -> Document:
    return {"type": "integer", "minimum": 0, "maximum": MOST, "default": default, "description": description}


PARAMETERS: list[Document] = [
    _parameter(
        "limit",
        _number_schema(
            f"The maximum number of results; never more than {MOST_RESULTS}, and {MOST_WITH_FURTHER} with attributes "
            "that are read from the instances.",
            MOST_RESULTS,
        ),
    ),
    _parameter("offset", _number_schema("How many results to skip.", 0)),
    _parameter(
        INCLUDED,
        {
            "type": "array",
            "items": {"type": "string"},
            "description": "Attributes to return, by keyword or tag, separated by commas, besides those that the level "
            "always has. They are read from an instance of each result. `all`: every attribute of an instance.",
        },
    ),
    _parameter(
        "fuzzymatching",
        {"type": "boolean", "description": "Accepted without effect: names match literally, and `Warning` says so."},
    ),
]


def parameters(level: Level) -> list[Document]:
    """The parameters of a search of this level, for the OpenAPI document."""
    description = (
        "Matching keys. Each is a separate parameter, named by keyword or by tag (`00080020`). `*` stands for any "
        "text, `?` for any character, `20260101-` for that day and later; commas separate UIDs and codes. "
        f"Keywords: {', '.join(key.name for key in keys_for(level))}."
    )
    schema = {"type": "object", "additionalProperties": True, "description": description}
    keys = {"name": "keys", "in": "query", "schema": schema, "example": {"StudyDate": "20260101-"}}
    return [keys | {"style": "form", "explode": True}, *PARAMETERS]


@dataclass(frozen=True)
class Query:
    """A search.

    Attributes:
        conditions: What must match.
        limit: The maximum number of results.
        offset: How many results to skip.
        included: Tags of the attributes that are to be returned, too, as in DICOM JSON.
        everything: Whether every attribute is to be returned.
        warnings: Sentences about what the client asked for and isn't done.
    """

    conditions: tuple[Condition, ...]
    limit: int
    offset: int
    included: tuple[str, ...] = ()
    everything: bool = False
    warnings: tuple[str, ...] = ()

    @classmethod
    def parse(cls, arguments: MultiDict[str, str], level: Level, path: Mapping[str, str | None] | None = None) -> Self:
        """Parse a URL's query. Unsupported parameters are ignored, with a warning (PS3.18 8.3).

        Args:
            arguments: The URL's query.
            level: What is searched for.
            path: UIDs in the URL's path, by keyword; None if the path doesn't name one.

        Raises:
            BadRequest: A supported parameter has an invalid value.
        """
        known = _by_name(keys_for(level))
        asked: dict[Key, list[str]] = {}
        ignored: list[str] = []
        for name, text in arguments.items(multi=True):
            key = known.get(name.upper() if name[:1].isdigit() else name)
            if key is not None:
                asked.setdefault(key, []).append(text)
            elif name not in MATCHINGS and name not in PAGING and name != INCLUDED:
                ignored.append(name)
        in_path = [(known[keyword], uid) for keyword, uid in (path or {}).items() if uid is not None]
        try:
            found = tuple(conditions([*in_path, *((key, _once(key, texts)) for key, texts in asked.items())]))
        except InvalidKey as error:
            raise BadRequest(str(error)) from None
        warnings = [text for name, text in MATCHINGS.items() if _is_true(arguments, name)]
        fields = [field.strip() for text in arguments.getlist(INCLUDED) for field in text.split(",") if field.strip()]
        if len(fields) > MOST_FIELDS:
            raise BadRequest(f"{INCLUDED} may name {MOST_FIELDS} attributes.")
        tags = {field: _tag(field) for field in fields if field != ALL}
        ignored += [INCLUDED] if None in tags.values() else []
        return cls(
            found,
            min(_number(arguments, "limit", MOST_RESULTS), MOST_RESULTS),
            _number(arguments, "offset", 0),
            tuple(dict.fromkeys(tag for tag in tags.values() if tag)),
            ALL in fields,
            (*warnings, *_not_supported(ignored)),
        )


def _once(key: Key, texts: Sequence[str]) -> str:
    """What is asked of a key. One that can have a list may also be repeated."""
    if len(texts) > 1 and key.vr not in ("UI", "CS"):
        raise InvalidKey(f"{key.name} must be given once.")
    return ",".join(filter(None, texts))


def _by_name(keys: Iterable[Key]) -> dict[str, Key]:
    """Keys by keyword and by tag."""
    return {name: key for key in keys for name in (key.name, key.tags)}


def _tag(name: str) -> str | None:
    """The tag of an attribute as in DICOM JSON; None for what is none. Private attributes are known by their tags."""
    if re.fullmatch("[0-9A-Fa-f]{8}", name):
        return name.upper()
    number = tag_for_keyword(name)
    return None if number is None else f"{number:08X}"


def _not_supported(names: Iterable[str]) -> list[str]:
    """A warning about ignored parameters, if any. Names outside the DICOM dictionary are counted, not quoted."""
    names = dict.fromkeys(names)
    known = [name for name in names if name == INCLUDED or all(map(_is_attribute, name.split(".")))]
    others = len(names) - len(known)
    listed = [*known, *([f"{others} other{'s' if others > 1 else ''}"] if others else [])]
    return [f"Ignored, because they are not supported here: {', '.join(listed)}."] if listed else []


def _is_attribute(name: str) -> bool:
    tag = _tag(name) if name else None  # some retired attributes have no keyword
    return tag is not None and dictionary_has_tag(int(tag, 16)) and keyword_for_tag(int(tag, 16)) != ""


def _number(arguments: MultiDict[str, str], name: str, default: int) -> int:
    text = arguments.get(name, str(default))
    if not re.fullmatch("[0-9]{1,9}", text):
        raise BadRequest(f"{name} must be a whole number up to {MOST:,}.")
    return int(text)


def _is_true(arguments: MultiDict[str, str], name: str) -> bool:
    text = arguments.get(name, "false").lower()
    if text not in ("true", "false"):
        raise BadRequest(f"{name} must be true or false.")
    return text == "true"
