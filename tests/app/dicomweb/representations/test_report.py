"""Reports as pages and texts: nothing is lost, nothing is run, nothing grows without a limit."""

import subprocess
from html.parser import HTMLParser

import pytest
from pydicom.uid import MRImageStorage
from werkzeug.exceptions import NotFound

from app.dicomweb.representations import report as module
from app.dicomweb.representations.report import HTML, TEXT, rendered
from data_prep.errors import InputOverLimit
from tests.app.dicomweb.reports import code, file, item, report
from tests.data_prep.dicom_factory import make_item, make_slice, need_dcmtk

IMAGE = make_item(
    ReferencedSOPClassUID=MRImageStorage, ReferencedSOPInstanceUID="2.25.8.3", ReferencedFrameNumber=[2, 5]
)
MEASURED = make_item(NumericValue="0.805", MeasurementUnitsCodeSequence=code("no units", "1", "UCUM"))
LENGTH = make_item(NumericValue="12.5", MeasurementUnitsCodeSequence=code("millimetre", "mm", "UCUM"))
ITEMS = (
    item("TEXT", "Comment", TextValue="First line.\nSecond line."),
    item(
        "CONTAINER",
        "Findings",
        [
            item("CODE", "Finding", ConceptCodeSequence=code("Rupture of ACL")),
            item("NUM", "Probability", MeasuredValueSequence=[MEASURED]),
            item("NUM", "Length", MeasuredValueSequence=[LENGTH]),
            item("IMAGE", "Decisive slice", ReferencedSOPSequence=[IMAGE]),
            item("SCOORD", "Place", GraphicType="POINT", GraphicData=[10.0, 20.5]),
        ],
    ),
    item("PNAME", "Observer", PersonName="Doc^Tor"),
    item("DATE", "Day", Date="20260102"),
    item("TIME", "Hour", Time="121314"),
    item("DATETIME", "Moment", DateTime="20260102121314"),
    item("UIDREF", "Series", UID="2.25.8"),
)
SHOWN = {
    "Comment": "First line.\nSecond line.",
    "Finding": "Rupture of ACL",
    "Probability": "0.805",
    "Length": "12.5 mm",
    "Decisive slice": "MR Image 2.25.8.3, frame 2, 5",
    "Place": "point 10, 20.5",
    "Observer": "Doc Tor",
    "Day": "2026-01-02",
    "Hour": "12:13:14",
    "Moment": "20260102121314",
    "Series": "2.25.8",
}


class Page(HTMLParser):
    """What a browser would see: the names of tags, and the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags, self.text, self.loads = [], "", []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.tags.append(tag)
        self.loads += [name for name, _ in attrs if name.startswith("on") or name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_every_kind_of_item_is_shown_with_its_name():
    page = Page(rendered(report(ITEMS), HTML))
    text = rendered(report(ITEMS), TEXT)
    for name, value in SHOWN.items():
        assert f"{name}: {value}" in page.text
        assert all(line in text for line in value.split("\n"))
    assert page.tags.count("li") == len(SHOWN) + 1
    for shown in (page.text, text):
        assert "Knee report" in shown
        assert "Quibble Zebedee" in shown
        assert "2026-01-02" in shown
        assert "UNVERIFIED" in shown
        assert shown.rstrip().endswith("Research use only, not for diagnosis.")


def test_the_text_is_indented_as_the_items_are_nested():
    lines = rendered(report(ITEMS), TEXT).splitlines()
    assert "Findings" in lines
    assert "  Finding: Rupture of ACL" in lines
    assert lines[lines.index("Comment: First line.") + 1] == "  Second line."


def test_what_dcmtk_shows_is_shown(tmp_path):
    need_dcmtk("dsr2html")
    items = [one for one in ITEMS if one.ValueType in ("TEXT", "CODE", "PNAME", "DATE", "TIME", "UIDREF")]
    (tmp_path / "sr.dcm").write_bytes(file(report(items)))
    theirs = subprocess.run(["dsr2html", "-Er", "-Ec", "-Ev", tmp_path / "sr.dcm"], capture_output=True, timeout=60)
    ours = Page(rendered(report(items), HTML)).text
    words = {word for word in Page(theirs.stdout.decode("latin-1")).text.split() if word.isalpha() and len(word) > 3}
    assert {"First", "Second", "Zebedee"} <= words, theirs.stderr
    assert {word for word in words if word in " ".join(SHOWN.values())} <= set(ours.replace(":", " ").split())


@pytest.mark.parametrize(
    "nasty", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7 * 7 }}", "</li></ul></body>", "&lt;"]
)
def test_nothing_in_a_report_is_markup(nasty):
    plain = Page(rendered(report(ITEMS), HTML))
    items = [item("TEXT", nasty, TextValue=nasty), *ITEMS[1:]]
    page = Page(rendered(report(items, title=nasty, PatientName=nasty, StudyDescription=nasty), HTML))
    assert set(page.tags) == set(plain.tags)
    assert page.loads == []
    assert page.text.count(nasty) >= 4


def test_characters_that_no_page_can_hold_are_replaced():
    for media_type in (HTML, TEXT):
        shown = rendered(report([item("TEXT", "a\x00b", TextValue="c\x1b\x07d")]), media_type)
        assert not set(shown) & {"\x00", "\x1b", "\x07"}
        assert "\ufffd" in shown


@pytest.mark.parametrize(
    "damaged",
    [
        make_item(),
        make_item(ValueType="NEW", TextValue="x"),
        item("NUM", "Nothing measured", MeasuredValueSequence=[]),
        item("NUM", "Why not", MeasuredValueSequence=[], NumericValueQualifierCodeSequence=code("Not a number")),
        item("IMAGE", "No reference"),
        item("SCOORD", "No numbers", GraphicType="POINT"),
        make_item(RelationshipType="INFERRED FROM", ReferencedContentItemIdentifier=[1, 2, 1]),
    ],
)
def test_items_that_lack_something_are_shown_as_they_are(damaged):
    for media_type in (HTML, TEXT):
        assert "Rupture of ACL" in rendered(report([damaged, ITEMS[1]]), media_type)


def test_values_of_another_kind_are_left_out():
    odd = item("SCOORD", "Odd", GraphicType="POINT")
    odd.add_new("GraphicData", "LO", "no numbers")
    odd.add_new("ContentSequence", "LO", "no sequence")
    assert "Odd: point" in rendered(report([odd]), TEXT)


def test_a_reference_to_another_item_names_it():
    by_reference = make_item(RelationshipType="INFERRED FROM", ReferencedContentItemIdentifier=[1, 2, 1])
    assert "inferred from: see item 1.2.1" in rendered(report([by_reference]), TEXT)


def test_what_is_no_report_is_not_found():
    with pytest.raises(NotFound):
        rendered(make_slice(), HTML)


def test_a_report_is_bounded(monkeypatch):
    items = [item("TEXT", "Comment", TextValue="x" * 100) for _ in range(20)]
    assert rendered(report(items), TEXT)
    monkeypatch.setattr(module, "MOST_TEXT", 1000)
    with pytest.raises(InputOverLimit, match="characters"):
        rendered(report(items), HTML)
    monkeypatch.setattr(module, "MOST_ITEMS", 19)
    with pytest.raises(InputOverLimit, match="items"):
        rendered(report(items), TEXT)
