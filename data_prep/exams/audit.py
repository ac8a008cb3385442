"""Looks for what is wrong with an exam table, before figures are computed on it: leaks, unreadable exams, shortcuts.

Leaks, contradicting labels and unreadable exams are faults. What else a reader of figures should know is a warning or
a remark.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from data_prep.exams import groups as grouping
from data_prep.exams.look import Look
from data_prep.exams.shortcut import is_suspicious, shortcut
from data_prep.exams.split import label_set, missing_classes
from data_prep.exams.summary import Table, tables
from data_prep.importers.label_table import LabelTable
from data_prep.importers.mrnet import PUBLISHED_MEAN, PUBLISHED_SD
from data_prep.importers.patient_ids import is_unkeyed
from data_prep.labels import BINARY, FOUR_CLASS, SCHEMES
from data_prep.statistics import Figure
from data_prep.tables.exams import Exam

# More faults than this on the screen don't help.
FAULTS_PRINTED = 40


@dataclass(frozen=True)
class Audit:
    """The result of an audit.

    Attributes:
        faults: Sentences, each a reason not to compute anything on this table.
        warnings: Sentences on classes that a split lacks.
        remarks: Other sentences that a reader of figures should know.
        tables: What the table holds, counted.
        groups: How many exams stay together.
        shortcut: AUC of header fields alone; None if there are too few exams of a class.
    """

    faults: tuple[str, ...]
    warnings: tuple[str, ...]
    remarks: tuple[str, ...]
    tables: tuple[Table, ...]
    groups: str
    shortcut: Figure | None

    def __str__(self) -> str:
        parts = [*(f"{table}\n" for table in self.tables if table.rows), self.groups]
        parts += [f"note: {remark}" for remark in self.remarks]
        if self.shortcut:
            parts.append(f"{self.shortcut}")
            if is_suspicious(self.shortcut):
                parts.append("WARNING shortcut: headers alone separate the classes; a model may learn the scanner.")
        else:
            parts.append("AUC of header fields alone: too few exams of a class to say")
        parts += [f"WARNING {warning}" for warning in self.warnings]
        parts += [f"FAULT {fault}" for fault in self.faults[:FAULTS_PRINTED]]
        if more := self.faults[FAULTS_PRINTED:]:
            parts.append(f"FAULT and {len(more)} more")
        return "\n".join(parts)


def audit(exams: Sequence[Exam], looks: Sequence[Look]) -> Audit:
    """Run all checks of an exam table, given a look at each exam. The time grows as in `groups.links`."""
    tied = grouping.links(exams, looks)
    together = grouping.groups(len(exams), tied)
    return Audit(
        faults=(*_leaks(exams, tied), *_label_faults(exams), *_unreadable(exams, looks)),
        warnings=tuple(lack for scheme in SCHEMES.values() for lack in missing_classes(exams, scheme)),
        remarks=tuple(_remarks(exams, looks)),
        tables=tuple(tables(list(zip(exams, looks, strict=True)))),
        groups=_group_sizes(together),
        shortcut=shortcut(exams, looks, together),
    )


def _leaks(exams: Sequence[Exam], tied: dict[str, list[grouping.Pair]]) -> Iterable[str]:
    for reason, pairs in tied.items():
        for group in grouping.groups(len(exams), {reason: pairs}):
            members = {exams[index].split: exams[index].exam_id for index in reversed(group) if exams[index].split}
            if len(members) > 1:
                named = ", ".join(f"{name} ({split})" for split, name in sorted(members.items()))
                yield f"leak: {len(group)} exams that share {reason} lie in {len(members)} splits: {named}"


def _label_faults(exams: Sequence[Exam]) -> Iterable[str]:
    """Labels that contradict themselves: the binary classes don't fit the four-class ones."""
    collapse = dict(zip(FOUR_CLASS.classes, FOUR_CLASS.collapses_into[BINARY.name], strict=True))
    for exam in exams:
        collapsed = {BINARY.classes[collapse[name]] for name in exam.four_class}
        if exam.binary and collapsed and not exam.binary <= collapsed:
            yield f"label of {exam.exam_id}: binary says {'|'.join(exam.binary)}, four_class says something else"


def _unreadable(exams: Sequence[Exam], looks: Sequence[Look]) -> Iterable[str]:
    for exam, look in zip(exams, looks, strict=True):
        if look.shape is None:
            yield f"exam {exam.exam_id} can't be used: {look.flags[0].reason}"


def _remarks(exams: Sequence[Exam], looks: Sequence[Look]) -> Iterable[str]:
    flagged = [look for look in looks if look.flags and look.shape]
    if flagged:
        kinds = Counter(flag.kind for look in flagged for flag in look.flags)
        found = ", ".join(f"{kind} {count}" for kind, count in kinds.most_common())
        yield f"the quality screen flags {len(flagged)} exams ({found}); `import --drop flagged` leaves them out"
    if any(is_unkeyed(exam.patient_id) for exam in exams):
        yield (
            "patient ids are hashes without a key, made by an earlier version: a person who tries all possible ids or "
            "names can find the patients; import again"
        )
    if unlabelled := sum(not any(label_set(exam)) for exam in exams):
        yield f"{unlabelled} exams have no label in either scheme; they belong to no split"
    if assumed := sum(exam.spacing_mm is not None for exam in exams):
        yield f"{assumed} exams are arrays without a header: their spacing comes from the table"
    for source in sorted({exam.source for exam in exams}):
        yield from _remarks_on_source(source, exams, looks)


def _remarks_on_source(source: str, exams: Sequence[Exam], looks: Sequence[Look]) -> Iterable[str]:
    ours = [(exam, look) for exam, look in zip(exams, looks, strict=True) if exam.source == source]
    if all(exam.patient_id in (exam.exam_id, exam.study_uid) for exam, _ in ours):
        yield f"{source}: it doesn't name the patients, so a patient's exams can't be kept together"
    readable = [look for _, look in ours if look.shape]
    if source == "mrnet" and readable:
        mean, deviation = (sum(look.intensity[part] for look in readable) / len(readable) for part in (0, 1))
        yield (
            f"mrnet: intensities after min-max to 255 have mean {mean:.2f} and deviation {deviation:.2f} "
            f"(published {PUBLISHED_MEAN} and {PUBLISHED_SD})"
        )
    if caveat := LabelTable.load(None).caveat(source):
        yield f"{source}: {caveat}"


def _group_sizes(together: Sequence[Sequence[int]]) -> str:
    sizes = sorted(Counter(map(len, together)).items())
    return "groups that stay together: " + ", ".join(f"{count} of {size}" for size, count in sizes)
