"""DICOM JSON (PS3.18 annex F) as XML: the Native DICOM Model (PS3.19 A.1)."""

import re
from collections.abc import Iterator
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from pydicom.datadict import keyword_for_tag

from app.contract.json_text import Json

BEGINNING = '<?xml version="1.0" encoding="UTF-8"?>\n<NativeDicomModel xml:space="preserve">'
END = "</NativeDicomModel>\n"
# What can't be in XML 1.0, not even as a character reference (2.2).
ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# Components of a person's name, in order (PS3.5 6.2.1).
COMPONENTS = ("FamilyName", "GivenName", "MiddleName", "NamePrefix", "NameSuffix")
# Characters of a private creator (LO, PS3.5 6.2). It is repeated with each of its attributes, so no longer one is.
LONGEST_CREATOR = 64
GROUPS = ("Alphabetic", "Ideographic", "Phonetic")


def legal(text: str) -> str:
    """The text with a replacement character (U+FFFD) for each that XML and HTML can't hold, such as NUL."""
    return ILLEGAL.sub("\ufffd", text)


def native_xml(attributes: Json) -> bytes:
    """A DICOM JSON object as a document in UTF-8. Values that are null are left out; the others keep their numbers."""
    return "".join([BEGINNING, *_attributes(attributes), END]).encode()


def _attributes(attributes: Json) -> Iterator[str]:
    for key in sorted(attributes):
        if not key.endswith("0000"):  # group lengths are left out (A.1.1)
            yield from _attribute(key, attributes[key], attributes)


def _attribute(key: str, attribute: Json, beside: Json) -> Iterator[str]:
    yield f"<DicomAttribute{_named(key, attribute['vr'], beside)}>"
    if "InlineBinary" in attribute:
        yield f"<InlineBinary>{_escaped(attribute['InlineBinary'])}</InlineBinary>"
    elif "BulkDataURI" in attribute:
        yield f"<BulkData uri={_quoted(attribute['BulkDataURI'])}/>"
    for number, value in enumerate(attribute.get("Value", ()), start=1):
        if attribute["vr"] == "SQ":
            yield f'<Item number="{number}">'
            yield from _attributes(value or {})
            yield "</Item>"
        elif isinstance(value, dict):
            yield from _person(number, value)
        elif value is not None:
            yield f'<Value number="{number}">{_escaped(_written(value))}</Value>'
    yield "</DicomAttribute>"


def _named(key: str, vr: str, beside: Json) -> str:
    """The XML attributes that name a DICOM attribute. A private one is named by its creator (table A.1.5-2)."""
    group, element = key[:4], key[4:]
    named = {"keyword": keyword_for_tag(int(key, 16))}
    if int(group, 16) % 2 and element[:2] != "00":
        creator = beside.get(f"{group}00{element[:2]}", {}).get("Value")
        if creator and isinstance(creator[0], str) and len(creator[0]) <= LONGEST_CREATOR:
            key, named = f"{group}00{element[2:]}", {"privateCreator": creator[0]}
    named = {"tag": key, "vr": vr, **named}
    return "".join(f" {name}={_quoted(value)}" for name, value in named.items() if value)


def _person(number: int, name: Json) -> Iterator[str]:
    yield f'<PersonName number="{number}">'
    for group in GROUPS:
        if text := str(name.get(group) or ""):
            parts = zip(COMPONENTS, text.split("^"), strict=False)
            inside = "".join(f"<{part}>{_escaped(value)}</{part}>" for part, value in parts if value)
            yield f"<{group}>{inside}</{group}>"
    yield "</PersonName>"


def _written(value: Any) -> str:
    """A number without a needless `.0`; a text as it is."""
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)


def _escaped(text: str) -> str:
    return escape(legal(text), {"\r": "&#13;"})


def _quoted(text: str) -> str:
    return quoteattr(legal(text))
