"""A structured report (PS3.3 A.35, PS3.16) as a page or as plain text, for people without an SR viewer."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence
from pydicom.uid import UID
from werkzeug.exceptions import NotFound

from app.dicomweb.representations.native_xml import legal
from data_prep.errors import InputOverLimit

HTML, TEXT = "text/html", "text/plain"
NOTICE = "Research use only, not for diagnosis."
# A report of a knee has some hundred items.
MOST_ITEMS = 20_000
# Characters of a page or a text.
MOST_TEXT = 8 << 20
# Coordinates of one item that are shown.
MOST_NUMBERS = 12
# A person reads on when this is over: the longest value that is shown.
LONGEST_VALUE = 20_000
# How pydicom gives several values.
LISTS = (MultiValue, list, tuple)
# What is said of the patient, the study and the document, in this order.
FACTS = {
    "Patient": "PatientName",
    "Patient ID": "PatientID",
    "Date of birth": "PatientBirthDate",
    "Sex": "PatientSex",
    "Study": "StudyDescription",
    "Study date": "StudyDate",
    "Accession number": "AccessionNumber",
    "Referring physician": "ReferringPhysicianName",
    "Report": "SeriesDescription",
    "Report date": "ContentDate",
    "Report time": "ContentTime",
    "Manufacturer": "Manufacturer",
    "Institution": "InstitutionName",
    "Completion": "CompletionFlag",
    "Verification": "VerificationFlag",
}


@dataclass(frozen=True)
class Item:
    """One content item.

    Attributes:
        name: The meaning of its concept name.
        value: Its value as text; empty for a container.
        items: The content items below it.
    """

    name: str
    value: str
    items: list["Item"] = field(default_factory=list)


@dataclass(frozen=True)
class Report:
    """What is shown of a report.

    Attributes:
        title: The meaning of the document's title.
        facts: Labels and values about patient, study and document.
        items: The content items of the root.
    """

    title: str
    facts: list[tuple[str, str]]
    items: list[Item]


def rendered(dataset: Dataset, media_type: str) -> str:
    """Render a report.

    Args:
        dataset: The report.
        media_type: `text/html` or `text/plain`.

    Raises:
        NotFound: The object has no content items.
        InputOverLimit: It has more than `MOST_ITEMS`, or is too long.
    """
    report = read(dataset)
    text = _page().render(report=report, notice=NOTICE) if media_type == HTML else "\n".join(_lines(report)) + "\n"
    if len(text) > MOST_TEXT:
        raise InputOverLimit(f"The report has more than {MOST_TEXT:,} characters.")
    return text


def read(dataset: Dataset) -> Report:
    """What is to be shown of a report. Values that can't be read are left out. Raises as `rendered` does."""
    items = _items(dataset, [MOST_ITEMS])
    if not items:
        raise NotFound("This object holds no report.")
    facts = [(label, _text(dataset, keyword)) for label, keyword in FACTS.items()]
    return Report(_name(dataset) or "Report", [fact for fact in facts if fact[1]], items)


def _items(dataset: Dataset, left: list[int]) -> list[Item]:
    """The content items below one. The header was read within limits, so they aren't nested deep."""
    found = []
    for one in _sequence(dataset, "ContentSequence"):
        left[0] -= 1
        if left[0] < 0:
            raise InputOverLimit(f"The report has more than {MOST_ITEMS:,} content items.")
        found.append(Item(_name(one) or _text(one, "RelationshipType").lower(), _value(one), _items(one, left)))
    return found


def _value(item: Dataset) -> str:
    if place := _numbers(item, "ReferencedContentItemIdentifier"):
        return f"see item {'.'.join(place)}"
    write = VALUES.get(_text(item, "ValueType"))
    return write(item) if write else ""


def _measured(item: Dataset) -> str:
    for measured in _sequence(item, "MeasuredValueSequence"):
        for unit in _sequence(measured, "MeasurementUnitsCodeSequence"):
            name = _text(unit, "CodeValue")
            # UCUM's code for "no unit" is 1; braces hold remarks.
            shown = "" if name == "1" or name.startswith("{") else name
            return f"{_text(measured, 'NumericValue')} {shown}".strip()
        return _text(measured, "NumericValue")
    return _meaning(item, "NumericValueQualifierCodeSequence")


