"""How much a process has worked, as the system counts it (proc(5)). A process that is stopped doesn't work."""

import os
from pathlib import Path

# Places of user and system time behind the name of the program, which may hold anything.
USER, SYSTEM = 11, 12
# Seconds; times are counted in these.
TICK_S = 1 / os.sysconf("SC_CLK_TCK")


def used_s(process: int) -> float | None:
    """Seconds of a processor that a process has used; None if there is no such process, or no /proc (macOS)."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        return (int(fields[USER]) + int(fields[SYSTEM])) * TICK_S
    except (OSError, ValueError, IndexError):
        return None
