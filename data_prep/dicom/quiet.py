"""Switches off pydicom's warnings and log in Cruciate's processes: commands, the service, worker processes.

pydicom warns about every odd file, and there are many; its log may quote values that belong to a patient. Cruciate's
own messages name the problems that matter. This is called when a process starts: importing a module changes nothing.
"""

import logging
import warnings


def ignore_pydicom_warnings() -> None:
    """Stop pydicom's output on standard error, in this process and in the workers that it starts."""
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", module=r"pydicom\.")
