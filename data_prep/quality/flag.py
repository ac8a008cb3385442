"""A fault of an exam: what kind it is, for counting, and a sentence for the person who decides."""

from dataclasses import dataclass

from data_prep.errors import InputError


@dataclass(frozen=True)
class Flag:
    """kind: one of `data_prep.quality.KINDS`. reason: a sentence with what was measured and the threshold."""

    kind: str
    reason: str


def flag_of(error: InputError) -> Flag:
    """The flag of an exam that couldn't be loaded at all."""
    return Flag(error.kind, error.detail)
