"""Counts what an exam table holds: the tables of the report page."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from data_prep.exams.look import Look
from data_prep.exams.split import SPLITS
from data_prep.labels import BINARY, FOUR_CLASS, LabelScheme
from data_prep.tables.exams import Exam

NO_LABEL, NO_SPLIT, NO_SOURCE = "no label", "no split", "no source"
ALL = "all"
TableRow = tuple[str, ...]
Seen = tuple[Exam, Look]


@dataclass(frozen=True)
class Table:
    """A table with cells as text. The first column names the rows, the others hold figures."""

    title: str
    columns: TableRow
    rows: tuple[TableRow, ...]
    note: str = ""

    def __str__(self) -> str:
        lines = [self.columns, *self.rows]
        first, *others = (max(map(len, column)) for column in zip(*lines, strict=True))
        aligned = (
            "  ".join([f"  {name:{first}}", *(f"{cell:>{width}}" for cell, width in zip(cells, others, strict=True))])
            for name, *cells in lines
        )
        return "\n".join([self.title, *aligned])


def tables(seen: Sequence[Seen]) -> list[Table]:
    """Exams by source, by split in both schemes, by scanner, by side and by flag, and the spacings of each source."""
    exams = [exam for exam, _ in seen]
    return [
        _sources(seen),
        *(_splits(exams, scheme) for scheme in (BINARY, FOUR_CLASS)),
        _by_class("Scanners", "scanner", [(exam.scanner, exam) for exam in exams]),
        _by_class("Sides", "laterality", [(exam.laterality, exam) for exam in exams]),
        _flags(seen),
        _spacings(seen),
    ]


def label_name(allowed: frozenset[str], scheme: LabelScheme) -> str:
    """A set of classes as text, in the scheme's order, such as "healthy | minor strain"."""
    return " | ".join(name for name in scheme.classes if name in allowed) or NO_LABEL


def by_source(seen: Iterable[Seen]) -> dict[str, list[Seen]]:
    """The exams of each source; sources are in alphabetical order."""
    found: dict[str, list[Seen]] = {}
    for exam, look in sorted(seen, key=lambda one: one[0].source):
        found.setdefault(exam.source or NO_SOURCE, []).append((exam, look))
    return found


def _sources(seen: Sequence[Seen]) -> Table:
    parts = list(by_source(seen).items())
    if len(parts) != 1:
        parts.append((ALL, list(seen)))
    rows = [(source, *map(str, _source_counts(part))) for source, part in parts]
    return Table("Sources", ("source", "exams", "patients", NO_LABEL, "flagged", "unusable"), tuple(rows))


def _source_counts(seen: Sequence[Seen]) -> tuple[int, ...]:
    return (
        len(seen),
        len({exam.patient_id for exam, _ in seen}),
        sum(not (exam.binary or exam.four_class) for exam, _ in seen),
        sum(bool(look.flags) for _, look in seen),
        sum(look.shape is None for _, look in seen),
    )


def _splits(exams: Sequence[Exam], scheme: LabelScheme) -> Table:
    pairs = [(label_name(exam.allowed(scheme), scheme), exam.split or NO_SPLIT) for exam in exams]
    title = f"{'Two' if scheme is BINARY else 'Four'} classes by split"
    note = "A label is the set of classes that it allows: a | b is one of the two, and it isn't known which."
    return _cross(title, "label", pairs, _label_names(exams, scheme), [*SPLITS, NO_SPLIT], note)


def _by_class(title: str, heading: str, placed: Sequence[tuple[str, Exam]], note: str = "") -> Table:
    """Exams by some value and by binary label. If the two are related, a model may learn the value."""
    pairs = [(value, label_name(exam.binary, BINARY)) for value, exam in placed]
    values = [value for value, _ in Counter(value for value, _ in pairs).most_common()]
    return _cross(title, heading, pairs, values, _label_names([exam for _, exam in placed], BINARY), note)


def _flags(seen: Sequence[Seen]) -> Table:
    kinds = [(dict.fromkeys(flag.kind for flag in look.flags), exam) for exam, look in seen]
    placed = [(kind, exam) for found, exam in kinds for kind in found]
    return _by_class("Flags", "kind", placed, "An exam may have several.")


def _label_names(exams: Iterable[Exam], scheme: LabelScheme) -> list[str]:
    """The label sets that occur, from healthy to worst; no label comes last."""
    sets = {exam.allowed(scheme) for exam in exams}
    ordered = sorted(sets, key=lambda names: (not names, sorted(map(scheme.index, names))))
    return [label_name(names, scheme) for names in ordered]


def _cross(
    title: str,
    heading: str,
    pairs: Sequence[tuple[str, str]],
    rows: Sequence[str],
    columns: Sequence[str],
    note: str = "",
) -> Table:
    """How often each row occurs with each column, with sums. Columns that don't occur are left out."""
    counts = Counter(pairs)
    columns = [column for column in columns if any(counts[row, column] for row in rows)]
    lines = [(row, [counts[row, column] for column in columns]) for row in rows]
    if len(lines) > 1:
        lines.append((ALL, [sum(column) for column in zip(*(line for _, line in lines), strict=True)]))
    cells = tuple((row, *map(str, line), str(sum(line))) for row, line in lines)
    return Table(title, (heading, *columns, ALL), cells, note)


def _spacings(seen: Sequence[Seen]) -> Table:
    rows = []
    for source, part in by_source(seen).items():
        usable = [(exam, look) for exam, look in part if look.shape and look.spacing_mm]
        if usable:
            rows.append((source, *_geometry(usable)))
    columns = ("source", "between slices, mm", "between pixels, mm", "slices", "rows", "columns", "spacing assumed")
    return Table("Spacing and size", columns, tuple(rows), "Median, and the range from lowest to highest.")


def _geometry(seen: Sequence[Seen]) -> TableRow:
    spacings = [look.spacing_mm for _, look in seen if look.spacing_mm]
    shapes = [look.shape for _, look in seen if look.shape]
    return (
        _spread([between for between, _, _ in spacings]),
        _spread([pixel for _, rows, columns in spacings for pixel in (rows, columns)]),
        *(_spread(sizes) for sizes in zip(*shapes, strict=True)),
        str(sum(exam.spacing_mm is not None for exam, _ in seen)),
    )


def _spread(values: Sequence[float]) -> str:
    low, high = min(values), max(values)
    return f"{median(values):.4g}" + (f" ({low:.4g} to {high:.4g})" if low < high else "")
