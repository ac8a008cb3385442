"""Errors in the input. There is one class for each kind of action that the sender must take.

The service turns each class into one HTTP status (`app.contract.problems.INPUT_ERRORS`); a script prints them. Messages
name files and DICOM keywords, never a patient.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class FileProblem:
    """One file (or zip member) and what is wrong with it."""

    file: str
    detail: str


class InputError(ValueError):
    """Base of all input errors.

    Attributes:
        detail: a sentence for the sender.
        files: the files that have a problem, where single files do.
        kind: a short name, used to count the problems of exams.
    """

    kind = "unreadable"

    def __init__(self, detail: str, files: tuple[FileProblem, ...] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.files = files


class MalformedBody(InputError):
    """What holds the files is empty, damaged or incomplete: the request's body, its form or its zip. Send it again."""


class MalformedInput(InputError):
    """A file can't be used: not DICOM, cut short, or its header or pixels can't be right. Mend or replace it."""


class InputOverLimit(InputError):
    """The input is over a limit: too many bytes, files or pixels."""


class UnsupportedInput(InputError):
    """The input may be valid, but Cruciate doesn't support its media type or transfer syntax. Convert it."""


class UnsuitableStudy(InputError):
    """The input is readable DICOM, but Cruciate can't predict on anything in it."""

    def __init__(self, detail: str, files: tuple[FileProblem, ...] = (), kind: str = "nothing-to-predict-on") -> None:
        super().__init__(detail, files)
        self.kind = kind
