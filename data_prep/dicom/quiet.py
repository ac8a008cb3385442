"""pydicom's warnings and log, for processes of ours: commands, the service, worker processes.

pydicom warns about every odd file, of which there are many, and its log may quote values that belong to a patient. What
matters of a fault is told in our own messages. Called where a process starts: importing a module changes nothing.
"""

import logging
import warnings


def ignore_pydicom_warnings() -> None:
    """Let pydicom say nothing on standard error from now on, in this process and in the workers that it starts."""
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", module=r"pydicom\.")
