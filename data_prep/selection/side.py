"""Which side of the body a header names, in the words that scanners and their operators write.

Laterality, ImageLaterality and FrameLaterality declare it (PS3.3 C.7.3.1, 10.1, C.7.6.16.2.8): R, L, B (both) or U
(unpaired); other software writes whole words. A description may name it among other things. So in a description only
words count that have no other meaning in a protocol's name: "KNEE LT", but not the "sin" of "sin contraste" or the "R"
of "T2 R".
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from data_prep.dicom.header import Header

Side = Literal["L", "R"]

DECLARING = ("Laterality", "ImageLaterality", "FrameLaterality")
DESCRIBING = ("SeriesDescription", "ProtocolName", "BodyPartExamined")


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


# Languages of scanners and their operators: English, German, Dutch, French, Spanish, Portuguese, Italian,
# Swedish, Norwegian, Danish, Finnish, Polish, Czech, Russian, Greek, Arabic, Turkish. With and without accents.
LEFT_WORDS = _set(
    "left lt lft links linke linker linkes gauche izquierda izquierdo izq izqda sinistra sinistro esquerda esquerdo "
    "esq vänster venstre vasen vasemman lewa lewy lewe lewego levá levý levé leva levy leve левая левый левое левого "
    "лев αριστερό αριστερά αριστερο αριστερα يسار اليسرى الأيسر"
)
RIGHT_WORDS = _set(
    "right rt rgt rechts rechte rechter rechtes droit droite derecha derecho dcha destra destro direita direito "
    "höger højre høyre oikea oikean prawa prawy prawe prawego pravá pravý pravé prava pravy prave "
    "правая правый правое правого прав δεξί δεξιά δεξι δεξια يمين اليمنى الأيمن"
)
BOTH_WORDS = _set("both bilateral bilat bilatéral bilaterale beide beider beidseits beidseitig bds ambas ambos ambedue")
# Chinese, Japanese and Korean have no spaces between words.
LEFT_SIGNS, RIGHT_SIGNS, BOTH_SIGNS = ("左", "좌", "왼"), ("右", "우측", "오른"), ("両", "双", "雙", "양측")
# Short forms in attributes that declare a side: the first letters of the words above.
LEFT_LETTERS = _set("l g i s e v li sn sx sin vä ve lewo sol")
RIGHT_LETTERS = _set("r d p h re dx der des dir hö hø sağ")
BOTH_LETTERS = _set("b")
# Next to the word for knee in the same language, a short form is clear in a description too: knee, left, right.
SHORT_FORMS = (
    (_set("knee knees kn"), _set("l"), _set("r")),
    (_set("knie kniegelenk"), _set("l li"), _set("r re")),
    (_set("genou genoux"), _set("g"), _set("d dt")),
    (_set("rodilla"), _set("i iz izda"), _set("d der dch")),
    (_set("ginocchio"), _set("s sx sn sin"), _set("d dx des")),
    (_set("joelho"), _set("e"), _set("d dir")),
    (_set("knä knæ kne"), _set("v vä ve"), _set("h hö hø")),
    (_set("polvi"), _set("v vas"), _set("o oik")),
    (_set("kolano koleno"), _set("l"), _set("p")),
    (_set("diz"), _set("sol"), _set("sağ")),
)
# Knee and side in one word, in BodyPartExamined and protocol names.
LEFT_KNEE, RIGHT_KNEE = _set("lknee ltknee kneel kneelt"), _set("rknee rtknee kneer kneert")


@dataclass(frozen=True)
class StatedSide:
    """What the headers of some images say about their side.

    Attributes:
        side: the one side that they name; None if they name none or contradict each other.
        both: whether they say that both sides are shown.
        contradiction: a sentence that says how they contradict each other; None if they don't.
    """

    side: Side | None = None
    both: bool = False
    contradiction: str | None = None


def stated_side(headers: Iterable[Header]) -> StatedSide:
    """The side that the headers name together. Attributes that declare a side count more than descriptions.

    Descriptions can contradict these attributes; then no side is taken.
    """
    values = {
        (keyword, text) for header in headers for keyword in (*DECLARING, *DESCRIBING) for text in header.texts(keyword)
    }
    declared = [declared_sides(text) for keyword, text in values if keyword in DECLARING]
    described = [described_sides(text) for keyword, text in values if keyword in DESCRIBING]
    both = any(len(sides) > 1 for sides in declared + described)
    declaring: set[Side] = {side for sides in declared if len(sides) == 1 for side in sides}
    describing: set[Side] = {side for sides in described if len(sides) == 1 for side in sides}
    if len(declaring) > 1:
        return StatedSide(None, both, "The headers of one series name both the left and the right side.")
    if len(describing) > 1 and not declaring:
        return StatedSide(None, both, "The descriptions of one series name both the left and the right side.")
    if declaring and len(describing) == 1 and declaring != describing:
        return StatedSide(None, both, "Laterality and the description of the series name different sides.")
    return StatedSide(next(iter(declaring or describing), None), both)


def declared_sides(text: str) -> frozenset[Side]:
    """The sides that a value of Laterality or a similar attribute names: any short form of any language counts."""
    words = _words(text)
    return _named(text, words, LEFT_LETTERS, RIGHT_LETTERS, BOTH_LETTERS)


def described_sides(text: str) -> frozenset[Side]:
    """The sides that a description names, by words that have no other meaning there."""
    words = _words(text)
    return _named(text, words, LEFT_KNEE, RIGHT_KNEE, frozenset()) | _beside_a_knee(words)


def _named(
    text: str, words: list[str], left: frozenset[str], right: frozenset[str], both: frozenset[str]
) -> frozenset[Side]:
    found = set(words)
    sides: set[Side] = set()
    is_both = found & (BOTH_WORDS | both) or any(sign in text for sign in BOTH_SIGNS)
    if is_both or found & (LEFT_WORDS | left) or any(sign in text for sign in LEFT_SIGNS):
        sides.add("L")
    if is_both or found & (RIGHT_WORDS | right) or any(sign in text for sign in RIGHT_SIGNS):
        sides.add("R")
    return frozenset(sides)


def _beside_a_knee(words: list[str]) -> frozenset[Side]:
    sides: set[Side] = set()
    for knees, left, right in SHORT_FORMS:
        for place, word in enumerate(words):
            if word in knees:
                beside = {*words[max(place - 1, 0) : place], *words[place + 1 : place + 2]}
                sides |= {"L"} if beside & left else set()
                sides |= {"R"} if beside & right else set()
    return frozenset(sides)


def _words(text: str) -> list[str]:
    """The words of a text in lower case; "KneeLt" and "KNEE_LT" are two words, "R2" is one."""
    text = unicodedata.normalize("NFKC", text)
    text = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text)
    return re.findall(r"[^\W_]+", text.lower())
