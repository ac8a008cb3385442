"""The letters of a PDF: which font draws each character, in which order, and what no font here can draw.

Latin, Greek, Cyrillic, Arabic, Hebrew and more are in DejaVu Sans, which comes with matplotlib. For others, fonts of
the machine are used if they have TrueType outlines. They are parts of the PDF. Chinese, Japanese and Korean are left to
a font of the computer that shows the PDF if the machine has none (ReportLab's CID fonts). What is left is a box.

Each character is drawn by itself. Arabic and Hebrew are shaped and ordered before (python-bidi, arabic-reshaper);
scripts that need more than that, such as Devanagari, aren't drawn, because their words would be wrong.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.util import find_spec
from itertools import groupby, islice
from pathlib import Path
from xml.sax.saxutils import escape

from arabic_reshaper import ArabicReshaper
from bidi.algorithm import get_base_level, get_display
from fontTools.ttLib import TTCollection, TTLibError
from fontTools.ttLib import TTFont as Tables
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfbase.ttfonts import TTFError, TTFont

PLAIN, BOLD = "DejaVuSans", "DejaVuSans-Bold"
# Where machines have their fonts: Linux, macOS, Windows.
FOLDERS = (
    *("/usr/share/fonts", "/usr/local/share/fonts", "~/.local/share/fonts", "~/.fonts"),
    *("/System/Library/Fonts", "/Library/Fonts", "C:/Windows/Fonts"),
)
FILES = ("*.ttf", "*.ttc", "*.TTF", "*.TTC")
# Reading what a font has takes about 25 ms, once. No more fonts than these are asked.
MOST_FACES = 200
# Of a family, the plain face comes first.
FACES = re.compile("bold|italic|oblique|light|thin|black|mono|serif", re.IGNORECASE)
# The fonts of computers that show PDFs, with an encoding that has the characters which each draws.
ELSEWHERE = (
    ("HeiseiKakuGo-W5", "cp932"),
    ("HYGothic-Medium", "cp949"),
    ("STSong-Light", "gbk"),
    ("MSung-Light", "big5"),
)
# Scripts whose letters stand side by side in the order in which they are written, or are shaped here. By the first word
# of the names of their characters.
SIMPLE = {
    *("LATIN", "GREEK", "CYRILLIC", "ARMENIAN", "GEORGIAN", "ETHIOPIC", "CHEROKEE", "ARABIC", "HEBREW", "THAI", "LAO"),
    *(
        "CJK",
        "HIRAGANA",
        "KATAKANA",
        "KATAKANA-HIRAGANA",
        "HALFWIDTH",
        "FULLWIDTH",
        "HANGUL",
        "BOPOMOFO",
        "IDEOGRAPHIC",
    ),
    *("YI", "COMBINING", "MODIFIER", "SUPERSCRIPT", "SUBSCRIPT", "MICRO", "FEMININE", "MASCULINE", "OHM", "KELVIN"),
    *("ANGSTROM", "IDEOGRAPHIC"),
}
# Bits of fsType (OpenType, OS/2): the licence; among those, "restricted"; no subsets, or only bitmaps.
ALL_EMBEDDING, RESTRICTED, NO_SUBSETTING = 0x000F, 0x0002, 0x0300
RIGHT_TO_LEFT = {"R", "AL"}
BOX = "\u25a1"
# Categories of characters that mean nothing to others: control characters, private and unassigned ones.
NONE = {"Cc", "Co", "Cn", "Cs"}
NOTHING = "\N{REPLACEMENT CHARACTER}"
# ReportLab draws the characters beyond this one, but who copies or searches the text would find others in their place.
LAST = 0xFFFF
# Words of Arabic; not every font has the sign of a whole word.
RESHAPER = ArabicReshaper({"ARABIC LIGATURE ALLAH": False})


@dataclass(frozen=True)
class Face:
    """A font of this machine. `number` is its place in the file."""

    path: Path
    number: int

    @cached_property
    def characters(self) -> frozenset[int]:
        """What it has; nothing if its licence doesn't let a part of it be a part of a PDF."""
        try:
            with self.path.open("rb") as file, Tables(file, fontNumber=self.number, lazy=True) as tables:
                allowed = tables["OS/2"].fsType if "OS/2" in tables else 0
                is_free = allowed & ALL_EMBEDDING != RESTRICTED and not allowed & NO_SUBSETTING
                return frozenset(tables.getBestCmap() or ()) if is_free else frozenset()
        except (OSError, TTLibError):
            return frozenset()

    @cached_property
    def name(self) -> str | None:
        """The name by which ReportLab knows it; None if it isn't a TrueType font."""
        name = f"{self.path.stem}-{self.number}"
        try:
            pdfmetrics.registerFont(TTFont(name, str(self.path), subfontIndex=self.number))
        except (TTFError, OSError):
            return None
        return name


