"""Removes useless lines that TensorFlow's native code writes to standard error while it is imported.

It logs what the machine has and lacks before it reads TF_CPP_MIN_LOG_LEVEL (version 2.21), and it writes directly to
the file descriptor, not to Python's `sys.stderr`.
"""

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

# Log lines below the level of an error (absl's prefix: severity, month and day, time), and lines that belong to them.
NOISE = re.compile(
    rb"[IW]\d{4} \d\d:\d\d:\d\d|WARNING: All log messages before absl|To enable the following instructions"
)


@contextmanager
def without_noise() -> Iterator[None]:
    """Hold back everything that is written to standard error; at the end, write the lines that aren't noise."""
    try:
        sys.stderr.flush()
        kept = os.dup(2)
    except (OSError, ValueError, AttributeError):  # a process without standard error
        yield
        return
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
            held.seek(0)
            for line in held:
                if not NOISE.match(line):
                    os.write(2, line)
