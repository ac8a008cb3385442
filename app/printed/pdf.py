"""The report as a PDF (ReportLab). The notice and the prediction's id are on every page.

`letters.py` chooses fonts. If a character can't be drawn, the report says so and where the page is that shows it.
"""

import io
from collections.abc import Sequence
from functools import partial
from typing import Any

from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable, Image, KeepTogether, Paragraph, SimpleDocTemplate, Spacer, Table

from app.printed.content import Section
from app.printed.key_slices import Picture
from app.printed.letters import BOLD, BOX, PLAIN, Letters
from app.results.common import NOTICE

MARGIN, NAMES = 16 * mm, 34 * mm
WIDTH = A4[0] - 2 * MARGIN
PADDING = 6  # points that ReportLab adds inside the margins, and inside cells at the left and right
PICTURES = 0.92 * WIDTH  # so that they are on the first page
AMBER, LINE, QUIET = colors.HexColor("#8a5200"), colors.HexColor("#c8cdd2"), colors.HexColor("#515b64")


def pdf(title: str, parts: Sequence[Section], id_: str) -> bytes:
    """Make the PDF. The same content always gives the same bytes.

    Args:
        title: The finding in one line.
        parts: The sections.
        id_: Id of the prediction.
    """
    letters = Letters()
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
    head: list[Flowable] = [_paragraph(letters, title, WIDTH, 15, BOLD), Spacer(0, 2 * mm)]
    body = [flowable for part in parts for flowable in _section(letters, part)]
    told = [_paragraph(letters, line, WIDTH, 8, PLAIN, AMBER) for line in _of_letters(letters, id_)]
    frame = partial(_frame, id_)
    document.build([*head, *told, *body], onFirstPage=frame, onLaterPages=frame)
    return stream.getvalue()


def _of_letters(letters: Letters, id_: str) -> list[str]:
    """What readers must know of letters that aren't as they should be."""
    page = f"see the page /studies/{id_}/report"  # one line for each, so that the key slices stay on the first page
    said = []
    if letters.left_out:
        said.append(f"Some characters can't be printed ({BOX}): {page}.")
    if letters.borrowed:
        said.append(f"Some characters need a font of your computer: {page}.")
    return said


def _paragraph(
    letters: Letters, text: str, width: float, size: float, font: str = PLAIN, colour: Any = colors.black
) -> Paragraph:
    return Paragraph(letters.markup(text, width, size, font), _style(size, font, colour))


def _style(size: float, font: str, colour: Any) -> ParagraphStyle:
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


def _section(letters: Letters, part: Section) -> list[Flowable]:
    colour = AMBER if part.is_warning else colors.black
    heading = _paragraph(letters, part.title, WIDTH, 11, BOLD, colour)
    title: list[Flowable] = [Spacer(0, 3 * mm), heading, Spacer(0, mm)]
    lines: list[Flowable] = [_paragraph(letters, line, WIDTH, 9, PLAIN, colour) for line in part.lines]
    # A comment can be longer than a page, so rows may be parted from each other.
    rows: list[Flowable] = [_rows(letters, part)] if part.rows else []
    pictures: list[Flowable] = [_pictures(letters, part.pictures)] if part.pictures else []
    scale: list[Flowable] = [_image(part.scale, PICTURES)] if part.scale else []
    body = [*rows, *pictures, *scale, *lines]
    return [KeepTogether([*title, *body[:1]]), *body[1:]] if not part.pictures else [KeepTogether([*title, *body])]


def _rows(letters: Letters, part: Section) -> Table:
    names, values = NAMES - 2 * PADDING, WIDTH - NAMES - 2 * PADDING
    cells = [
        [_paragraph(letters, name, names, 9, PLAIN, QUIET), _paragraph(letters, value, values, 9)]
        for name, value in part.rows
    ]
    table = Table(cells, colWidths=[NAMES, WIDTH - NAMES], splitInRow=1, hAlign="LEFT")
    table.setStyle([("VALIGN", (0, 0), (-1, -1), "TOP"), ("LEFTPADDING", (0, 0), (0, -1), 0), *_padding(1)])
    return table


def _pictures(letters: Letters, pictures: Sequence[Picture]) -> Table:
    """A column for each slice: plain, with colours, caption."""
    width = PICTURES / len(pictures)
    captions = [_paragraph(letters, one.caption, width - PADDING, 8, PLAIN, QUIET) for one in pictures]
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
