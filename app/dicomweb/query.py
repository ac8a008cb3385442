"""What a search asks for: matching keys and paging (PS3.18 8.3.4, matching by PS3.4 C.2.2.2)."""

import fnmatch
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from pydicom.datadict import dictionary_VR
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import BadRequest

from app.database import Json
from app.dicomweb.dicom_json import tag
from app.responses import Document

# The largest study that is analysed has as many instances (`Limits.files`); of more than this many, one asks for pages.
MOST_RESULTS = 5000
# Everything that we keep of a level is always returned, and names match literally.
IGNORED = frozenset({"includefield", "fuzzymatching"})
PAGING = frozenset({"limit", "offset"})

PARAMETERS: list[Document] = [
    {
        "name": "limit",
        "in": "query",
        "schema": {
            "type": "integer",
            "minimum": 0,
            "default": MOST_RESULTS,
            "description": f"How many results at most; never more than {MOST_RESULTS}.",
        },
    },
    {
        "name": "offset",
        "in": "query",
        "schema": {"type": "integer", "minimum": 0, "default": 0, "description": "How many to pass over."},
    },
    {
        "name": "includefield",
        "in": "query",
        "schema": {
            "type": "array",
            "items": {"type": "string"},
            "description": "Taken and not needed: everything that is kept of a level is returned.",
        },
    },
    {
        "name": "fuzzymatching",
        "in": "query",
        "schema": {"type": "boolean", "description": "Taken; names match literally all the same."},
    },
]

Test = Callable[[str], bool]


def parameters(keywords: Iterable[str]) -> list[Document]:
    """A search by these matching keys, for the OpenAPI document."""
    description = (
        "Matching keys, each a parameter of its own, by keyword or by tag (`00080020`). `*` and `?` stand for any text "
        f"and letter, `20260101-` for that day and later, commas separate UIDs. Keywords: {', '.join(keywords)}."
    )
    schema = {"type": "object", "additionalProperties": {"type": "string"}, "description": description}
    keys = {"name": "keys", "in": "query", "schema": schema, "example": {"StudyDate": "20260101-"}}
    return [keys | {"style": "form", "explode": True}, *PARAMETERS]


@dataclass(frozen=True)
class Query:
    """matches: by key of the DICOM JSON object, what one of its values must pass."""

    matches: Mapping[str, Test]
    uids: Mapping[str, str]
    limit: int
    offset: int

    @classmethod
    def parse(cls, arguments: MultiDict[str, str], keywords: Iterable[str]) -> Self:
        """From a URL's query; BadRequest for what isn't one of the matching keys, by keyword or tag.

        uids: keys that ask for exactly one UID, by keyword.
        """
        allowed = {tag(keyword): keyword for keyword in keywords}
        matches: dict[str, Test] = {}
        uids: dict[str, str] = {}
        for name, text in arguments.items(multi=True):
            if name in IGNORED | PAGING or not text:
                continue
            key = _key(name)
            if key not in allowed:
                raise BadRequest(
                    f"One of the matching keys isn't supported here; these are: {', '.join(allowed.values())}."
                )
            matches[key] = _test(dictionary_VR(int(key, 16)), text)
            if allowed[key].endswith("InstanceUID") and not set(text) & set(",\\"):
                uids[allowed[key]] = text
        limit = min(_number(arguments, "limit", MOST_RESULTS), MOST_RESULTS)
        return cls(matches, uids, limit, _number(arguments, "offset", 0))

    def accepts(self, attributes: Json) -> bool:
        """Whether an object passes every test."""
        return all(any(map(test, _texts(attributes.get(key, {})))) for key, test in self.matches.items())


def _key(name: str) -> str:
    if re.fullmatch("[0-9A-Fa-f]{8}", name):
        return name.upper()
    try:
        return tag(name)
    except KeyError:
        return ""


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
    # fnmatch knows [...], DICOM doesn't.
    pattern = re.compile(fnmatch.translate(text.replace("[", "[[]")), re.IGNORECASE if vr == "PN" else 0)
    return lambda value: pattern.match(value) is not None


def _range(text: str) -> Test:
    first, dash, last = text.partition("-")
    if not dash:
        last = first
    return lambda value: first <= value[: len(first)] and (not last or value[: len(last)] <= last)


def _texts(attribute: Mapping[str, Any]) -> list[str]:
    """An attribute's values; of a name (PS3.18 F.2.2) each of its representations."""
    texts: list[str] = []
    for value in attribute.get("Value", ()):
        texts += value.values() if isinstance(value, dict) else [str(value)]
    return texts
