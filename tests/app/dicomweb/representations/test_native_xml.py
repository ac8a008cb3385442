"""The Native DICOM Model: what is written is read back, by any XML parser, and is what dcmtk writes."""

import subprocess
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset

from app.dicomweb.representations.native_xml import native_xml
from tests.data_prep.dicom_factory import encode, make_item, make_slice, need_dcmtk

NUMBERS = ("DS", "FD", "FL", "IS")


def read(element: ElementTree.Element) -> dict:
    """Attributes by tag: VR, keyword, creator and values."""
    found = {}
    for one in element.findall("DicomAttribute"):
        values = [_value(value, one.get("vr")) for value in one if value.tag != "BulkData"]
        found[one.get("tag")] = (one.get("vr"), one.get("keyword"), one.get("privateCreator"), values)
    return found


def _value(value: ElementTree.Element, vr: str) -> object:
    if value.tag == "Item":
        return read(value)
    if value.tag == "PersonName":
        return {group.tag: {part.tag: part.text for part in group} for group in value}
    return float(value.text) if vr in NUMBERS else value.text


def document(attributes: dict) -> ElementTree.Element:
    root = ElementTree.fromstring(native_xml(attributes))
    assert (root.tag, root.get("{http://www.w3.org/XML/1998/namespace}space")) == ("NativeDicomModel", "preserve")
    return root


def image() -> Dataset:
    image = make_slice(
        1,
        PatientName="Quibble^Zebedee^^Dr",
        EchoTime="35.25",
        StudyDescription='Knee <left> & "right"',
        PatientWeight="",
    )
    image.PatientBirthDate = ""
    image.FrameIncrementPointer = [0x00181063, 0x00540080]
    image.ReferencedImageSequence = [make_item(ReferencedSOPInstanceUID="2.25.1"), Dataset()]
    private = image.private_block(0x0029, "A MAKER", create=True)
    private.add_new(0x10, "LO", ["one", "two"])
    private.add_new(0x11, "FD", 0.1)
    return image


def test_it_is_what_dcmtk_writes(tmp_path):
    need_dcmtk("dcm2xml")
    (tmp_path / "image.dcm").write_bytes(encode(image()))
    written = subprocess.run(
        ["dcm2xml", "--native-format", tmp_path / "image.dcm"], check=True, capture_output=True, timeout=60
    ).stdout
    theirs = read(ElementTree.fromstring(written))
    ours = read(document(image().to_json_dict()))
    for found in (theirs, ours):
        found.pop("7FE00010")
    assert ours == {tag: one for tag, one in theirs.items() if not tag.startswith("0002")}


def test_every_kind_of_value():
    found = read(
        document(
            {
                "00100010": {"vr": "PN", "Value": [{"Alphabetic": "A^B", "Ideographic": "山田^太郎"}, None]},
                "00280030": {"vr": "DS", "Value": [0.5, None, 3.0]},
                "00281201": {"vr": "OW", "InlineBinary": "AAE="},
                "00080000": {"vr": "UL", "Value": [100]},
                "00081140": {"vr": "SQ", "Value": [{}, {"00081155": {"vr": "UI", "Value": ["2.25.1"]}}]},
                "00104000": {"vr": "LT"},
            }
        )
    )
    assert found == {
        "00081140": ("SQ", "ReferencedImageSequence", None, [{}, {"00081155": ("UI", *_uid("2.25.1"))}]),
        "00100010": (
            "PN",
            "PatientName",
            None,
            [
                {
                    "Alphabetic": {"FamilyName": "A", "GivenName": "B"},
                    "Ideographic": {"FamilyName": "山田", "GivenName": "太郎"},
                }
            ],
        ),
        "00104000": ("LT", "PatientComments", None, []),
        "00280030": ("DS", "PixelSpacing", None, [0.5, 3.0]),
        "00281201": ("OW", "RedPaletteColorLookupTableData", None, ["AAE="]),
    }
    spacing = document({"00280030": {"vr": "DS", "Value": [0.5, None, 3.0]}})
    assert [(one.get("number"), one.text) for one in spacing.iter("Value")] == [("1", "0.5"), ("3", "3")]


def _uid(value: str) -> tuple:
    return "ReferencedSOPInstanceUID", None, [value]


def test_bulk_data_are_named_by_their_place():
    (bulk,) = document({"7FE00010": {"vr": "OW", "BulkDataURI": 'http://a/b?c="1"&d'}}).iter("BulkData")
    assert bulk.get("uri") == 'http://a/b?c="1"&d'


@settings(max_examples=40)
@given(text=st.text())
def test_any_text_is_a_document(text):
    (value,) = document({"00104000": {"vr": "LT", "Value": [text]}}).iter("Value")
    legal = [
        one for one in text if one in "\t\n\r" or " " <= one < "\ud800" or "\ue000" <= one < "\ufffe" or one > "\uffff"
    ]
    assert (value.text or "").replace("\ufffd", "") == "".join(legal).replace("\ufffd", "")
    assert len(value.text or "") == len(text)


@pytest.mark.parametrize("value", ["]]>", "<!DOCTYPE a>", "&lt;", "<![CDATA[", "\"'", "--"])
def test_markup_is_text(value):
    content = native_xml({"00080080": {"vr": "LO", "Value": [value]}})
    assert b"<!" not in content
    (found,) = ElementTree.fromstring(content).iter("Value")
    assert found.text == value


@pytest.mark.parametrize(("length", "is_named"), [(64, True), (65, False)])
def test_a_creator_longer_than_any_is_not_repeated_with_each_of_its_attributes(length, is_named):
    creator = "&" * length
    root = document({"00090010": {"vr": "LO", "Value": [creator]}, "00091001": {"vr": "CS"}})
    _, attribute = root
    named = ("00090001", creator) if is_named else ("00091001", None)
    assert (attribute.get("tag"), attribute.get("privateCreator")) == named
