"""What can be wrong with somebody's input. One class for each thing the sender would have to do about it.

The service turns these into 400, 413, 415 and 422; a script prints them. Messages name files and DICOM keywords, never
a patient.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class FileProblem:
    """One file (or zip member) and what is wrong with it."""

    file: str
    detail: str


class InputError(ValueError):
    """Base of all input errors: `detail` is a sentence for the sender, `files` the single files at fault.

    kind: a short name under which such faults of exams are counted.
    """

    kind = "unreadable"

    def __init__(self, detail: str, files: tuple[FileProblem, ...] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.files = files


class MalformedInput(InputError):
    """Not what it claims to be: no zip, no DICOM, truncated."""


class InputOverLimit(InputError):
    """Larger than we are prepared to hold: bytes, files, pixels."""


class UnsupportedInput(InputError):
    """Well formed, but in an encoding (transfer syntax, media type) that we don't take."""


class UnsuitableStudy(InputError):
    """Readable DICOM, but nothing in it that Cruciate can judge."""

    def __init__(self, detail: str, files: tuple[FileProblem, ...] = (), kind: str = "nothing-to-judge") -> None:
        super().__init__(detail, files)
        self.kind = kind
