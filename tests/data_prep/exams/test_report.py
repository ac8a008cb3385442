"""The page opens from disk, shows what it should, and hands nobody's words to the browser as code."""

from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from data_prep.exams.look import Look
from data_prep.exams.report import FLAGGED_PICTURES, MONTAGE, evenly, write_report
from data_prep.quality import Flag
from data_prep.tables.exams import Exam
from data_prep.workers import Workers

HOSTILE = '<script>alert("x")</script>/../../<img src=x>'
FINE = Look((), (9, 24, 32), (3.6, 0.5, 0.5))
COARSE = replace(FINE, flags=(Flag("coarse-spacing", "Slices lie <6> mm apart."),))
BROKEN = Look((Flag("unreadable", "It holds no array."),))
VOID = {"meta", "img", "link", "br"}


class Page(HTMLParser):
    """Elements in order, text by element; closing tags have to match."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: dict[str, list[str]] = {}
        self.open: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))
        assert self.open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.text.setdefault(self.open[-1], []).append(data.strip())

    @property
    def pictures(self) -> list[str]:
        return [attributes["src"] or "" for tag, attributes in self.elements if tag == "img"]


def array_exam(folder: Path, number: int, **rest) -> Exam:
    path = folder / f"{number}.npy"
    np.save(path, np.random.default_rng(number).integers(0, 256, (9, 24, 32), np.uint8))
    classes = {"binary": frozenset({"healthy"}), "four_class": frozenset({"healthy"})}
    return Exam(f"exam-{number}", f"patient-{number}", path, spacing_mm=(3.6, 0.5, 0.5), **{**classes, **rest})


def report(folder: Path, exams: list[Exam], looks: list[Look], caveats: dict[str, str] | None = None) -> Page:
    page = write_report("exams.csv", exams, looks, folder / "report", caveats or {}, Workers(1))
    assert page == folder / "report" / "index.html"
    return Page(page)


def test_pictures_exist_and_nothing_else_is_asked_for(tmp_path):
    exams = [array_exam(tmp_path, number) for number in range(3)]
    page = report(tmp_path, exams, [FINE, COARSE, FINE])
    assert len(page.pictures) == 4  # three of the class, and the flagged one again
    for place in page.pictures:
        assert (tmp_path / "report" / place).read_bytes().startswith(b"\x89PNG")
    asked = [attributes for tag, attributes in page.elements if tag in ("script", "link", "iframe")]
    assert asked == []
    assert "http" not in (tmp_path / "report" / "index.html").read_text()


def test_words_from_outside_are_only_shown(tmp_path):
    exams = [array_exam(tmp_path, 0, source="<b>own</b>"), array_exam(tmp_path, 1)]
    exams[1] = replace(exams[1], exam_id=HOSTILE, scanner="<i>x</i>")
    page = report(tmp_path, exams, [FINE, COARSE], {"<b>own</b>": "<em>none</em>"})
    assert {"script", "i", "b", "em"}.isdisjoint(tag for tag, _ in page.elements)
    assert HOSTILE in page.text["figcaption"]
    assert "Slices lie <6> mm apart." in page.text["figcaption"]
    assert page.text["li"] == [": <em>none</em>"]
    assert {file.parent for file in tmp_path.rglob("*.png")} == {tmp_path / "report" / "pictures"}


def test_the_page_names_exams_and_no_patient(tmp_path):
    exams = [array_exam(tmp_path, number) for number in range(2)]
    report(tmp_path, exams, [FINE, BROKEN])
    text = (tmp_path / "report" / "index.html").read_text()
    assert "exam-0" in text
    assert "patient-0" not in text
    assert "Research use only, not for diagnosis" in text


def test_facts_count_what_is_there(tmp_path):
    exams = [replace(array_exam(tmp_path, number), patient_id=str(number // 2)) for number in range(5)]
    page = report(tmp_path, exams, [FINE, COARSE, COARSE, BROKEN, FINE])
    assert page.text["dd"] == ["5", "3", "3", "1"]


def test_unusable_exams_are_listed_and_not_loaded(tmp_path):
    missing = replace(array_exam(tmp_path, 0), path=tmp_path / "gone.npy")
    page = report(tmp_path, [missing], [BROKEN])
    assert page.pictures == []
    assert page.text["li"] == ["It holds no array."]


def test_what_the_headers_told_counts(tmp_path):
    page = report(tmp_path, [array_exam(tmp_path, 0)], [replace(FINE, laterality="R")])
    assert "R" in page.text["th"]


def test_montages_go_from_healthy_to_worst_and_are_limited(tmp_path):
    tear = {"binary": frozenset({"unhealthy"}), "four_class": frozenset({"complete rupture"})}
    none = {"binary": frozenset(), "four_class": frozenset()}
    kinds = [none, tear, *[{}] * (MONTAGE + 5)]
    exams = [array_exam(tmp_path, number, **kind) for number, kind in enumerate(kinds)]
    page = report(tmp_path, exams, [FINE] * len(exams))
    captions = page.text["figcaption"]
    assert len(captions) == MONTAGE + 2
    assert captions[0] == "exam-2"
    assert captions[-3:] == [f"exam-{len(exams) - 1}", "exam-1", "exam-0"]


def test_flagged_exams_beyond_the_limit_are_listed(tmp_path):
    exam = array_exam(tmp_path, 0)
    exams = [replace(exam, exam_id=f"exam-{number}") for number in range(FLAGGED_PICTURES + 3)]
    page = report(tmp_path, exams, [COARSE] * len(exams))
    assert len(page.pictures) == MONTAGE + FLAGGED_PICTURES
    assert page.text["li"] == ["Slices lie <6> mm apart."] * 3


@pytest.mark.parametrize(("items", "most", "chosen"), [(3, 4, [0, 1, 2]), (9, 3, [0, 4, 8]), (100, 4, [0, 33, 66, 99])])
def test_evenly_takes_both_ends(items: int, most: int, chosen: list[int]):
    assert evenly(range(items), most) == chosen


def test_an_empty_table_has_a_page(tmp_path):
    assert report(tmp_path, [], []).pictures == []
