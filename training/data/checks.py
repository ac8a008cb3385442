"""Checks before anything is computed: can this configuration learn from these exams, and can they be scored?

Every error of a table is one sentence with the split, how many exams of each class it has, and what to type.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from data_prep.labels import BINARY, SCHEMES, LabelScheme
from data_prep.statistics import FEWEST
from data_prep.tables.exams import Exam
from models.routes.registry import ROUTES
from training.config.config import Config

SPLIT_AGAIN = "split the exams again: python -m data_prep.exams split TABLE, with another --seed, --val or --test"


def counted(exams: Sequence[Exam], scheme: LabelScheme) -> str:
    """The number of exams of each class and label set: `11 healthy, 0 unhealthy`."""
    sets = Counter(frozenset(exam.allowed(scheme)) for exam in exams)
    parts = [f"{sets.pop(frozenset({name}), 0)} {name}" for name in scheme.classes]
    unlabelled = sets.pop(frozenset(), 0)
    for names, count in sorted(sets.items(), key=lambda item: sorted(item[0])):
        parts.append(f"{count} that may be {' or '.join(name for name in scheme.classes if name in names)}")
    return ", ".join([*parts, *([f"{unlabelled} without a {scheme.name} label"] if unlabelled else [])])


def splits_of(exams: Sequence[Exam]) -> str:
    """The splits of a table with their counts: `12 train, 4 val, 2 in no split`."""
    counts = Counter(exam.split for exam in exams)
    named = [f"{counts[name]} {name}" for name in ("train", "val", "test") if counts[name]]
    return ", ".join([*named, *([f"{counts['']} in no split"] if counts[""] else [])]) or "no exam at all"


def check_learnable(config: Config, exams: Sequence[Exam]) -> None:
    """Raises ValueError with every reason why this configuration can't learn from splits "train" and "val"."""
    scheme = SCHEMES[config.scheme]
    splits = {name: [exam for exam in exams if exam.split == name] for name in ("train", "val")}
    if empty := [name for name, members in splits.items() if not members]:
        missing = " and ".join(map(repr, empty))
        raise ValueError(f"no exam of split {missing} in the table, which has {splits_of(exams)}; {SPLIT_AGAIN}")
    faults = []
    for name, members in splits.items():
        if not any(exam.allowed(scheme) for exam in members):
            faults.append(f"no exam of split {name} has a {scheme.name} label{_other_scheme(members, scheme)}")
    if not faults:
        faults = [
            fault for fault in (_nothing_to_tell(splits["train"], scheme), _unanswerable(config, splits)) if fault
        ]
    if faults:
        raise ValueError("; ".join(faults))


def check_scorable_split(exams: Sequence[Exam], split: str) -> None:
    """Raises ValueError, with the split and counts, if exams don't allow a binary AUC with an interval."""
    sides = Counter(name for exam in exams if len(exam.binary) == 1 for name in exam.binary)
    if min(sides[name] for name in BINARY.classes) < FEWEST:
        raise ValueError(
            f"{split} has {counted(exams, BINARY)}; an AUC with an interval needs at least two healthy and two "
            f"unhealthy exams. Take other exams, or {SPLIT_AGAIN}"
        )


def _other_scheme(exams: Sequence[Exam], scheme: LabelScheme) -> str:
    """The option for another scheme whose labels the exams have; "" if there is none."""
    others = [name for name, other in SCHEMES.items() if other != scheme and any(exam.allowed(other) for exam in exams)]
    return "".join(f", but some have a {name} label: --set 'scheme=\"{name}\"'" for name in others)


def _nothing_to_tell(exams: Sequence[Exam], scheme: LabelScheme) -> str:
    """An error if one class is allowed for all exams: a model could then always predict this class."""
    labelled = [exam.allowed(scheme) for exam in exams if exam.allowed(scheme)]
    if not frozenset.intersection(*labelled):
        return ""
    return f"split train has {counted(exams, scheme)}: there are no classes to separate; {SPLIT_AGAIN}"


def _unanswerable(config: Config, splits: dict[str, list[Exam]]) -> str:
    """An error if route svc can't learn one of its questions: "this class?" needs exams with both answers."""
    if ROUTES[config.route].learns != "machine":
        return ""
    scheme = SCHEMES[config.scheme]
    counting = [exam.allowed(scheme) for exam in splits["train"] if exam.weight > 0 and exam.allowed(scheme)]
    asked = scheme.classes[-1:] if len(scheme) == 2 else scheme.classes
    lacking = [
        name
        for name in asked
        if not any(sure == {name} for sure in counting) or not any(name not in sure for sure in counting)
    ]
    if not lacking:
        return ""
    # From a label with several classes a one-vs-rest classifier can't learn anything about these classes.
    binary = ", or ask for two classes: --set 'scheme=\"binary\"'" if len(scheme) > 2 else ""
    named = " and others surely ".join(map(repr, lacking))
    return (
        f"route svc needs exams that are surely {named}, and others that surely aren't; split train has "
        f"{counted(splits['train'], scheme)}. Take a network route such as vgg16{binary}"
    )


def allowed_by(exams: Sequence[Exam], scheme: LabelScheme) -> npt.NDArray[np.float32]:
    """Allowed classes `[N, K]` of the exams with a label in this scheme."""
    rows = [scheme.members(exam.allowed(scheme)) for exam in exams if exam.allowed(scheme)]
    return np.array(rows, np.float32).reshape(len(rows), len(scheme))
