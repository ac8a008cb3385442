"""All checks of a table of masks before anything is learnt from it, and a summary of what it holds."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from data_prep.exams import groups as grouping
from data_prep.exams.split import SPLITS, split_exams
from data_prep.masks.annotated import Annotated
from data_prep.masks.load import load_annotated
from data_prep.masks.row import MaskRow, shown
from data_prep.masks.structures import in_order
from data_prep.masks.table import by_exam
from data_prep.prepare.fingerprint import slice_digests
from data_prep.tables.exams import Exam
from data_prep.tables.faults import SHOWN
from data_prep.workers import Workers

Rows = Sequence[MaskRow]


@dataclass(frozen=True)
class Looked:
    """What one exam holds.

    Attributes:
        exam_id: the exam.
        split: its split.
        where: table, row and image, for messages.
        shape: slices, rows, columns.
        spacing_mm: between slices, rows and columns; None if unknown.
        drawn: how many slices are drawn.
        pixels: for each structure, how many pixels it has.
        slices: for each structure, how many slices show it.
        images: digests of the slices with content, equal for equal images whatever their scale.
        mask: a digest of the labels; '' if nothing is marked, or if a box is.
        fault: why the exam can't be used; '' if it can.
    """

    exam_id: str
    split: str
    where: str
    shape: tuple[int, int, int] = (0, 0, 0)
    spacing_mm: tuple[float, float, float] | None = None
    drawn: int = 0
    pixels: tuple[tuple[str, int], ...] = ()
    slices: tuple[tuple[str, int], ...] = ()
    images: tuple[str, ...] = ()
    mask: str = ""
    fault: str = ""


@dataclass(frozen=True)
class Checked:
    """The result of all checks.

    Attributes:
        faults: sentences, each a reason not to train.
        looked: what each exam without a fault holds.
    """

    faults: tuple[str, ...]
    looked: tuple[Looked, ...]

    def check(self) -> None:
        """Raise a ValueError with all faults, one in a line, if there are any."""
        if len(self.faults) == 1:
            raise ValueError(self.faults[0])
        if self.faults:
            more = [f"and {len(self.faults) - SHOWN} more"] if len(self.faults) > SHOWN else []
            raise ValueError("\n  ".join([f"{len(self.faults)} faults", *self.faults[:SHOWN], *more]))

    def __str__(self) -> str:
        lines = [*_summary(self.looked)] if self.looked else []
        lines += [f"FAULT {fault}" for fault in self.faults[:SHOWN]]
        if more := self.faults[SHOWN:]:
            lines.append(f"FAULT and {len(more)} more")
        return "\n".join(lines)


def check_masks(rows: Rows, workers: Workers | None = None) -> Checked:
    """Read every image and mask, and compare the exams.

    Args:
        rows: the table's rows.
        workers: processes that read; None for this one alone.
    """
    exams = list(by_exam(rows).values())
    looked = list((workers or Workers(jobs=1)).run(_look, exams, "checking"))
    return Checked(tuple(_faults(looked)), tuple(one for one in looked if not one.fault))


def split_masks(rows: Rows, looked: Sequence[Looked], test: float, val: float, seed: int) -> list[MaskRow]:
    """Give every exam a split, as `data_prep.exams split` does; patients, and exams with equal images, stay together.

    Args:
        rows: the table's rows.
        looked: what each exam holds.
        test: share of the exams, 0 to 1.
        val: share of the exams, 0 to 1.
        seed: determines the order of groups of equal size.

    Raises:
        ValueError: if a share isn't possible, or if a split gets no exam.
    """
    images = {one.exam_id: one.images for one in looked}
    exams = [Exam(name, own[0].patient_id, own[0].image) for name, own in by_exam(rows).items()]
    tied = {
        grouping.PATIENT: grouping.chains((exam.patient_id,) for exam in exams),
        grouping.SLICE: grouping.chains(images.get(exam.exam_id, ()) for exam in exams),
    }
    placed = split_exams(exams, grouping.groups(len(exams), tied), test, val, seed)
    splits = {exam.exam_id: exam.split for exam in placed}
    return [replace(row, split=splits[row.exam_id]) for row in rows]


def looked_at(rows: Rows, exam: Annotated) -> Looked:
    """What a loaded exam holds."""
    masks = {name: exam.mask(name) for name in exam.structures}
    marked = exam.labels.any() and not any(row.box for row in rows)
    return Looked(
        exam_id=exam.exam_id,
        split=exam.split,
        where=_where(rows),
        shape=exam.shape,
        spacing_mm=exam.spacing_mm,
        drawn=int(exam.drawn.sum()),
        pixels=tuple((name, int(mask.sum())) for name, mask in masks.items()),
        slices=tuple((name, int(mask.any(axis=(1, 2)).sum())) for name, mask in masks.items()),
        images=slice_digests(exam),
        mask=hashlib.sha256(repr(exam.shape).encode() + np.packbits(exam.labels > 0).tobytes()).hexdigest()
        if marked
        else "",
    )


def _look(rows: Rows) -> Looked:
    try:
        return looked_at(rows, load_annotated(rows))
    except (ValueError, OSError) as error:
        return _faulty(rows, error)


def _faulty(rows: Rows, error: Exception) -> Looked:
    return Looked(rows[0].exam_id, rows[0].split, _where(rows), fault=str(error))


def _where(rows: Rows) -> str:
    return f"{rows[0].place}: {shown(rows[0].image)}" if rows[0].place else shown(rows[0].image)


def _faults(looked: Sequence[Looked]) -> list[str]:
    """Faults of single exams, and of exams that share what they shouldn't."""
    faults = [one.fault for one in looked if one.fault]
    images: dict[str, Looked] = {}
    masks: dict[str, Looked] = {}
    for one in looked:
        for digest in one.images:
            other = images.setdefault(digest, one)
            if one.split and other.split and one.split != other.split:
                faults.append(f"{one.where} ({one.split}) has the same image as {other.where} ({other.split})")
                break
        if one.mask and (other := masks.setdefault(one.mask, one)) is not one:
            faults.append(f"{one.where}: its mask is that of another exam, {other.where}")
    return faults


