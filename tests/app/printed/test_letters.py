"""Letters of many scripts in the PDF: another library reads them, or the report says that they aren't there."""

import random
import unicodedata

import numpy as np
import pypdfium2
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.t2CharStringPen import T2CharStringPen
from fontTools.pens.ttGlyphPen import TTGlyphPen

from app.printed import letters
from app.printed.content import Section
from app.printed.letters import BOLD, BOX, Letters
from app.printed.pdf import pdf

WIDTH = 300.0
LEFT_OUT, BORROWED = "Some characters can't be printed", "need a font of your computer"
THAI = "ไทยสมชาย"


@pytest.fixture(autouse=True)
def _no_font_of_this_machine(monkeypatch):
    use(monkeypatch)
    yield
    forget()


def use(monkeypatch, *folders) -> None:
    monkeypatch.setattr(letters, "FOLDERS", tuple(map(str, folders)))
    forget()


def forget() -> None:
    for cached in ("_faces", "_drawn_here"):
        vars(letters)[cached].cache_clear()


def squares(folder, text: str, restricted: bool = False) -> None:
    """A font in which each of these characters is a black square."""
    names = {ord(one): f"u{ord(one):X}" for one in text}
    order = [".notdef", *names.values()]
    pen = TTGlyphPen(None)
    pen.moveTo((100, 0))
    for corner in ((100, 800), (900, 800), (900, 0)):
        pen.lineTo(corner)
    pen.closePath()
    square = pen.glyph()
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder(order)
    builder.setupCharacterMap(names)
    builder.setupGlyf(dict.fromkeys(order, square))
    builder.setupHorizontalMetrics(dict.fromkeys(order, (1000, 0)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": "Squares", "styleName": "Regular", "psName": "Squares"})
    builder.setupOS2(sTypoAscender=800, fsType=2 if restricted else 0)
    builder.setupPost()
    builder.save(folder / "squares.ttf")


def report(*values: str) -> bytes:
    return pdf("ACL: healthy", [Section("Study", [("Patient", one) for one in values])], "0" * 32)


def text_of(content: bytes) -> str:
    """What another library reads, with letters instead of their joined forms."""
    with pypdfium2.PdfDocument(content) as document:
        read = "\n".join(page.get_textpage().get_text_range() for page in document)
    return unicodedata.normalize("NFKC", " ".join(read.split()))


@pytest.mark.parametrize(
    "name", ["Иванов Пётр", "ΑΒΓ αβγ", "Müller Ö ß", "Łukasz Żółć", "Nguyễn Đức", "עברית לוי", "Հայկ", "გიორგი"]
)
def test_a_script_of_our_own_font_is_there_without_a_word(name):
    text = text_of(report(name))
    assert unicodedata.normalize("NFKC", name) in text
    assert LEFT_OUT not in text
    assert BORROWED not in text


@pytest.mark.parametrize("name", ["山田 太郎", "やまだ タロウ", "김희중", "张伟 刘洋", "張偉 陳明"])
def test_chinese_japanese_and_korean_are_there_and_the_reader_is_told(name):
    text = text_of(report(name))
    assert name in text
    assert BORROWED in text
    assert LEFT_OUT not in text


@pytest.mark.parametrize("name", [THAI, "देवनागरी", "\U00020bb7", "😀", "\ue000", "\u0378", "\a"])
def test_what_no_font_has_is_a_box_and_the_report_says_so(name):
    text = text_of(report(f"before {name} after"))
    assert f"before {BOX * len(name)} after" in text
    assert LEFT_OUT in text
    assert f"/studies/{'0' * 32}/report" in text


def test_a_font_of_the_machine_is_used_and_becomes_a_part(monkeypatch, tmp_path):
    squares(tmp_path, THAI + "山田")
    use(monkeypatch, tmp_path)
    content = report(f"{THAI} 山田")
    text = text_of(content)
    assert f"{THAI} 山田" in text
    assert BORROWED not in text
    assert LEFT_OUT not in text
    assert darkest(content) > darkest(report("x" * 10)) + 500


def darkest(content: bytes) -> int:
    with pypdfium2.PdfDocument(content) as document:
        return int((np.asarray(document[0].render(scale=2).to_pil().convert("L")) < 64).sum())


def test_a_font_that_may_not_be_copied_is_not(monkeypatch, tmp_path):
    squares(tmp_path, THAI, restricted=True)
    use(monkeypatch, tmp_path)
    assert LEFT_OUT in text_of(report(THAI))


def test_files_that_are_no_fonts_are_passed_over(monkeypatch, tmp_path):
    for name in ("a.ttf", "b.ttc", "c.TTF"):
        (tmp_path / name).write_bytes(b"no font")
    (tmp_path / "folder.ttf").mkdir()
    squares(tmp_path, THAI)
    use(monkeypatch, tmp_path, tmp_path / "gone")
    assert THAI in text_of(report(THAI))


def test_fonts_with_other_outlines_are_passed_over(monkeypatch, tmp_path):
    """ReportLab can't make them a part of a PDF."""
    other = FontBuilder(1000, isTTF=False)
    other.setupGlyphOrder([".notdef", "a"])
    other.setupCharacterMap({ord(one): "a" for one in THAI})
    pen = T2CharStringPen(1000, None)
    other.setupCFF("Other", {}, dict.fromkeys([".notdef", "a"], pen.getCharString()), {})
    other.setupHorizontalMetrics(dict.fromkeys([".notdef", "a"], (1000, 0)))
    other.setupHorizontalHeader()
    other.setupOS2()
    other.setupPost()
    other.save(tmp_path / "a.ttf")
    use(monkeypatch, tmp_path)
    assert LEFT_OUT in text_of(report(THAI))
    squares(tmp_path, THAI)
    use(monkeypatch, tmp_path)
    assert THAI in text_of(report(THAI))


def test_no_more_fonts_are_asked_than_what_a_request_can_wait_for(monkeypatch, tmp_path):
    squares(tmp_path, THAI)
    monkeypatch.setattr(letters, "MOST_FACES", 0)
    use(monkeypatch, tmp_path)
    assert LEFT_OUT in text_of(report(THAI))


def test_scripts_whose_words_would_be_wrong_are_not_drawn(monkeypatch, tmp_path):
    squares(tmp_path, "देवनागरी")
    use(monkeypatch, tmp_path)
    assert LEFT_OUT in text_of(report("देवनागरी"))


def test_arabic_is_joined_and_runs_from_the_right():
    assert Letters().markup("محمد (12)", WIDTH, 9) == "(12) ﺪﻤﺤﻣ"
    assert "عربى محمد" in text_of(report("عربى محمد"))


def test_lines_that_run_from_the_right_are_broken_before_words_are_ordered():
    words = [f"{letter}{number}" for number, letter in enumerate("אבגדהוזחטיכלמנסעפצקרשת" * 3)]
    lines = Letters().markup(" ".join(words), WIDTH, 9).split("<br/>")
    assert len(lines) > 2
    assert words[0][0] in lines[0]
    assert words[-1][0] in lines[-1]
    assert sum(len(line.split()) for line in lines) == len(words)


def test_a_long_text_without_spaces_is_whole():
    comment = "".join(chr(one) for one in range(0x4E00, 0x4E00 + 900))
    assert comment in text_of(report(comment)).replace(" ", "")


def test_lines_stay_lines_and_nothing_becomes_markup():
    assert Letters().markup("a <b>\nא & b", WIDTH, 9) == "a &lt;b&gt;<br/>b &amp; א"


def test_any_text_can_be_written():
    rng = random.Random(1)
    for _ in range(40):
        wild = "".join(chr(rng.choice([rng.randrange(0x20, 0x3000), rng.randrange(0x110000)])) for _ in range(60))
        text = "".join(one for one in wild if not 0xD800 <= ord(one) < 0xE000)
        assert report(text)
        assert Letters().markup(text, WIDTH, 9, BOLD)