def _reference(item: Dataset) -> str:
    for reference in _sequence(item, "ReferencedSOPSequence"):
        kind = UID(_text(reference, "ReferencedSOPClassUID")).name.removesuffix(" Storage")
        frames = ", ".join(_numbers(reference, "ReferencedFrameNumber"))
        return f"{kind} {_text(reference, 'ReferencedSOPInstanceUID')}" + (f", frame {frames}" if frames else "")
    return ""


def _coordinates(item: Dataset) -> str:
    numbers = _numbers(item, "GraphicData")
    shown = ", ".join(numbers[:MOST_NUMBERS]) + (", ..." if len(numbers) > MOST_NUMBERS else "")
    return f"{_text(item, 'GraphicType').lower()} {shown}".strip()


def _plain(keyword: str) -> Callable[[Dataset], str]:
    return lambda item: _text(item, keyword)


# By ValueType (PS3.3 C.17.3.2).
VALUES: dict[str, Callable[[Dataset], str]] = {
    "TEXT": _plain("TextValue"),
    "CODE": lambda item: _meaning(item, "ConceptCodeSequence"),
    "NUM": _measured,
    "PNAME": _plain("PersonName"),
    "DATE": _plain("Date"),
    "TIME": _plain("Time"),
    "DATETIME": _plain("DateTime"),
    "UIDREF": _plain("UID"),
    "IMAGE": _reference,
    "COMPOSITE": _reference,
    "WAVEFORM": _reference,
    "SCOORD": _coordinates,
    "SCOORD3D": _coordinates,
    "TCOORD": lambda item: _text(item, "TemporalRangeType").lower(),
}


def _name(item: Dataset) -> str:
    return _meaning(item, "ConceptNameCodeSequence")


def _meaning(item: Dataset, keyword: str) -> str:
    for code in _sequence(item, keyword):
        return _text(code, "CodeMeaning")
    return ""


def _sequence(dataset: Dataset, keyword: str) -> Sequence | tuple[()]:
    value = _attribute(dataset, keyword)
    return value if isinstance(value, Sequence) else ()


def _numbers(dataset: Dataset, keyword: str) -> list[str]:
    """The numbers of an attribute; none if one of them isn't a number."""
    value = _attribute(dataset, keyword)
    try:
        return [f"{float(one):.10g}" for one in (value if isinstance(value, LISTS) else [value])]
    except (TypeError, ValueError):
        return []


def _text(dataset: Dataset, keyword: str) -> str:
    """An attribute as text for people: dates with dashes, names without carets, nothing that a page can't hold."""
    value = _attribute(dataset, keyword)
    several = value if isinstance(value, LISTS) else [] if value is None else [value]
    text = legal(", ".join(map(str, several)))[:LONGEST_VALUE].strip()
    if keyword.endswith("Date") and len(text) == 8 and text.isdecimal():
        return f"{text[:4]}-{text[4:6]}-{text[6:]}"
    if keyword.endswith("Time") and len(text) >= 6 and text[:6].isdecimal() and "DateTime" not in keyword:
        return f"{text[:2]}:{text[2:4]}:{text[4:6]}"
    return text.replace("^", " ").strip() if keyword.endswith("Name") else text


def _attribute(dataset: Dataset, keyword: str) -> Any:
    """An attribute's value; None if it is absent or can't be read."""
    try:
        return dataset.get(keyword)
    except Exception:  # pydicom's converters may raise any exception
        return None


@cache
def _page() -> Any:
    folder = FileSystemLoader(Path(__file__).parent)
    return Environment(loader=folder, autoescape=True, undefined=StrictUndefined).get_template("report.html")


def _lines(report: Report) -> Iterator[str]:
    yield report.title
    yield ""
    yield from (f"{label}: {value}" for label, value in report.facts)
    yield ""
    yield from _indented(report.items, 0)
    yield ""
    yield NOTICE


def _indented(items: list[Item], depth: int) -> Iterator[str]:
    for item in items:
        value = item.value.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\n" + "  " * (depth + 1))
        yield "  " * depth + (f"{item.name}: {value}" if value else item.name)
        yield from _indented(item.items, depth + 1)