def _summary(looked: Sequence[Looked]) -> Iterable[str]:
    drawn = sum(one.drawn for one in looked)
    splits = Counter(one.split for one in looked)
    named = ", ".join(f"{name} {splits[name]}" for name in SPLITS if splits[name])
    yield (
        f"{len(looked)} exams ({named or 'no splits'}"
        + (f", {splits['']} in none" if named and splits[""] else "")
        + f"), {sum(one.shape[0] for one in looked)} slices, {drawn} of them drawn"
    )
    sizes = Counter(one.shape[1:] for one in looked).most_common()
    yield (
        "sizes: "
        + ", ".join(f"{rows} x {columns} ({count})" for (rows, columns), count in sizes[:8])
        + (f" and {len(sizes) - 8} more" if len(sizes) > 8 else "")
    )
    steps = [one.spacing_mm for one in looked if one.spacing_mm]
    if steps:
        pixels = [step[1] for step in steps]
        yield f"pixels of {min(pixels):.3g} to {max(pixels):.3g} mm"
    if unknown := len(looked) - len(steps):
        yield f"size of a pixel unknown: {unknown} exams"
    yield from (_structure(name, looked) for name in in_order({name for one in looked for name, _ in one.pixels}))


def _structure(name: str, looked: Sequence[Looked]) -> str:
    """How often a structure was looked for, how often it was found, and how large it is where it is seen."""
    has = [one for one in looked if name in dict(one.pixels)]
    found = [one for one in has if dict(one.pixels)[name]]
    slices = sum(dict(one.slices)[name] for one in has)
    area = sum(dict(one.slices)[name] * one.shape[1] * one.shape[2] for one in found)
    share = sum(dict(one.pixels)[name] for one in found) / area if area else 0.0
    absent = f", not there in {len(has) - len(found)}" if len(found) < len(has) else ""
    return f"{name}: in {len(found)} exams{absent}, on {slices} slices, {share:.2%} of their pixels"
