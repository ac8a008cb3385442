"""The report page: what an exam table holds, with pictures. One HTML file that opens from disk without a network."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from data_prep.exams.look import Look, completed
from data_prep.exams.pictures import WIDTH, exam_picture
from data_prep.exams.split import LabelSet, label_set
from data_prep.exams.summary import Seen, label_name, tables
from data_prep.files import replacing
from data_prep.labels import BINARY, FOUR_CLASS
from data_prep.tables.exams import Exam
from data_prep.workers import Workers

# Pictures for each label set: two rows on a wide screen.
MONTAGE = 12
# At most this many flagged exams have a picture, so that the page stays short. The others are listed.
FLAGGED_PICTURES = 60
Item = TypeVar("Item")


@dataclass(frozen=True)
class Montage:
    """Some exams of one label set, and how many exams have it."""

    four_class: str
    binary: str
    exams: int
    shown: tuple[Exam, ...]


def write_report(
    table_name: str,
    exams: Sequence[Exam],
    looks: Sequence[Look],
    folder: Path,
    caveats: Mapping[str, str],
    workers: Workers,
) -> Path:
    """Write `index.html` and its pictures. Only exams with a picture on the page are loaded.

    Args:
        table_name: The page's title.
        exams: The exam table.
        looks: One look for each exam.
        folder: Where the page is written.
        caveats: What to say about each source's labels.
        workers: Processes that make the pictures.

    Returns:
        The page's path.

    Raises:
        InputError: If an exam can't be loaded (`load_exam`).
    """
    seen = [(completed(exam, look), look) for exam, look in zip(exams, looks, strict=True)]
    montages = _montages(seen)
    flagged = [(exam, look) for exam, look in seen if look.flags]
    flagged_shown = evenly([(exam, look) for exam, look in flagged if look.shape], FLAGGED_PICTURES)
    flagged_ids = {exam.exam_id for exam, _ in flagged_shown}
    montage_ids = {exam.exam_id for montage in montages for exam in montage.shown}
    page = _template().render(
        table=table_name,
        exams=len(seen),
        patients=len({exam.patient_id for exam, _ in seen}),
        flagged=flagged,
        flagged_shown=flagged_shown,
        flagged_listed=[(exam, look) for exam, look in flagged if exam.exam_id not in flagged_ids],
        unusable=sum(look.shape is None for look in looks),
        tables=tables(seen),
        caveats={source: caveat for source, caveat in caveats.items() if caveat},
        montages=montages,
        pictures=_write_pictures(exams, flagged_ids | montage_ids, folder, workers),
        width=WIDTH,
    )
    index = folder / "index.html"
    with replacing(index) as partial:
        partial.write_text(page, encoding="utf-8")
    return index


def evenly(items: Sequence[Item], most: int) -> list[Item]:
    """At most `most` of the items, in order, evenly spread from the first to the last."""
    if len(items) <= most:
        return list(items)
    return [items[round(place * (len(items) - 1) / (most - 1))] for place in range(most)]


def _montages(seen: Sequence[Seen]) -> list[Montage]:
    members: dict[LabelSet, list[Seen]] = {}
    for exam, look in seen:
        members.setdefault(label_set(exam), []).append((exam, look))
    return [
        Montage(
            label_name(four_class, FOUR_CLASS),
            label_name(binary, BINARY),
            len(ours),
            tuple(evenly([exam for exam, look in ours if look.shape], MONTAGE)),
        )
        for (binary, four_class), ours in sorted(members.items(), key=lambda item: _severity(item[0]))
    ]


def _severity(labels: LabelSet) -> tuple[list[int], list[int]]:
    """A key to sort from healthy to worst, by the four classes first; exams without a label come last."""
    binary, four_class = labels
    ranks = sorted(map(FOUR_CLASS.index, four_class)) or [len(FOUR_CLASS)]
    return ranks, sorted(map(BINARY.index, binary)) or [len(BINARY)]


def _write_pictures(exams: Sequence[Exam], wanted: set[str], folder: Path, workers: Workers) -> dict[str, str]:
    """Write the pictures; returns their paths, relative to the page, by exam id.

    Files are numbered by the table's rows, because an id may not be a valid file name.
    """
    chosen = {f"pictures/{row:05d}.png": exam for row, exam in enumerate(exams) if exam.exam_id in wanted}
    pictures = workers.run(exam_picture, list(chosen.values()), "drawing")
    for place, png in zip(chosen, pictures, strict=True):
        with replacing(folder / place) as partial:
            partial.write_bytes(png)
    return {exam.exam_id: place for place, exam in chosen.items()}


def _template() -> Template:
    home = FileSystemLoader(Path(__file__).parent)
    return Environment(loader=home, autoescape=True, undefined=StrictUndefined).get_template("report.html")
