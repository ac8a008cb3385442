"""The readings of each knee in a table of diagnoses: one for each reader. The most severe one is used.

If rows of one knee contradict each other, all of them are faults: it can't be known which is right.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from data_prep.importers.box_columns import BoxRequest
from data_prep.importers.label_table import Classes
from data_prep.labels import BINARY, FOUR_CLASS, LabelScheme
from data_prep.tables import Faults, Line
from data_prep.tables.cells import words_key
from data_prep.volume import Laterality

ONLY_READER = "1"  # the name of a reader without a name


@dataclass(frozen=True)
class Reading:
    """One row of the table of diagnoses.

    Attributes:
        line: The row.
        label: The label as it is written.
        binary: The classes that the label allows in the binary scheme.
        four_class: The classes that the label allows in the four-class scheme.
        reader: The reader's name; '' if the row doesn't give it.
        patient: The patient's id; '' if the row doesn't give it.
        side: The knee's side.
        box: Where the ligament lies.
    """

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
        """A key to sort by."""
        return severity(self.binary, self.four_class)


@dataclass(frozen=True)
class Knee:
    """All rows of one knee. They agree in patient, side and box. readings: the first row of each reader."""

    study_uid: str
    side: Laterality
    rows: tuple[Reading, ...]
    readings: tuple[Reading, ...]

    @property
    def worst(self) -> Reading:
        """The most severe reading, which is the one that is used."""
        return max(self.readings, key=lambda reading: reading.severity)

    @property
    def patient(self) -> str:
        """The patient's id in the rows; '' if no row gives it."""
        return next((row.patient for row in self.rows if row.patient), "")

    @property
    def box(self) -> BoxRequest | None:
        """Where the ligament lies, if a row says so."""
        return next((row.box for row in self.rows if row.box), None)

    @property
    def told(self) -> str:
        """Every reader's label, such as "Ann:healthy|Ben:partial rupture"."""
        return "|".join(f"{reading.reader or ONLY_READER}:{reading.label}" for reading in self.readings)


def severity(binary: Classes, four_class: Classes) -> tuple[int, int, int]:
    """A key to sort labels by: unhealthy above healthy, then the worst class that the label allows, then the mildest.

    "Unhealthy", which may be a complete rupture, ranks above "partial rupture" and below "complete rupture".

    Args:
        binary: The classes that the label allows in the binary scheme.
        four_class: The classes that it allows in the four-class scheme.
    """
    worst, mildest = _span(FOUR_CLASS, four_class)
    return _span(BINARY, binary)[0], worst, mildest


def knees_of(study_uid: str, rows: Sequence[Reading], faults: Faults) -> list[Knee]:
    """The knees of one study, one for each side that its rows name.

    Rows that contradict each other are left out and added to `faults`.
    """
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
    """Whether two rows have different values; each of the two is then a fault."""
    said = [(row, value) for row, value in zip(rows, values, strict=True) if value]
    others = [row for row, value in said if value != said[0][1]]
    if others:
        _refuse((said[0][0], others[0]), f"another row has another {what} for the same study", faults)
    return bool(others)


def _refuse(rows: Iterable[Reading], reason: str, faults: Faults) -> None:
    faults.found += [row.line.fault(reason).fault for row in rows]


def _span(scheme: LabelScheme, classes: Classes) -> tuple[int, int]:
    """Worst and mildest class of a set; -1 for an empty set."""
    ranks = [scheme.index(name) for name in classes]
    return max(ranks, default=-1), min(ranks, default=-1)
