"""What TensorFlow's native code says on standard error while it is imported, without the parts that help nobody.

It logs what the machine has and lacks before it reads TF_CPP_MIN_LOG_LEVEL (version 2.21), and straight to the file
descriptor, past Python's `sys.stderr`.
"""

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

# A line of the log below an error (absl's prefix: severity, month and day, time), and what belongs to such lines.
NOISE = re.compile(
    rb"[IW]\d{4} \d\d:\d\d:\d\d|WARNING: All log messages before absl|To enable the following instructions"
)


@contextmanager
def without_noise() -> Iterator[None]:
    """Hold back what is written to standard error meanwhile; afterwards pass on what isn't noise."""
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
