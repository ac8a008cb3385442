"""A flag: a fault of an exam, with a kind for counting and a sentence for the person who decides."""

from dataclasses import dataclass

from data_prep.errors import InputError


@dataclass(frozen=True)
class Flag:
    """A fault of an exam.

    Attributes:
        kind: One of `data_prep.quality.KINDS`.
        reason: A sentence with what was measured and the threshold.
    """

    kind: str
    reason: str


def flag_of(error: InputError) -> Flag:
    """The flag of an exam that couldn't be loaded at all."""
    return Flag(error.kind, error.detail)
