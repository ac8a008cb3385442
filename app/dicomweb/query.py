"""What a search asks for: matching keys and paging (PS3.18 8.3.4, matching by PS3.4 C.2.2.2)."""

import fnmatch
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from pydicom.datadict import dictionary_has_tag, dictionary_VR
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import BadRequest

from app.contract.json_text import Json
from app.dicomweb.dicom_json import tag
from app.http.responses import Document

# The largest study that is predicted on has as many instances (`Limits.files`). More results are requested in pages.
MOST_RESULTS = 5000
# Accepted without effect: all stored attributes of a level are always returned.
INCLUDED = "includefield"
PAGING = frozenset({"limit", "offset"})
# Kinds of matching that aren't supported, and the warning for each (PS3.18 8.3.4.2, 8.3.4.5, 8.3.4.6).
MATCHINGS = {
    "fuzzymatching": "The fuzzymatching parameter is not supported. Only literal matching has been performed.",
    "emptyvaluematching": "The emptyvaluematching parameter is not supported. "
    "Empty Value Matching has not been performed.",
    "multiplevaluematching": "The multiplevaluematching parameter is not supported. "
    "Multiple Value Matching has not been performed.",
}

PARAMETERS: list[Document] = [
    {
        "name": "limit",
        "in": "query",
        "schema": {
            "type": "integer",
            "minimum": 0,
            "default": MOST_RESULTS,
            "description": f"The maximum number of results; never more than {MOST_RESULTS}.",
        },
    },
    {
        "name": "offset",
        "in": "query",
        "schema": {"type": "integer", "minimum": 0, "default": 0, "description": "How many results to skip."},
    },
    {
        "name": "includefield",
        "in": "query",
        "schema": {
            "type": "array",
            "items": {"type": "string"},
            "description": "Accepted without effect: all stored attributes of a level are returned.",
        },
    },
    {
        "name": "fuzzymatching",
        "in": "query",
        "schema": {
            "type": "boolean",
            "description": "Accepted without effect: names match literally, and `Warning` says so.",
        },
    },
]

Test = Callable[[str], bool]


def parameters(keywords: Iterable[str]) -> list[Document]:
    """The parameters of a search by these matching keys, for the OpenAPI document."""
    description = (
        "Matching keys. Each is a separate parameter, named by keyword or by tag (`00080020`). `*` stands for any "
        "text, `?` for any character, `20260101-` for that day and later; commas separate UIDs. "
        f"Keywords: {', '.join(keywords)}."
    )
    schema = {"type": "object", "additionalProperties": {"type": "string"}, "description": description}
    keys = {"name": "keys", "in": "query", "schema": schema, "example": {"StudyDate": "20260101-"}}
    return [keys | {"style": "form", "explode": True}, *PARAMETERS]


@dataclass(frozen=True)
class Query:
    """A search.

    Attributes:
        matches: Tests by key of the DICOM JSON object; one of the key's values must pass.
        uids: The UID, by keyword, for keys that ask for exactly one UID.
        limit: The maximum number of results.
        offset: How many results to skip.
        warnings: Sentences about what the client asked for and isn't done.
    """

    matches: Mapping[str, Test]
    uids: Mapping[str, str]
    limit: int
    offset: int
    warnings: tuple[str, ...] = ()

    @classmethod
    def parse(cls, arguments: MultiDict[str, str], keywords: Iterable[str]) -> Self:
        """Parse a URL's query. Unsupported parameters are ignored, with a warning (PS3.18 8.3).

        Args:
            arguments: The URL's query.
            keywords: Keywords of the matching keys.

        Raises:
            BadRequest: A supported parameter has an invalid value.
        """
        allowed = {tag(keyword): keyword for keyword in keywords}
        matches: dict[str, Test] = {}
        uids: dict[str, str] = {}
        ignored: list[str] = []
        for name, text in arguments.items(multi=True):
            key = _key(name)
            if key in allowed and text:
                matches[key] = _test(dictionary_VR(int(key, 16)), text)
                if allowed[key].endswith("InstanceUID") and not set(text) & set(",\\"):
                    uids[allowed[key]] = text
            elif key not in allowed and name not in MATCHINGS and name not in PAGING and name != INCLUDED:
                ignored.append(name)
        warnings = [text for name, text in MATCHINGS.items() if arguments.get(name) == "true"]
        limit = min(_number(arguments, "limit", MOST_RESULTS), MOST_RESULTS)
        offset = _number(arguments, "offset", 0)
        return cls(matches, uids, limit, offset, (*warnings, *_not_supported(ignored)))

    def accepts(self, attributes: Json) -> bool:
        """Whether an object passes every test."""
        return all(any(map(test, _texts(attributes.get(key, {})))) for key, test in self.matches.items())


def _key(name: str) -> str:
    if re.fullmatch("[0-9A-Fa-f]{8}", name):
        return name.upper()
    try:
        return tag(name) if name else ""  # some retired attributes have no keyword
    except KeyError:
        return ""


def _not_supported(names: Iterable[str]) -> list[str]:
    """A warning about ignored parameters, if any. Names outside the DICOM dictionary are counted, not quoted."""
    names = dict.fromkeys(names)
    known = [name for name in names if all(map(_is_attribute, name.split(".")))]
    others = len(names) - len(known)
    listed = [*known, *([f"{others} other{'s' if others > 1 else ''}"] if others else [])]
    return [f"Ignored, because they are not supported here: {', '.join(listed)}."] if listed else []


def _is_attribute(name: str) -> bool:
    key = _key(name)
    return bool(key) and dictionary_has_tag(int(key, 16))


def _number(arguments: MultiDict[str, str], name: str, default: int) -> int:
    text = arguments.get(name, str(default))
    if not re.fullmatch("[0-9]{1,9}", text):
        raise BadRequest(f"{name} must be a whole number.")
    return int(text)


def _test(vr: str, text: str) -> Test:
    if vr == "UI":
        return set(re.split(r"[,\\]", text)).__contains__
    if vr in ("DA", "TM", "DT"):
        return _range(text)
    # fnmatch interprets [...], DICOM doesn't.
    pattern = re.compile(fnmatch.translate(text.replace("[", "[[]")), re.IGNORECASE if vr == "PN" else 0)
    return lambda value: pattern.match(value) is not None


def _range(text: str) -> Test:
    first, dash, last = text.partition("-")
    if not dash:
        last = first
    return lambda value: first <= value[: len(first)] and (not last or value[: len(last)] <= last)


def _texts(attribute: Mapping[str, Any]) -> list[str]:
    """An attribute's values; for a person's name (PS3.18 F.2.2), each of its representations."""
    texts: list[str] = []
    for value in attribute.get("Value", ()):
        texts += value.values() if isinstance(value, dict) else [str(value)]
    return texts
