"""The head of a request (request line and headers) while it arrives, and the lane that its request takes."""

import re
from enum import Enum

from gunicorn.config import Config
from gunicorn.http.errors import InvalidHeader, LimitRequestHeaders, LimitRequestLine

# Bytes. Real heads have one or two thousand.
HEAD_BYTES = 64 << 10
END = b"\r\n\r\n"
BARE_LF = re.compile(rb"(?<!\r)\n")
HEALTH = (b"/healthz", b"/readyz")
# What is retrieved may have hundreds of megabytes, which a client may read for half an hour. Searches have little.
STORED, SEARCHES = b"/dicom-web/studies/", (b"/series", b"/instances")
BODY = re.compile(rb"\r\n(content-length|transfer-encoding)[ \t]*:", re.IGNORECASE)


class Lane(Enum):
    """Threads for one kind of request. A client that is slow in one lane delays nobody in another one."""

    HEALTH = "health"
    RETRIEVAL = "retrieval"
    WITHOUT_BODY = "without body"
    WITH_BODY = "with body"


class RequestHead:
    """The bytes of a head that have come so far, and possibly of what follows it."""

    def __init__(self, begun: bytes = b"") -> None:
        self.bytes = bytearray(begun)
        self._seen = 0

    def is_complete(self, config: Config) -> bool:
        """Whether everything is here. Only new bytes are searched.

        Raises:
            ParseException: It will never be complete: it is over a limit, or its lines don't end with CRLF.
        """
        start, self._seen = max(0, self._seen - len(END)), len(self.bytes)
        if self.bytes.find(END, start) >= 0:
            return True
        line = self.bytes.find(b"\r\n", 0, config.limit_request_line + 2)
        if line < 0 and len(self.bytes) > config.limit_request_line + 2:
            raise LimitRequestLine(len(self.bytes), config.limit_request_line)
        if len(self.bytes) > HEAD_BYTES:
            raise LimitRequestHeaders("the head is too long")
        if BARE_LF.search(self.bytes, start):
            raise InvalidHeader("bare LF as line terminator")
        return False

    def lane(self) -> Lane:
        """The lane of the request. A head that isn't valid may be in any."""
        head = bytes(self.bytes[: self.bytes.find(END) + 2])
        if BODY.search(head):
            return Lane.WITH_BODY
        words = head.split(b" ", 2)
        path = words[1].partition(b"?")[0] if len(words) == 3 else b""
        if path in HEALTH:
            return Lane.HEALTH
        return Lane.RETRIEVAL if path.startswith(STORED) and not path.endswith(SEARCHES) else Lane.WITHOUT_BODY
