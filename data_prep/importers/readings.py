"""What the rows of a table of diagnoses say of each knee: one reading for each reader, of which the worst stands.

Rows of one knee that contradict each other are faults, all of them: nobody can say which is right.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from data_prep.importers.box_columns import BoxRequest
from data_prep.importers.label_table import Classes
from data_prep.labels import BINARY, FOUR_CLASS, LabelScheme
from data_prep.tables import Faults, Line
from data_prep.tables.cells import words_key
from data_prep.volume import Laterality

ONLY_READER = "1"  # what a reading without a name is called


@dataclass(frozen=True)
class Reading:
    """One row. label: as it is written; side: of the knee; reader, patient: '' where the row doesn't say."""

    line: Line
    label: str
    binary: Classes
    four_class: Classes
    reader: str = ""
    patient: str = ""
    side: Laterality = "unknown"
    box: BoxRequest | None = None

    @property
    def severity(self) -> tuple[int, int, int]:
        """Injured before healthy, then by the worst class that it allows, then by the mildest.

        "Unhealthy", which may be a complete rupture, is worse than "partial rupture" and not as bad as "complete".
        """
        worst, mildest = _span(FOUR_CLASS, self.four_class)
        return _span(BINARY, self.binary)[0], worst, mildest


@dataclass(frozen=True)
class Knee:
    """All rows of one knee, which agree in what has to be one. readings: the first row of each reader."""

    study_uid: str
    side: Laterality
    rows: tuple[Reading, ...]
    readings: tuple[Reading, ...]

    @property
    def worst(self) -> Reading:
        """The reading that stands."""
        return max(self.readings, key=lambda reading: reading.severity)

    @property
    def patient(self) -> str:
        """As the rows have it; '' if none says it."""
        return next((row.patient for row in self.rows if row.patient), "")

    @property
    def box(self) -> BoxRequest | None:
        """Where the ligament lies, if a row says so."""
        return next((row.box for row in self.rows if row.box), None)

    @property
    def told(self) -> str:
        """Every reader's own label."""
        return "|".join(f"{reading.reader or ONLY_READER}:{reading.label}" for reading in self.readings)


def knees_of(study_uid: str, rows: Sequence[Reading], faults: Faults) -> list[Knee]:
    """The knees of one study, one for each side that its rows name; rows that contradict each other are left out."""
    sides = dict.fromkeys(row.side for row in rows)
    if "unknown" in sides and len(sides) > 1:
        _refuse((row for row in rows if row.side == "unknown"), "other rows of the study name a side", faults)
        sides.pop("unknown")
    if _contradicts(rows, "patient", [row.patient for row in rows], faults):
        return []
    knees = (_knee(study_uid, side, [row for row in rows if row.side == side], faults) for side in sides)
    return [knee for knee in knees if knee]


def _knee(study_uid: str, side: Laterality, rows: Sequence[Reading], faults: Faults) -> Knee | None:
    first: dict[str, Reading] = {}
    for row in rows:
        known = first.setdefault(words_key(row.reader), row)
        if (known.binary, known.four_class) != (row.binary, row.four_class):
            _refuse((known, row), _other_label(row), faults)
            return None
    if _contradicts(rows, "box", [row.box.place if row.box else None for row in rows], faults):
        return None
    return Knee(study_uid, side, tuple(rows), tuple(first.values()))


def _other_label(row: Reading) -> str:
    if row.reader:
        return "this reader has another row for the same study, with another label"
    return "another row has another label for the same study, and neither names its reader (column reader)"


def _contradicts(rows: Sequence[Reading], what: str, values: Sequence[object], faults: Faults) -> bool:
    """Whether two rows say different things; each of the two is a fault then."""
    said = [(row, value) for row, value in zip(rows, values, strict=True) if value]
    others = [row for row, value in said if value != said[0][1]]
    if others:
        _refuse((said[0][0], others[0]), f"another row has another {what} for the same study", faults)
    return bool(others)


def _refuse(rows: Iterable[Reading], reason: str, faults: Faults) -> None:
    faults.found += [row.line.fault(reason).fault for row in rows]


def _span(scheme: LabelScheme, classes: Classes) -> tuple[int, int]:
    """Worst and mildest class of a set; -1 for a set that says nothing."""
    ranks = [scheme.index(name) for name in classes]
    return max(ranks, default=-1), min(ranks, default=-1)
