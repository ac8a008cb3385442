"""A warning for the reader of an answer, in a form that machines and people can read."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Notice:
    """A warning.

    Attributes:
        code: a short fixed name, such as `blank-slices`.
        message: a sentence in plain English, without patient data.
    """

    code: str
    message: str


def counted(number: int, noun: str) -> str:
    """A number and its noun: "1 file", "2 files"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
