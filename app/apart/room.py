"""How much of the disk answers take that processes have written and clients haven't read yet.

One call writes files of a limited size. Many clients that read slowly, or not at all, would keep many of them.
"""

import os
import weakref
from threading import RLock
from typing import BinaryIO

from werkzeug.exceptions import TooManyRequests

# Seconds. A client that doesn't read is cut off after about a minute (app/server/pace.py).
RETRY_AFTER_S = 30


class Room:
    """Room for files, all together.

    Args:
        most: Bytes.
    """

    def __init__(self, most: int) -> None:
        self._left = most
        self._lock = RLock()  # garbage may be collected while its own thread holds it

    def keep(self, file: BinaryIO) -> BinaryIO:
        """Another handle of a complete file, to read it. The file takes its room until nobody uses this handle.

        Raises:
            TooManyRequests: There isn't enough room.
        """
        kept = os.fdopen(os.dup(file.fileno()), "rb")
        size = os.fstat(kept.fileno()).st_size
        with self._lock:
            if size > self._left:
                kept.close()
                raise TooManyRequests("Other answers haven't been read yet.", retry_after=RETRY_AFTER_S)
            self._left -= size
        weakref.finalize(kept, self._give_back, size)
        return kept

    def _give_back(self, size: int) -> None:
        with self._lock:
            self._left += size
