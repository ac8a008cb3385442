"""Matching in Python, object by object, as the service did it before it was done in SQL: what SQL is compared with.

Objects are DICOM JSON. What the standard says and SQL does since then is said here in its own words, too: `*` is
universal matching, blanks at the ends and a name's empty last components have no meaning, texts are composed (NFC),
numbers are numbers, a name's representations can be asked for one by one, and codes of a sequence match in one item.
"""

import fnmatch
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping

from pydicom.datadict import dictionary_VR, tag_for_keyword

LIST = re.compile(r"[,\\]")
MOMENTS = {"DA": r"\d{8}", "TM": r"\d\d(?:\d\d(?:\d\d(?:\.\d{1,6})?)?)?"}
REPRESENTATIONS = ("Alphabetic", "Ideographic", "Phonetic")
STUDY = (
    *("StudyInstanceUID", "StudyDate", "StudyTime", "AccessionNumber", "StudyID", "StudyDescription"),
    *("ReferringPhysicianName", "TimezoneOffsetFromUTC"),
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex"),
)
LONGEST = 256

Test = Callable[[str], bool]


def tag(keyword: str) -> str:
    return f"{tag_for_keyword(keyword):08X}"


def accepts(asked: Mapping[str, str], attributes: dict) -> bool:
    """Whether an object passes every key, by name."""
    items: dict[str, dict[str, str]] = {}
    for name, text in asked.items():
        sequence, _, inner = name.rpartition(".")
        if _is_universal(inner, text):
            continue
        if sequence:
            items.setdefault(sequence, {})[inner] = text
        elif not _accepts(name, text, attributes.get(tag(name), {})):
            return False
    return all(
        any(accepts(codes, item) for item in attributes.get(tag(name), {}).get("Value", ()))
        for name, codes in items.items()
    )


def _accepts(keyword: str, text: str, attribute: dict) -> bool:
    if dictionary_VR(keyword) == "PN" and "=" in text:
        groups = zip(REPRESENTATIONS, text.split("="), strict=False)
        return all(
            any(map(_test(keyword, group), _texts(keyword, attribute, [representation])))
            for representation, group in groups
            if not _is_universal(keyword, group)
        )
    return any(map(_test(keyword, text), _texts(keyword, attribute)))


def _test(keyword: str, text: str) -> Test:
    vr = dictionary_VR(keyword)
    text = text.strip(" ")
    if vr == "UI":
        return {one.strip(" ") for one in LIST.split(text)}.__contains__
    if vr in MOMENTS:
        return _range(text, MOMENTS[vr])
    if vr in ("IS", "US"):
        return lambda value: int(value) == int(text)
    wanted = [_plain(keyword, one) for one in _listed(keyword, text)]
    # fnmatch interprets [...], DICOM doesn't.
    translated = "|".join(fnmatch.translate(one.replace("[", "[[]")) for one in wanted)
    pattern = re.compile(translated, re.IGNORECASE if vr == "PN" or keyword.endswith("Description") else 0)
    return lambda value: pattern.match(value) is not None


def _listed(keyword: str, text: str) -> list[str]:
    return LIST.split(text) if dictionary_VR(keyword) == "CS" else [text]


def _is_universal(keyword: str, text: str) -> bool:
    return any(not _plain(keyword, one).strip("*") for one in _listed(keyword, text))


def _range(text: str, moment: str) -> Test:
    found = re.fullmatch(f"({moment})?(-)?({moment})?", text, re.ASCII)
    first, dash, last = (part or "" for part in found.groups())
    if not dash:
        last = first
    return lambda value: first <= value[: len(first)] and (not last or value[: len(last)] <= last)


def _texts(keyword: str, attribute: dict, representations: Iterable[str] = REPRESENTATIONS) -> list[str]:
    """An attribute's values; for a person's name (PS3.18 F.2.2), its representations."""
    texts: list[str] = []
    for value in attribute.get("Value", ()):
        if isinstance(value, dict):
            texts += [value[one] for one in representations if one in value]
        elif value is not None:
            texts.append(str(value))
    found = [_plain(keyword, text) for text in texts if len(text) <= LONGEST]
    return [text for text in found if text]


def _plain(keyword: str, text: str) -> str:
    text = unicodedata.normalize("NFC", text).strip(" ")
    return text.rstrip("^ ") if dictionary_VR(keyword) == "PN" or keyword.endswith("Description") else text


def merged(examples: Iterable[tuple[str, bool, dict]]) -> dict:
    """A study's own attributes, of its series' UIDs, whether they are results of ours, and an instance of each.

    A series that lacks one doesn't hide it; received ones count before our results.
    """
    found: dict = {}
    in_order = sorted(sorted(examples, key=lambda one: one[0]), key=lambda one: one[1], reverse=True)
    for _, _, attributes in in_order:
        known = {tag(keyword): attributes[tag(keyword)] for keyword in STUDY if tag(keyword) in attributes}
        found |= {key: value for key, value in known.items() if "Value" in value or key not in found}
    modality = tag("Modality")
    modalities = {value for _, _, one in in_order for value in one.get(modality, {}).get("Value", ()) if value}
    return found | {tag("ModalitiesInStudy"): {"vr": "CS", "Value": sorted(modalities)}}
