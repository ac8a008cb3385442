"""The report as a PDF (ReportLab). The notice and the prediction's id are on every page.

Letters are drawn with DejaVu Sans, which comes with matplotlib: Latin, Greek and Cyrillic. What it hasn't, such as
Chinese characters, is a box in the PDF; the page shows it.
"""

import io
from collections.abc import Sequence
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable, Image, KeepTogether, Paragraph, SimpleDocTemplate, Spacer, Table

from app.printed.content import Section
from app.printed.key_slices import Picture
from app.results.common import NOTICE

MARGIN, NAMES = 16 * mm, 34 * mm
WIDTH = A4[0] - 2 * MARGIN
PADDING = 6  # points that ReportLab's frame adds inside the margins
PICTURES = 0.92 * WIDTH  # so that they are on the first page
PLAIN, BOLD = "DejaVuSans", "DejaVuSans-Bold"
AMBER, LINE, QUIET = colors.HexColor("#8a5200"), colors.HexColor("#c8cdd2"), colors.HexColor("#515b64")


def pdf(title: str, parts: Sequence[Section], id_: str) -> bytes:
    """Make the PDF. The same content always gives the same bytes.

    Args:
        title: The finding in one line.
        parts: The sections.
        id_: Id of the prediction.
    """
    _fonts()
    stream = io.BytesIO()
    document = SimpleDocTemplate(
        stream,
        pagesize=A4,
        leftMargin=MARGIN - PADDING,
        rightMargin=MARGIN - PADDING,
        topMargin=MARGIN + 8 * mm,
        bottomMargin=MARGIN,
        title="Knee MRI: report of a model",
        author="Cruciate",
        invariant=1,
    )
    flow: list[Flowable] = [Paragraph(escape(title), _style(15, BOLD)), Spacer(0, 2 * mm)]
    for part in parts:
        flow += _section(part)
    frame = partial(_frame, id_)
    document.build(flow, onFirstPage=frame, onLaterPages=frame)
    return stream.getvalue()


@cache
def _fonts() -> None:
    spec = find_spec("matplotlib")
    if spec is None or spec.origin is None:
        raise RuntimeError("matplotlib, which has the letters of the report, isn't installed")
    folder = Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf"
    for name in (PLAIN, BOLD):
        pdfmetrics.registerFont(TTFont(name, folder / f"{name}.ttf"))


def _style(size: float, font: str = PLAIN, colour: Any = colors.black) -> ParagraphStyle:
    return ParagraphStyle("", fontName=font, fontSize=size, leading=1.35 * size, textColor=colour)


def _frame(id_: str, canvas: Canvas, document: Any) -> None:
    """What every page has."""
    canvas.saveState()
    top = A4[1] - MARGIN
    canvas.setFont(BOLD, 10)
    canvas.setFillColor(AMBER)
    canvas.drawString(MARGIN, top, f"{NOTICE}.")
    canvas.setFont(PLAIN, 8)
    canvas.setFillColor(QUIET)
    canvas.drawRightString(A4[0] - MARGIN, top, "Knee MRI, anterior cruciate ligament")
    canvas.drawString(MARGIN, MARGIN / 2, f"Prediction {id_}")
    canvas.drawRightString(A4[0] - MARGIN, MARGIN / 2, f"page {document.page}")
    canvas.setStrokeColor(LINE)
    canvas.line(MARGIN, top - 2 * mm, A4[0] - MARGIN, top - 2 * mm)
    canvas.restoreState()


def _section(part: Section) -> list[Flowable]:
    colour = AMBER if part.is_warning else colors.black
    title: list[Flowable] = [Spacer(0, 3 * mm), Paragraph(escape(part.title), _style(11, BOLD, colour)), Spacer(0, mm)]
    lines: list[Flowable] = [Paragraph(_text(line), _style(9, PLAIN, colour)) for line in part.lines]
    # A comment can be longer than a page, so rows may be parted from each other.
    rows: list[Flowable] = [_rows(part)] if part.rows else []
    pictures: list[Flowable] = [_pictures(part.pictures)] if part.pictures else []
    scale: list[Flowable] = [_image(part.scale, PICTURES)] if part.scale else []
    body = [*rows, *pictures, *scale, *lines]
    return [KeepTogether([*title, *body[:1]]), *body[1:]] if not part.pictures else [KeepTogether([*title, *body])]


def _rows(part: Section) -> Table:
    cells = [
        [Paragraph(_text(name), _style(9, PLAIN, QUIET)), Paragraph(_text(value), _style(9))]
        for name, value in part.rows
    ]
    table = Table(cells, colWidths=[NAMES, WIDTH - NAMES], splitInRow=1, hAlign="LEFT")
    table.setStyle([("VALIGN", (0, 0), (-1, -1), "TOP"), ("LEFTPADDING", (0, 0), (0, -1), 0), *_padding(1)])
    return table


def _pictures(pictures: Sequence[Picture]) -> Table:
    """A column for each slice: plain, with colours, caption."""
    width = PICTURES / len(pictures)
    captions = [Paragraph(_text(one.caption), _style(8, PLAIN, QUIET)) for one in pictures]
    drawn = [[_image(getattr(one, kind), width - 2 * mm) for one in pictures] for kind in ("plain", "coloured")]
    table = Table([*drawn, captions], colWidths=[width] * len(pictures), hAlign="LEFT")
    table.setStyle([("LEFTPADDING", (0, 0), (-1, -1), 0), *_padding(2)])
    return table


def _padding(points: int) -> list[Any]:
    return [(f"{side}PADDING", (0, 0), (-1, -1), points) for side in ("TOP", "BOTTOM")]


def _image(png: bytes, width: float) -> Image:
    image = Image(io.BytesIO(png))
    height = width * image.imageHeight / image.imageWidth
    image.drawWidth, image.drawHeight = width, height
    image.hAlign = "LEFT"
    return image


def _text(text: str) -> str:
    """A text as ReportLab's markup."""
    return escape(text).replace("\n", "<br/>")