class Letters:
    """Writes texts as ReportLab's markup, and remembers what readers must be told.

    Attributes:
        left_out: Whether a character isn't drawn.
        borrowed: Whether a character is drawn by a font of the computer that shows the PDF.
    """

    def __init__(self) -> None:
        self.left_out = self.borrowed = False
        _own()

    def markup(self, text: str, width: float, size: float, font: str = PLAIN) -> str:
        """A text as markup.

        Args:
            text: The text; lines stay lines.
            width: The width of a line in points. Lines in which words run from the right are broken here, because
                that comes before words are ordered.
            size: The size of the letters in points.
            font: `PLAIN` or `BOLD`.
        """
        lines = (
            line
            for written in _cleaned(text).split("\n")
            for line in (self._from_the_right(written, width, size, font) if _runs_left(written) else [written])
        )
        return "<br/>".join(self._line(line, font) for line in lines)

    def _from_the_right(self, text: str, width: float, size: float, font: str) -> Iterator[str]:
        """The lines of a text in the order in which they are drawn."""
        words, base = text.split(), "LR"[get_base_level(text)]
        while words:
            count = 1
            while count < len(words) and self._width(" ".join(words[: count + 1]), size, font) <= width:
                count += 1
            yield str(get_display(RESHAPER.reshape(" ".join(words[:count])), base_dir=base))
            words = words[count:]

    def _width(self, text: str, size: float, font: str) -> float:
        parts = _parts(RESHAPER.reshape(text), font)
        return sum(float(pdfmetrics.stringWidth(part, name or font, size)) for name, part in parts)

    def _line(self, text: str, font: str) -> str:
        written = ""
        for name, part in _parts(text, font):
            self.left_out |= name is None
            self.borrowed |= name in dict(ELSEWHERE)
            drawn = escape(part) if name else BOX * len(part)
            written += drawn if name in (None, font) else f'<font name="{name}">{drawn}</font>'
        return written


def _cleaned(text: str) -> str:
    """A text without characters that only say how others are to be treated, and with `NOTHING` for what is none."""
    return "".join(
        NOTHING if unicodedata.category(one) in NONE and not one.isspace() else one
        for one in unicodedata.normalize("NFC", text)
        if unicodedata.category(one) != "Cf"
    )


def _runs_left(text: str) -> bool:
    return any(unicodedata.bidirectional(one) in RIGHT_TO_LEFT for one in text)


def _parts(text: str, font: str) -> Iterator[tuple[str | None, str]]:
    """A text in parts that one font draws, with the name of the font; None if there is none."""
    away = _elsewhere("".join(one for one in text if not _drawn_here(one, font)))
    for name, some in groupby(text, lambda one: _drawn_here(one, font) or away.get(one)):
        yield name, "".join(some)


def _elsewhere(text: str) -> dict[str, str]:
    """Which font elsewhere draws each character, of one language if one has them all."""
    fonts = sorted(ELSEWHERE, key=lambda one: not all(_has(one[1], character) for character in text))
    found: dict[str, str] = {}
    for character in text:
        name = next((name for name, encoding in fonts if _has(encoding, character)), None)
        if name is not None:
            pdfmetrics.registerFont(UnicodeCIDFont(name))
            found[character] = name
    return found


def _has(encoding: str, character: str) -> bool:
    try:
        character.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


@cache
def _drawn_here(character: str, font: str) -> str | None:
    """The font that draws a character and becomes a part of the PDF; None if there is none."""
    if ord(character) > LAST or character == NOTHING:
        return None
    if character.isspace() or ord(character) in _own()[font]:
        return font
    is_letter = unicodedata.category(character)[0] in "LM"
    if is_letter and unicodedata.name(character, "").split(" ")[0] not in SIMPLE:
        return None
    return next((face.name for face in _faces() if ord(character) in face.characters and face.name), None)


@cache
def _own() -> dict[str, frozenset[int]]:
    """What DejaVu Sans has, plain and bold."""
    spec = find_spec("matplotlib")
    if spec is None or spec.origin is None:
        raise RuntimeError("matplotlib, which has the letters of the report, isn't installed")
    folder = Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf"
    for name in (PLAIN, BOLD):
        pdfmetrics.registerFont(TTFont(name, folder / f"{name}.ttf"))
    return {name: Face(folder / f"{name}.ttf", 0).characters for name in (PLAIN, BOLD)}


@cache
def _faces() -> list[Face]:
    """The fonts of this machine."""
    folders = (Path(one).expanduser() for one in FOLDERS)
    files = {file for folder in folders if folder.is_dir() for pattern in FILES for file in folder.rglob(pattern)}
    ordered = sorted(files, key=lambda file: (len(FACES.findall(file.stem)), file.name, file))
    faces = (Face(file, number) for file in ordered for number in range(_count(file)))
    return list(islice(faces, MOST_FACES))


def _count(file: Path) -> int:
    """How many fonts a file has."""
    if file.suffix.lower() != ".ttc":
        return 1
    try:
        with file.open("rb") as stream, TTCollection(stream, lazy=True) as collection:
            return len(collection.fonts)
    except (OSError, TTLibError):
        return 0
