"""Finds exams that must stay in one split, because a model that has seen one of them has nearly seen the others."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from data_prep.exams.look import UNKNOWN_SCANNER, Look
from data_prep.prepare.fingerprint import near_duplicates
from data_prep.tables.exams import Exam

# What two exams can share. `scanner` is used only on request.
PATIENT, STUDY, SLICE, PIXELS, REPORT, SCANNER = (
    "patient",
    "study",
    "identical slice",
    "near-identical pixels",
    "report text",
    "scanner",
)
Pair = tuple[int, int]


def links(exams: Sequence[Exam], looks: Sequence[Look], by_scanner: bool = False) -> dict[str, list[Pair]]:
    """Find pairs of exams that share something.

    Empty cells and an unknown scanner link nothing. The time grows linearly with the number of exams, except for
    near-identical pixels, where every two hashes are compared.

    Args:
        exams: The exam table.
        looks: A look at each exam.
        by_scanner: Whether the scanner links exams too.

    Returns:
        For each reason, pairs of indices: enough pairs to connect all exams that share the same thing.
    """
    tied = {
        PATIENT: chains((exam.patient_id,) for exam in exams),
        STUDY: chains((exam.study_uid or look.study_uid,) for exam, look in zip(exams, looks, strict=True)),
        SLICE: chains(look.slices for look in looks),
        PIXELS: near_duplicates([look.perceptual for look in looks]),
        REPORT: chains((exam.report,) for exam in exams),
    }
    if by_scanner:
        tied[SCANNER] = chains(("" if exam.scanner == UNKNOWN_SCANNER else exam.scanner,) for exam in exams)
    return tied


def groups(exams: int, tied: Mapping[str, Sequence[Pair]]) -> list[list[int]]:
    """The exams 0 to `exams` - 1, in order, as groups that share something directly or through other exams."""
    pairs = np.array([pair for some in tied.values() for pair in some], int).reshape(-1, 2)
    graph = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(exams, exams))
    count, member_of = connected_components(graph, directed=False)
    found: list[list[int]] = [[] for _ in range(count)]
    for exam, group in enumerate(member_of):
        found[group].append(exam)
    return found


def chains(things: Iterable[Iterable[str]]) -> list[Pair]:
    """Pairs of each exam and the last exam before it with the same thing."""
    last: dict[str, int] = {}
    pairs = set()
    for index, owned in enumerate(things):
        for thing in owned:
            if thing and last.get(thing, index) != index:
                pairs.add((last[thing], index))
            last[thing] = index
    return sorted(pairs)
