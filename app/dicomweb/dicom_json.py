"""DICOM JSON (PS3.18 annex F) that isn't written by pydicom, and the same as XML (Native DICOM Model, PS3.19 A.1)."""

from xml.etree import ElementTree

from pydicom.datadict import dictionary_VR, keyword_for_tag, tag_for_keyword

from app.contract.json_text import Json


def tag(keyword: str) -> str:
    """The key of an attribute in a JSON object. Raises KeyError for an unknown keyword."""
    number = tag_for_keyword(keyword)
    if number is None:
        raise KeyError(keyword)
    return f"{number:08X}"


def element(keyword: str, *values: object) -> Json:
    """A JSON object with one attribute. Its VR is from the dictionary; sequence items are JSON objects."""
    found: Json = {"vr": dictionary_VR(keyword)}
    if values:
        found["Value"] = list(values)
    return {tag(keyword): found}


def native_xml(attributes: Json) -> bytes:
    """DICOM JSON of plain values and sequences as an XML document."""
    root = ElementTree.Element("NativeDicomModel", {"xml:space": "preserve"})
    _add(root, attributes)
    document: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return document


def _add(parent: ElementTree.Element, attributes: Json) -> None:
    for key, attribute in sorted(attributes.items()):
        names = {"tag": key, "vr": attribute["vr"], "keyword": keyword_for_tag(int(key, 16))}
        child = ElementTree.SubElement(parent, "DicomAttribute", names)
        for number, value in enumerate(attribute.get("Value", ()), start=1):
            if attribute["vr"] == "SQ":
                _add(ElementTree.SubElement(child, "Item", number=str(number)), value)
            else:
                ElementTree.SubElement(child, "Value", number=str(number)).text = str(value)
