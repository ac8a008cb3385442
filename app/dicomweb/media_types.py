"""Media types with their parameters, as in Content-Type and Accept (RFC 9110 8.3, 12.5.1; PS3.18 8.7).

werkzeug's parser stops at the `/` of an unquoted `type=application/dicom`, which most DICOMweb clients send. The
standard library's parser is for mail: it puts together parameters in pieces (RFC 2231), and fails at wrong pieces.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self
from urllib.request import parse_http_list

from flask import request
from werkzeug.exceptions import NotAcceptable

from app.http.responses import Document

DICOM, DICOM_JSON, DICOM_XML = "application/dicom", "application/dicom+json", "application/dicom+xml"
JSON, XML = "application/json", "application/xml"
OCTETS = "application/octet-stream"
MULTIPART = "multipart/related"
TOKEN = re.compile(r"[\w!#$%&'*+.^`|~-]+", re.ASCII)
# A value is quoted, or ends at the next semicolon. A quotation that doesn't end takes all that is left.
PARAMETER = re.compile(r';\s*([^\s;="]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)|([^;]*))', re.DOTALL)
# Further alternatives in an Accept header are ignored.
MAX_ALTERNATIVES = 32
ACCEPT: Document = {
    "name": "accept",
    "in": "query",
    "schema": {
        "type": "string",
        "description": "Media types like those of the header `Accept`, for clients that can't set a header.",
    },
    "example": "*/*",
}


@dataclass(frozen=True)
class MediaType:
    """`name; parameter=value`.

    Attributes:
        name: In lower case.
        parameters: Values by name, names in lower case.
        quality: How much a client prefers it, from 0 to 1.
    """

    name: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    quality: float = 1.0

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse one element of a header, whatever is in it. A quality that isn't a number counts as 0."""
        name, _, _ = text.partition(";")
        found = PARAMETER.finditer(text, len(name))
        parameters = {one[1].lower(): one[3].strip() if one[2] is None else _unquoted(one[2]) for one in found}
        try:
            quality = float(parameters.pop("q", "1"))
        except ValueError:
            quality = 0.0
        return cls(name.strip().lower(), parameters, quality)

    def __str__(self) -> str:
        values = {name: value if TOKEN.fullmatch(value) else f'"{value}"' for name, value in self.parameters.items()}
        return "; ".join([self.name, *(f"{name}={value}" for name, value in values.items())])

    @property
    def root(self) -> "MediaType":
        """The type of the parts: for `multipart/related` the type that it names, for any other type itself."""
        if self.name != MULTIPART:
            return self
        return MediaType(self.parameters.get("type", "*/*").lower(), self.parameters, self.quality)

    def matches(self, name: str) -> bool:
        """Whether this type includes the media type `name`, possibly by `*`."""
        kind, _, subtype = self.name.partition("/")
        return self.name in (name, "*/*") or (subtype == "*" and name.startswith(f"{kind}/"))


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)


def accept() -> str:
    """What a client of WADO-RS accepts: the query parameter, for those who can't set a header, or the header."""
    return request.args.get("accept") or request.headers.get("Accept", "")


def accepted(header: str) -> list[MediaType]:
    """The alternatives of an Accept header, the most preferred first; `*/*` if it is empty."""
    listed = [MediaType.parse(text) for text in parse_http_list(header)[:MAX_ALTERNATIVES]]
    welcome = sorted((one for one in listed if one.quality > 0), key=lambda one: -one.quality)
    return welcome if listed else [MediaType("*/*")]


def require(header: str, *names: str) -> str:
    """The media type among `names` that an Accept header prefers. Raises NotAcceptable if it allows none of them."""
    for wanted in accepted(header):
        for name in names:
            if wanted.matches(name):
                return name
    raise NotAcceptable(f"The answer is {' or '.join(names)}.")
