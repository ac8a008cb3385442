"""Messages between the service and the processes of `app.apart.pool`: JSON (RFC 8259) behind its length.

Reading a message can't execute anything, whoever wrote it. What a process answers is believed only after its types are
checked: a file of a client may have taken the process over.
"""

import socket
import struct
import time
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, StringConstraints
from werkzeug.exceptions import BadRequest, HTTPException, NotAcceptable, NotFound

from data_prep.dicom.part10 import UID_LENGTH, UID_PATTERN
from data_prep.errors import (
    FileProblem,
    InputError,
    InputOverLimit,
    MalformedBody,
    MalformedInput,
    UnsuitableStudy,
    UnsupportedInput,
)

Result = TypeVar("Result")
Uid = Annotated[str, StringConstraints(pattern=f"^{UID_PATTERN.pattern}$", max_length=UID_LENGTH)]
# One attribute's key in DICOM JSON (PS3.18 F.2).
Tag = Annotated[str, StringConstraints(pattern="^[0-9A-F]{8}$")]

# Bytes. The largest answers name thousands of files, or hold the headers of an instance.
LONGEST = 64 << 20
_LENGTH = struct.Struct(">I")
_INPUT_ERRORS = {
    error.__name__: error
    for error in (MalformedBody, MalformedInput, InputOverLimit, UnsupportedInput, UnsuitableStudy)
}
_HTTP_ERRORS = {error.__name__: error for error in (NotFound, NotAcceptable, BadRequest)}


class Failed(RuntimeError):
    """A call failed unexpectedly. The process has logged the type and place of its error."""


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class Call(_Message):
    """What a process is to do.

    Attributes:
        module: Where the function is.
        files: How many open files follow.
        copied: Whether it is done in a copy of the process.
    """

    module: str
    function: str
    arguments: list[Any]
    files: int
    copied: bool


class Returned(_Message, Generic[Result]):
    """What a function returned.

    Attributes:
        stays: Whether the process answers further calls.
    """

    stays: bool
    result: Result


class Raised(_Message):
    """What a function raised.

    Attributes:
        stays: Whether the process answers further calls.
        error: The name of the exception's class.
        detail: The sentence for the client, for exceptions that have one.
    """

    stays: bool
    error: Annotated[str, StringConstraints(max_length=100)]
    detail: str = ""
    files: tuple[FileProblem, ...] = ()
    kind: str = ""
    errno: int | None = None

    @classmethod
    def of(cls, error: Exception, stays: bool) -> "Raised":
        """The message about an exception. It has no text of exceptions that aren't made for clients."""
        told: dict[str, Any] = {}
        if isinstance(error, InputError):
            told = {"detail": error.detail, "files": error.files, "kind": error.kind}
        elif isinstance(error, HTTPException):
            told = {"detail": error.description or ""}
        elif isinstance(error, MemoryError):
            return cls(stays=stays, error=MemoryError.__name__)  # NumPy's is a subclass
        elif isinstance(error, OSError):
            return cls(stays=stays, error=OSError.__name__, errno=error.errno)
        return cls(stays=stays, error=type(error).__name__, **told)

    def exception(self) -> Exception:
        """The exception again; `Failed` for one that isn't made for clients and is no fault of the machine."""
        if self.error == UnsuitableStudy.__name__:
            return UnsuitableStudy(self.detail, self.files, self.kind)
        if self.error in _INPUT_ERRORS:
            return _INPUT_ERRORS[self.error](self.detail, self.files)
        if self.error in _HTTP_ERRORS:
            return _HTTP_ERRORS[self.error](self.detail)
        if self.error == MemoryError.__name__:
            return MemoryError()
        if self.error == OSError.__name__ and self.errno is not None:
            return OSError(self.errno, "while a study was read")
        return Failed()

    @staticmethod
    def is_expected(error: Exception) -> bool:
        """Whether the message says all there is to say of an error."""
        return isinstance(error, InputError | HTTPException | MemoryError | OSError)


def send(connection: socket.socket, message: bytes) -> None:
    """Send a message. Raises ConnectionError if nobody listens."""
    if len(message) > LONGEST:
        raise ValueError("a message that is too long")
    connection.sendall(_LENGTH.pack(len(message)) + message)


def receive(connection: socket.socket, seconds: float | None = None) -> bytes:
    """Receive a message.

    Args:
        connection: A socket of a process.
        seconds: How long the whole message may take; None for any time.

    Raises:
        EOFError: The other end was closed.
        TimeoutError: It took too long.
        ValueError: The message is longer than `LONGEST`.
    """
    until = None if seconds is None else time.monotonic() + seconds
    (length,) = _LENGTH.unpack(_exactly(connection, _LENGTH.size, until))
    if length > LONGEST:
        raise ValueError("a message that is too long")
    return _exactly(connection, length, until)


def _exactly(connection: socket.socket, length: int, until: float | None) -> bytes:
    content = bytearray()
    while len(content) < length:
        if until is not None:
            if (left := until - time.monotonic()) <= 0:
                raise TimeoutError
            connection.settimeout(left)
        piece = connection.recv(min(length - len(content), 1 << 20))
        if not piece:
            raise EOFError
        content += piece
    return bytes(content)
