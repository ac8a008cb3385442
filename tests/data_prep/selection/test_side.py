"""Words to sides, as people and scanners write them; what only looks like a side says nothing."""

import pytest

from data_prep.dicom.header import Header
from data_prep.selection.side import declared_sides, described_sides, stated_side


def header(**values: str) -> Header:
    return Header({name: (value,) for name, value in values.items()})


@pytest.mark.parametrize(
    ("text", "sides"),
    [
        *(
            (text, "L")
            for text in ("L", "l", "LT", "Left", "LEFT KNEE", "Lft", "links", "LI", "gauche", "G", "izquierda")
        ),
        *(
            (text, "L")
            for text in ("IZQ.", "sinistra", "SX", "esquerdo", "vänster", "lewe", "левое", "左", "左膝", "왼쪽")
        ),
        *(
            (text, "R")
            for text in ("R", "RT", "right", "RIGHT_KNEE", "rechts", "RE", "droite", "D", "derecha", "destra")
        ),
        *((text, "R") for text in ("DX", "direita", "höger", "oikea", "prawe", "правое", "右", "右膝関節", "오른쪽")),
        *((text, "LR") for text in ("B", "BOTH", "bilateral", "beidseitig", "L\\R", "両膝", "left and right")),
        *((text, "") for text in ("U", "unpaired", "", "NONE", "knee", "?", "1")),
    ],
)
def test_declared_sides(text, sides):
    assert declared_sides(text) == set(sides)


@pytest.mark.parametrize(
    ("text", "sides"),
    [
        *((text, "L") for text in ("SAG PD FS LT", "KNEE_LT", "KneeLt", "Knee L", "L-KNEE pd", "Left knee", "KNIE LI")),
        *((text, "L") for text in ("knie links sag", "GENOU G SAG", "rodilla izquierda", "RODILLA IZQ", "JOELHO E")),
        *(
            (text, "L")
            for text in ("ginocchio sin", "GINOCCHIO SX", "LKNEE", "左膝 SAG PDFS", "knä v", "левого колена")
        ),
        *((text, "R") for text in ("SAG PD FS RT", "KNIE RE", "knie_r_sag", "Genou droit", "RODILLA DER", "R KNEE")),
        *((text, "R") for text in ("ginocchio dx", "joelho dir", "RKNEE", "右膝", "polvi oikea", "kolano prawe")),
        *((text, "LR") for text in ("knees both", "KNEE BILATERAL", "LEFT/RIGHT", "両膝")),
        *((text, "") for text in ("SAG PD FS", "R2_STAR", "T2 R", "SAG SIN CONTRASTE", "rodilla sin contraste")),
        *(
            (text, "")
            for text in ("3D L-spine", "der Patient", "DIR sag", "rs_pd", "SAG D", "T1 RE-SCAN", "FLEX L", "dxa")
        ),
        *((text, "") for text in ("KNEE 3D", "upright", "relative", "alert", "KNEE LAT", "default knee")),
    ],
)
def test_described_sides(text, sides):
    assert described_sides(text) == set(sides)


@pytest.mark.parametrize(
    ("headers", "side"),
    [
        ([{"Laterality": "L"}, {}], "L"),
        ([{"FrameLaterality": "R"}, {"ImageLaterality": "RIGHT"}], "R"),
        ([{"SeriesDescription": "KNEE LT"}], "L"),
        ([{"SeriesDescription": "sag pd", "ProtocolName": "KNIE RE"}], "R"),
        ([{"BodyPartExamined": "LKNEE"}], "L"),
        ([{"Laterality": "L", "SeriesDescription": "LT", "ProtocolName": "KNEE RT"}], "L"),
        ([{"Laterality": "B", "SeriesDescription": "SAG LT"}], "L"),
        ([{"Laterality": "R", "ProtocolName": "BILATERAL KNEES"}], "R"),
        ([{"FrameLaterality": "B"}], None),
        ([{"Laterality": "U"}], None),
        ([{}], None),
    ],
)
def test_the_side_that_headers_agree_on(headers, side):
    said = stated_side(header(**values) for values in headers)
    assert (said.side, said.contradiction) == (side, None)


@pytest.mark.parametrize(
    "headers",
    [
        [{"Laterality": "L", "ImageLaterality": "R"}],
        [{"Laterality": "LEFT"}, {"Laterality": "rechts"}],
        [{"Laterality": "L", "SeriesDescription": "SAG PD RT"}],
        [{"SeriesDescription": "knee left", "ProtocolName": "knee right"}],
    ],
)
def test_contradictions_name_no_side(headers):
    said = stated_side(header(**values) for values in headers)
    assert said.side is None
    assert said.contradiction
    assert "different sides" in said.contradiction or "both" in said.contradiction
