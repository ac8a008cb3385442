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
